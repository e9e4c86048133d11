"""The benchmarks of the field: what their folders look like, how many features and actions they have."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from otseg import checks
from otseg.data.dataset import SequenceDataset
from otseg.data.load import AnyPath, load_folder


@dataclass(frozen=True)
class Layout:
    """What is known of a benchmark before its folder is opened.

    Attributes:
        title: Full name.
        n_features: Number of features ``D`` of the usual features.
        actions: Number of actions ``K`` of every activity; one without a name where there is only one.
        source: Where the numbers come from.
        activity_pattern: Finds the activity in the name of a sequence that lies in no sub-folder.
        label_map: Coarser classes for evaluation.
        note: What else a user must know.
    """

    title: str
    n_features: int
    actions: Mapping[str, int]
    source: str
    activity_pattern: str | None = None
    label_map: Mapping[str, str | None] | None = None
    note: str = ""

    def arguments(self) -> dict[str, Any]:
        """Arguments for :func:`load_folder` and :func:`otseg.data.check_folder`."""
        names = ("n_features", "actions", "activity_pattern", "label_map")
        return {name: getattr(self, name) for name in names}


_ASOT = "ASOT (Xu and Gould, CVPR 2024), run_*.sh of its code"
_BREAKFAST = {
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
}
_YTI = {"changing_tire": 11, "coffee": 10, "cpr": 7, "jump_car": 12, "repot": 8}
_SALADS_SHARED = (
    "add_dressing",
    "add_oil",
    "add_pepper",
    "mix_dressing",
    "mix_ingredients",
    "peel_cucumber",
    "serve_salad_onto_plate",
    "action_start",
    "action_end",
)
_SALADS_EVAL = {
    **{f"cut_{item}": "cut" for item in ("tomato", "cucumber", "cheese", "lettuce")},
    **{f"place_{item}_into_bowl": "place" for item in ("tomato", "cucumber", "cheese", "lettuce")},
    "add_salt": "null",
    "add_vinegar": "null",
    **{name: name for name in _SALADS_SHARED},
}

#: The known benchmarks by name.
LAYOUTS: Mapping[str, Layout] = {
    "breakfast": Layout(
        title="Breakfast (Kuehne, Arslan, Serre, CVPR 2014)",
        n_features=64,
        actions=_BREAKFAST,
        source=f"{_ASOT}; features of Kukleva et al., CVPR 2019",
        activity_pattern=r"_(?P<activity>[a-z]+)$",
        note="Names end in the activity: P03_cam01_P03_coffee. One model per activity. SIL is an action.",
    ),
    "yti": Layout(
        title="YouTube Instructions (Alayrac et al., CVPR 2016)",
        n_features=3000,
        actions=_YTI,
        source=_ASOT,
        activity_pattern=r"^(?P<activity>.+)_[^_]+$",
        note="Give background an id below 0 in the mapping: its frames become -1 and are not evaluated. "
        "One model per activity.",
    ),
    "50salads-mid": Layout(
        title="50 Salads, mid granularity (Stein and McKenna, UbiComp 2013)",
        n_features=64,
        actions={"": 19},
        source=_ASOT,
    ),
    "50salads-eval": Layout(
        title="50 Salads, eval granularity (Stein and McKenna, UbiComp 2013)",
        n_features=64,
        actions={"": 12},
        source=f"{_ASOT}; the classes as in the mapping_fse.txt of its examples",
        label_map=_SALADS_EVAL,
        note="The folder of the mid granularity; its 19 classes become 12 when they are evaluated. "
        "Pass label_map='mapping/mappingeval.txt' to use a file instead.",
    ),
    "desktop-assembly": Layout(
        title="Desktop Assembly (Kumar et al., CVPR 2022)",
        n_features=512,
        actions={"": 22},
        source=f"{_ASOT}; TOT and UFSA use 23",
    ),
}


def load_dataset(name: str, root: AnyPath, **options: Any) -> SequenceDataset:
    """Open the folder of a benchmark, see :func:`layout_help` for what it must hold.

    Args:
        name: One of :data:`LAYOUTS`.
        root: The folder.
        options: Arguments of :func:`load_folder`; they replace those of the layout.

    Returns:
        Data set of all activities, or of one with ``activity=``.

    Raises:
        FileNotFoundError: If a folder or a file is missing.
        ValueError: If the name is unknown or a file does not fit.
    """
    checks.choice("name", name, tuple(LAYOUTS))
    return load_folder(root, **{**LAYOUTS[name].arguments(), **options})


def layout_help(name: str) -> str:
    """What to put where in the folder of a benchmark, as text to print.

    Args:
        name: One of :data:`LAYOUTS`.

    Returns:
        A few lines.

    Example:
        >>> print(layout_help("desktop-assembly").splitlines()[0])
        Desktop Assembly (Kumar et al., CVPR 2022)
    """
    checks.choice("name", name, tuple(LAYOUTS))
    layout = LAYOUTS[name]
    activities = sorted(filter(None, layout.actions))
    where = "features/<activity>/<video>" if activities else "features/<video>"
    lines = [
        layout.title,
        f"  {where}.npy (or .txt): one row per frame, {layout.n_features} columns",
        "  groundTruth/<video> (or <video>.txt): the name of one class per line and frame",
        "  mapping/mapping.txt: one line '<id> <name>' per class",
        f"  actions: {', '.join(f'{activity} {n}'.strip() for activity, n in layout.actions.items())}",
        f"  numbers from: {layout.source}",
    ]
    if activities:
        lines.insert(2, "  (or features/<video>.npy: the activity is then read from the name)")
    if layout.note:
        lines.append(f"  note: {layout.note}")
    return "\n".join(lines)
