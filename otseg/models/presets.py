"""Published settings of the models, one preset per benchmark."""

from typing import Any

from otseg import checks
from otseg.models.asot import ASOTConfig

# Rows: the released code of ASOT (github.com/mingu6/action_seg_ot at 0c4c86b), run_bf.sh, run_yti.sh and README.
# What a row does not set is the default of ASOTConfig, which comes from the same code.
_SHARED: dict[str, Any] = {"order": 0.15, "alpha": 0.3, "alpha_eval": 0.6}
_ASOT: dict[str, dict[str, Any]] = {
    "breakfast": {},  # run_bf.sh
    "yti": {**_SHARED, "n_features": 3000, "layers": (32, 32), "rho_b": 0.12},  # run_yti.sh
    "50salads-eval": {**_SHARED, "n_actions": 12, "rho_b": 0.11},  # README, 50 Salads (Eval)
    "50salads-mid": {**_SHARED, "n_actions": 19, "rho_b": 0.15},  # README, 50 Salads (Mid)
    "desktop-assembly": {  # README, Desktop Assembly
        "n_actions": 22,
        "n_features": 512,
        "radius": 0.02,
        "order": 0.25,
        "rho_b": 0.16,
        "alpha": 0.3,
        "alpha_eval": 0.6,
    },
}

# Number of actions of every activity: the same scripts.
_ACTIVITIES: dict[str, dict[str, int]] = {
    "breakfast": {
        "coffee": 7,
        "cereals": 5,
        "tea": 7,
        "milk": 5,
        "juice": 8,
        "sandwich": 9,
        "scrambledegg": 12,
        "friedegg": 9,
        "salat": 8,
        "pancake": 14,
    },
    "yti": {"changing_tire": 11, "coffee": 10, "cpr": 7, "jump_car": 12, "repot": 8},
}

#: The benchmarks that have a preset.
BENCHMARKS = tuple(_ASOT)


def asot_preset(benchmark: str, activity: str = "") -> ASOTConfig:
    """The settings that ASOT's authors published for a benchmark.

    :func:`otseg.train.train_preset` has the part of the training. Change a field with :func:`dataclasses.replace`.

    Args:
        benchmark: ``"breakfast"``, ``"yti"``, ``"50salads-eval"``, ``"50salads-mid"`` or ``"desktop-assembly"``.
        activity: Activity of Breakfast or YouTube Instructional, such as ``"coffee"``: one model is trained for
            each, and the number of actions is the activity's. The other benchmarks have none.

    Raises:
        ValueError: If the benchmark or the activity is unknown.

    Note:
        Desktop Assembly has 22 actions in ASOT's code, its successors and its ground truth; TOT and UFSA count 23.

    Example:
        >>> asot_preset("breakfast", "coffee").n_actions
        7
    """
    checks.choice("benchmark", benchmark, BENCHMARKS)
    settings = dict(_ASOT[benchmark])
    if benchmark in _ACTIVITIES:
        checks.choice("activity", activity, tuple(_ACTIVITIES[benchmark]))
        settings["n_actions"] = _ACTIVITIES[benchmark][activity]
    else:
        checks.require(not activity, "activity", f"left out for {benchmark!r}", repr(activity))
    return ASOTConfig(**settings)
