"""What a method is to everything that trains methods by name: a model, and settings for benchmarks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from otseg.models.base import SegmentationModel


@dataclass(frozen=True)
class Preset:
    """Settings of a method on a benchmark, as far as they differ from the defaults of its configs.

    Attributes:
        source: Where the settings come from, down to the file or table.
        model: Fields of the model's config, without the number of actions, which is the activity's.
        train: Fields of :class:`otseg.train.TrainConfig`.
        published: False where the authors' settings are not public, and these are otseg's choice.
    """

    source: str
    model: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)
    published: bool = True


@dataclass(frozen=True)
class Method:
    """A model with its title in tables, and its settings on benchmarks.

    Attributes:
        title: Name in tables.
        model: The model's class.
        presets: Settings on benchmarks, by their names.
    """

    title: str
    model: type[SegmentationModel]
    presets: Mapping[str, Preset] = field(default_factory=dict)
