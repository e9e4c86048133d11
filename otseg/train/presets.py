"""Published settings of training, one preset per benchmark."""

from otseg import checks
from otseg.models.presets import BENCHMARKS
from otseg.train.config import TrainConfig

# Released code of ASOT (github.com/mingu6/action_seg_ot at 0c4c86b): number of epochs, and whether -s is given.
_ASOT = {
    "breakfast": TrainConfig(epochs=15, standardize=True),  # run_bf.sh
    "yti": TrainConfig(epochs=10, standardize=False),  # run_yti.sh
    "50salads-eval": TrainConfig(epochs=30, standardize=False),  # README, 50 Salads (Eval)
    "50salads-mid": TrainConfig(epochs=30, standardize=False),  # README, 50 Salads (Mid)
    "desktop-assembly": TrainConfig(epochs=30, standardize=False),  # README, Desktop Assembly
}


def train_preset(benchmark: str) -> TrainConfig:
    """The settings of training that ASOT's authors published for a benchmark.

    :func:`otseg.models.asot_preset` has the settings of the model.

    Args:
        benchmark: ``"breakfast"``, ``"yti"``, ``"50salads-eval"``, ``"50salads-mid"`` or ``"desktop-assembly"``.

    Example:
        >>> train_preset("yti").epochs
        10
    """
    checks.choice("benchmark", benchmark, BENCHMARKS)
    return _ASOT[benchmark]
