"""Settings of an experiment: those of a method on a benchmark, then a file, then single values, then the data."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from otseg import checks
from otseg.data import SequenceDataset
from otseg.models import METHODS, Method, estimate_n_actions
from otseg.models.config import field_names, from_mapping
from otseg.train.config import TrainConfig, parse_toml, read_tables
from otseg.train.loaders import model_input


@dataclass(frozen=True)
class Settings:
    """What to train, before the data is known.

    Attributes:
        method: The method: its model, its name in tables.
        model: Fields of the model's config that are set.
        train: Fields of :class:`TrainConfig` that are set.
        source: Where the settings come from, for reports.
        published: Whether the authors of the method published them, and nothing was changed.
        benchmark: The benchmark whose settings they started from; ``None`` where they started from the defaults.
    """

    method: Method
    model: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)
    source: str = "defaults"
    published: bool = False
    benchmark: str | None = None

    def configs(self, data: SequenceDataset) -> tuple[Any, TrainConfig]:
        """The configs for an activity.

        The numbers of actions and of features are those of the data where they are not set. With ``n_actions`` set to
        ``"auto"`` the number is estimated from the features (:func:`otseg.models.estimate_n_actions`); no label is
        looked at, and the same features give the same number.

        Args:
            data: Sequences of the activity.

        Raises:
            ValueError: If a field is unknown or a value out of range, or the features of the data are not as set.
        """
        known = field_names(self.method.model.config_class)
        values = dict(self.model)
        if "n_features" in known:
            n = values.setdefault("n_features", data.n_features)
            fix = "Leave it out, or give other features."
            checks.require(n == data.n_features, "n_features", f"{data.n_features}, as in the data", n, fix)
        train = from_mapping(TrainConfig, self.train)
        if "n_actions" in known and "n_actions" not in values:
            values["n_actions"] = data.n_actions
        if values.get("n_actions") == "auto":
            features = [sequence.features for sequence in model_input(data, train)]
            estimate = estimate_n_actions(features, generator=torch.Generator().manual_seed(0))
            values["n_actions"] = estimate.n_actions
        return from_mapping(self.method.model.config_class, values), train


def make_settings(
    method: str | Method,
    benchmark: str | None = None,
    *,
    file: str | Path | None = None,
    overrides: Iterable[str] = (),
) -> Settings:
    """Collect settings; what comes later replaces what came before.

    Args:
        method: Name in :data:`otseg.models.METHODS`, or a method of your own.
        benchmark: Start from the method's settings on this benchmark; from the defaults if ``None``.
        file: TOML file with the tables ``[model]`` and ``[train]``.
        overrides: Single values, ``"model.<field>=<value>"`` or ``"train.<field>=<value>"``, the value as in TOML;
            a word needs no quotes.

    Raises:
        ValueError: If a name is unknown, or an override is not of that form.
        FileNotFoundError: If there is no such file.

    Example:
        >>> make_settings("asot", "breakfast", overrides=["train.epochs=3", "model.protocol=published"]).train
        {'epochs': 3, 'standardize': True}
    """
    if isinstance(method, str):
        checks.choice("method", method, tuple(METHODS))
        method = METHODS[method]
    settings = Settings(method)
    if benchmark is not None:
        checks.choice("benchmark", benchmark, tuple(method.presets))
        preset = method.presets[benchmark]
        settings = Settings(method, preset.model, preset.train, preset.source, preset.published, benchmark)
    parts = [] if file is None else [(str(file), read_tables(file))]
    parts += [(text, _parse(text)) for text in overrides]
    for source, tables in parts:
        settings = replace(
            settings,
            model={**settings.model, **tables.get("model", {})},
            train={**settings.train, **tables.get("train", {})},
            source=f"{settings.source}; {source}",
            published=False,
        )
    return settings


def _parse(text: str) -> dict[str, dict[str, Any]]:
    """One override."""
    key, equals, value = text.partition("=")
    table, _, name = key.strip().partition(".")
    form = "model.<field>=<value> or train.<field>=<value>"
    checks.require(bool(equals) and table in ("model", "train") and name.isidentifier(), "overrides", form, repr(text))
    try:
        return {table: {name: parse_toml(f"value = {value.strip()}")["value"]}}
    except ValueError:
        return {table: {name: value.strip()}}
