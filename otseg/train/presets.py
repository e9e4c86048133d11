"""Settings of training of a method on a benchmark."""

from otseg import checks
from otseg.models import METHODS
from otseg.models.config import from_mapping
from otseg.train.config import TrainConfig


def train_preset(method: str, benchmark: str) -> TrainConfig:
    """The settings of training of a method on a benchmark; :func:`otseg.models.model_preset` has the model's.

    Args:
        method: One of :data:`otseg.models.METHODS`, such as ``"asot"``.
        benchmark: ``"breakfast"``, ``"yti"``, ``"50salads-eval"``, ``"50salads-mid"`` or ``"desktop-assembly"``.

    Raises:
        ValueError: If the method or the benchmark is unknown.

    Example:
        >>> train_preset("asot", "yti").epochs
        10
    """
    checks.choice("method", method, tuple(METHODS))
    checks.choice("benchmark", benchmark, tuple(METHODS[method].presets))
    return from_mapping(TrainConfig, METHODS[method].presets[benchmark].train)
