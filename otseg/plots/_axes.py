"""What all pictures share: a new figure, the axis of time, and the names of classes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from otseg import checks

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
else:
    Axes: TypeAlias = Any  # matplotlib is optional

#: Names of classes: of all, in order, or of some. A class without a name is shown as its number.
ClassNames: TypeAlias = Sequence[str] | Mapping[int, str]


def new_axes(ax: Axes | None, width: float, height: float) -> Axes:
    """``ax``, or the axes of a new figure of a size in inches, whose layout makes room for legends."""
    try:
        from matplotlib import pyplot
        from matplotlib.axes import Axes as Kind
    except ImportError:
        checks.missing_extra("matplotlib", "plots")
    if ax is None:
        return pyplot.subplots(figsize=(width, height), layout="constrained")[1]
    fix = "Choose one of the axes, such as axes[0]." if hasattr(ax, "__len__") else ""
    checks.require(isinstance(ax, Kind), "ax", "matplotlib axes", checks.describe(ax), fix, TypeError)
    return ax


def label_rows(ax: Axes, names: Sequence[str]) -> None:
    """Name the rows 0, 1, ... of the vertical axis: as many as there is room for, in as large a type."""
    room = height_of(ax) / len(names)  # points per row
    every = max(1, -int(-6.0 // room))
    rows = range(0, len(names), every)
    ax.set_yticks(rows, [names[i] for i in rows], fontsize=min(10.0, max(5.0, 0.85 * every * room)))


def label_columns(ax: Axes, names: Sequence[str]) -> None:
    """Name the columns 0, 1, ... of the horizontal axis, upright: as many as there is room for."""
    room = float(ax.bbox.width / ax.figure.dpi * 72) / len(names)  # points per column
    every = max(1, -int(-6.0 // room))
    columns = range(0, len(names), every)
    size = min(10.0, max(5.0, 0.85 * every * room))
    ax.set_xticks(columns, [names[i] for i in columns], fontsize=size, rotation=90)


def height_of(ax: Axes) -> float:
    """Height of the axes in points (1/72 inch)."""
    return float(ax.bbox.height / ax.figure.dpi * 72)


def frame_length(frame_rate: float | None) -> float:
    """Length of a frame on the axis of time: in seconds, or 1 where the rate is unknown."""
    if frame_rate is None:
        return 1.0
    checks.number("frame_rate", frame_rate, 0, open_low=True)
    return 1.0 / frame_rate


def label_time(ax: Axes, frame_rate: float | None) -> None:
    """Name the unit of the axis of time."""
    ax.set_xlabel("frame" if frame_rate is None else "time (s)")


def class_name(class_names: ClassNames | None, k: int) -> str:
    """Name of class ``k``."""
    if isinstance(class_names, Mapping):
        return str(class_names.get(k, k))
    return str(class_names[k]) if class_names is not None and k < len(class_names) else str(k)
