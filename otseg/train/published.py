"""Results that papers report on the benchmarks, each with the source it was read from; cells not found are left out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from otseg import checks

_ASOT = "ASOT's numbers as quoted by VASOT (Ali et al., ICCV 2025), read from a summary of that paper"
_CLOT = "CLOT (Bueno-Benito and Dimiccoli, ICCV 2025), read from a summary of the paper"
_CLOT_ON_ASOT = "ASOT's number as quoted by CLOT (Bueno-Benito and Dimiccoli, ICCV 2025), read from a summary"
_VASOT = "VASOT (Ali et al., ICCV 2025), read from a summary of the paper"
_HVQ = "HVQ (Spurio et al., AAAI 2025), read from summaries of that paper and of CLOT"


@dataclass(frozen=True)
class Published:
    """One row of a table of a paper.

    Attributes:
        method: Name of the method.
        benchmark: The benchmark.
        values: Percentages by the metric of otseg that is nearest, see the note.
        source: Where they were read.
        scope: ``"activity"`` or ``"video"``: which videos share a matching.

    Note:
        The F1 of ASOT's line of papers is drawn at random and divides by the number of classes, not of segments; its
        exact counterpart here is ``f1_asot``. HVQ's, in CTE's line, is another quantity, ``f1_cte``.
    """

    method: str
    benchmark: str
    values: Mapping[str, float]
    source: str
    scope: Literal["activity", "video"] = "activity"


#: What is known. None of the primary papers was at hand: a cell without source is absent.
PUBLISHED = (
    Published("ASOT", "breakfast", {"mof": 56.1, "f1_asot": 38.3, "miou": 18.6}, _ASOT),
    Published("ASOT", "50salads-eval", {"mof": 59.3, "f1_asot": 53.6, "miou": 30.1}, _ASOT),
    Published("ASOT", "desktop-assembly", {"mof": 70.4, "f1_asot": 68.0, "miou": 45.9}, _ASOT),
    Published("ASOT", "yti", {"mof": 52.9}, _CLOT_ON_ASOT),
    Published("ASOT", "breakfast", {"mof": 63.3}, _CLOT_ON_ASOT, "video"),
    Published("ASOT", "50salads-eval", {"f1_asot": 58.9}, _CLOT_ON_ASOT, "video"),
    Published("VASOT", "breakfast", {"mof": 57.5, "f1_asot": 39.0, "miou": 18.8}, _VASOT),
    Published("VASOT", "50salads-eval", {"mof": 60.6, "f1_asot": 57.4, "miou": 34.5}, _VASOT),
    Published("VASOT", "desktop-assembly", {"mof": 70.9, "f1_asot": 75.1, "miou": 49.3}, _VASOT),
    Published("HVQ", "breakfast", {"mof": 54.4, "f1_cte": 39.7}, _HVQ),
    Published("HVQ", "yti", {"mof": 50.3, "f1_cte": 35.1}, _HVQ),
    Published("CLOT", "breakfast", {"mof": 60.1, "f1_asot": 40.1}, _CLOT),
    Published("CLOT", "yti", {"mof": 54.4}, _CLOT),
    Published("CLOT", "50salads-eval", {"f1_asot": 63.2, "miou": 38.8}, _CLOT),
    Published("CLOT", "desktop-assembly", {"f1_asot": 72.6}, _CLOT),
    Published("CLOT", "breakfast", {"mof": 66.3}, _CLOT, "video"),
    Published("CLOT", "50salads-eval", {"f1_asot": 69.7}, _CLOT, "video"),
)


def published_results(benchmark: str, scope: str = "activity") -> list[Published]:
    """The rows of a benchmark.

    Args:
        benchmark: Such as ``"breakfast"``.
        scope: ``"activity"`` or ``"video"``.

    Example:
        >>> [row.method for row in published_results("breakfast", "video")]
        ['ASOT', 'CLOT']
    """
    checks.choice("scope", scope, ("activity", "video"))
    return [row for row in PUBLISHED if (row.benchmark, row.scope) == (benchmark, scope)]
