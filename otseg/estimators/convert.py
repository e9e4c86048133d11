"""Labels as change points and as tables of segments, and back."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from otseg import checks
from otseg.decode.segments import boundaries, from_segments, segments

if TYPE_CHECKING:
    import pandas as pd

#: How change points are written. ruptures ends with ``n``: its ``predict`` gives the ends of all segments (and its
#: metrics refuse partitions that do not end alike); aeon, in ``BaseSegmenter``, gives the starts but 0.
ChangePointConvention = Literal["ruptures", "aeon"]
_CONVENTIONS = ("ruptures", "aeon")


def to_change_points(labels: Any, convention: ChangePointConvention = "ruptures") -> list[int]:
    """The frames at which a recording changes its action.

    Args:
        labels: Action of every frame of one recording; -1 is no action, and a change to or from it counts.
        convention: ``"ruptures"``: the end of every segment, the last is the number of frames (the form of its
            ``predict``); ``"aeon"``: the start of every segment but the first.

    Raises:
        ValueError: If ``labels`` has not one axis, or a label is below -1.
        TypeError: If labels are not integers.

    Example:
        >>> to_change_points([2, 2, 0, 0, 1]), to_change_points([2, 2, 0, 0, 1], "aeon")
        ([2, 4, 5], [2, 4])
    """
    checks.choice("convention", convention, _CONVENTIONS)
    values = _labels(labels)
    cuts: list[int] = boundaries(values).tolist()
    return [*cuts, len(values)] if convention == "ruptures" and len(values) else cuts


def from_change_points(
    change_points: Sequence[int],
    n: int | None = None,
    *,
    actions: Sequence[int] | None = None,
    convention: ChangePointConvention = "ruptures",
) -> npt.NDArray[np.int64]:
    """Labels of every frame from change points: the inverse of :func:`to_change_points`.

    Args:
        change_points: Strictly ascending frames.
        n: Number of frames; needed for ``"aeon"``, and under ``"ruptures"`` compared with the last point.
        actions: Action of every segment; ``None`` numbers them 0, 1, ... in time.
        convention: See :func:`to_change_points`.

    Raises:
        ValueError: If the points are not strictly ascending between 0 and n, or ``actions`` has another length.

    Example:
        >>> from_change_points([2, 4, 5], actions=[2, 0, 1]), from_change_points([2], 3, convention="aeon")
        (array([2, 2, 0, 0, 1]), array([0, 0, 1]))
    """
    checks.choice("convention", convention, _CONVENTIONS)
    points = [_whole("change_points", point) for point in change_points]
    if convention == "ruptures":
        last = points[-1] if points else 0
        ends = n is None or n == last
        checks.require(ends, "change_points", f"points of which the last is n = {n}", last, "Or is it aeon's form?")
    else:
        checks.number("n", n, 0, integer=True, fix="aeon's change points do not tell the number of frames.")
        assert n is not None
        points = [*points, n] if n else points
    lengths = np.diff([0, *points])
    checks.require(bool((lengths > 0).all()), "change_points", "strictly ascending, above 0 and below n", change_points)
    names = list(range(len(points))) if actions is None else [_whole("actions", action) for action in actions]
    checks.require(len(names) == len(points), "actions", f"one for each of {len(points)} segments", len(names))
    return np.repeat(np.asarray(names, dtype=np.int64), lengths)


def to_segment_table(
    labels: Sequence[Any] | Mapping[str, Any] | npt.NDArray[np.int64], *, frame_rate: float | None = None
) -> "pd.DataFrame":
    """The segments of recordings, one row each, in temporal order.

    Args:
        labels: Labels of one recording, a list of them, or a mapping by name, as
            :meth:`otseg.estimators.OTSegmenter.predict` gives them. Frames with -1 are in no segment.
        frame_rate: Frames per second, above 0; adds the columns of seconds.

    Returns:
        Columns ``recording`` (name, or index from 0), ``start``, ``stop`` (frames, half open), ``action``, and
        ``start_seconds``, ``stop_seconds`` if there is a frame rate.

    Raises:
        ImportError: If pandas is not installed.
        ValueError: If a label is below -1, or ``frame_rate`` is not positive.
    """
    pandas = _pandas()
    if frame_rate is not None:
        checks.number("frame_rate", frame_rate, 0, open_low=True)
    named: list[tuple[Any, Any]]
    if isinstance(labels, Mapping):
        named = list(labels.items())
    else:
        single = len(labels) > 0 and np.ndim(labels[0]) == 0
        named = list(enumerate([labels] if single else labels))
    rows = [(name, *segment) for name, values in named for segment in segments(_labels(values))]
    table = pandas.DataFrame(rows, columns=["recording", "start", "stop", "action"])
    if frame_rate is not None:
        table["start_seconds"] = table["start"] / frame_rate
        table["stop_seconds"] = table["stop"] / frame_rate
    return table


def from_segment_table(table: "pd.DataFrame", lengths: Mapping[Any, int] | None = None) -> dict[Any, npt.NDArray[Any]]:
    """Labels of every frame from a table of segments: the inverse of :func:`to_segment_table`.

    Args:
        table: With the columns ``recording``, ``start``, ``stop`` and ``action``; rows in any order.
        lengths: Number of frames of each recording, which may have no row; ``None`` is where its last segment stops.

    Returns:
        Labels by recording, -1 on frames of no segment.

    Raises:
        ValueError: If a column is missing, a recording has no length, or segments overlap or leave the recording.
    """
    for column in ("recording", "start", "stop", "action"):
        found = list(table.columns)
        checks.require(column in found, "table", f"a table with the column {column!r}", f"the columns {found}")
    stops = table.groupby("recording", sort=False)["stop"].max().to_dict()
    sizes = {name: _whole("table", stop) for name, stop in stops.items()} if lengths is None else dict(lengths)
    for name in stops:
        checks.require(name in sizes, "lengths", "of every recording of the table", f"none for {name!r}")
    rows: dict[Any, list[tuple[int, int, int]]] = {name: [] for name in sizes}
    columns = (table["recording"], table["start"], table["stop"], table["action"])
    for name, *segment in zip(*columns, strict=True):
        start, stop, action = (_whole("table", value) for value in segment)
        rows[name].append((start, stop, action))
    return {name: from_segments(rows[name], n).numpy() for name, n in sizes.items()}


def _labels(labels: Any) -> Tensor:
    """Labels as a tensor, from anything that holds integers."""
    array = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    integers = array.dtype.kind in "iu" or array.size == 0
    checks.require(integers, "labels", "integers", checks.describe(array), "Number the classes.", TypeError)
    return torch.from_numpy(array.astype(np.int64))


def _whole(name: str, value: Any) -> int:
    """A whole number, also one that a table keeps as a float."""
    whole = isinstance(value, (int, float, np.integer, np.floating)) and float(value).is_integer()
    checks.require(whole, name, "of whole numbers", repr(value), error=TypeError)
    return int(value)


def _pandas() -> Any:
    try:
        import pandas
    except ModuleNotFoundError:
        checks.missing_extra("pandas", "pandas")
    return pandas
