"""The benchmarks that have presets, with the number of actions of every activity."""

from collections.abc import Mapping

from otseg import checks

# Source: run_bf.sh, run_yti.sh and README of ASOT's released code (github.com/mingu6/action_seg_ot at 0c4c86b).
_ACTIONS: Mapping[str, Mapping[str, int]] = {
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
    "50salads-eval": {"": 12},
    "50salads-mid": {"": 19},
    "desktop-assembly": {"": 22},
}

#: The benchmarks that have presets.
BENCHMARKS = tuple(_ACTIONS)


def activities_of(benchmark: str) -> Mapping[str, int]:
    """Number of actions of every activity of a benchmark; the only activity of a benchmark has no name.

    Args:
        benchmark: One of :data:`BENCHMARKS`.

    Raises:
        ValueError: If the benchmark is unknown.

    Note:
        Desktop Assembly has 22 actions in ASOT's code, its successors and its ground truth; TOT and UFSA count 23.

    Example:
        >>> activities_of("50salads-mid")
        {'': 19}
    """
    checks.choice("benchmark", benchmark, BENCHMARKS)
    return _ACTIONS[benchmark]
