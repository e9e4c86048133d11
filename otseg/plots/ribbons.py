"""Many videos at a glance: one row each, the truth on the left, the prediction on the right."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from otseg import checks
from otseg.plots._axes import Axes, ClassNames, class_name, label_rows, new_axes
from otseg.plots._labels import AnyLabels, Labels, read_videos
from otseg.plots.palette import NEUTRAL, Color, palette

_Image: TypeAlias = npt.NDArray[np.float64]
_UNKNOWN: Color = (0.55, 0.55, 0.55)  # frames without a class
_COLUMNS = 600  # pixels of a ribbon
_GAP = 0.06  # between truth and prediction; a ribbon takes 1


def plot_ribbons(
    labels: AnyLabels,
    target: AnyLabels | None = None,
    *,
    sort: Literal["given", "length", "agreement"] = "agreement",
    relative: bool = True,
    ax: Axes | None = None,
    names: Sequence[str] | None = None,
    class_names: ClassNames | None = None,
    background: Sequence[int] = (),
) -> Axes:
    """Image of any number of videos, a row each: the truth beside the prediction, in the same colors.

    For a few videos :func:`~otseg.plots.plot_segments` shows more; this one shows hundreds on one page. Colors are
    those of :func:`palette`; match the labels with the truth first. Frames with a negative label are dark gray.

    Args:
        labels: Predicted labels: a list of sequences, or a padded ``(B, N)`` array.
        target: True labels, of the same form; only the predictions are drawn if ``None``.
        sort: Order from top to bottom: ``"given"``; ``"length"``, the longest first; ``"agreement"``, the video with
            the most wrong frames (a share) first, the order given without a ``target``.
        relative: Whether every video fills the width; else all have the scale of the longest one.
        ax: Where to draw; a new figure if ``None``. The legend is to the right of the axes.
        names: Names of the videos; as many are written as there is room for.
        class_names: Names of the classes.
        background: Classes that are drawn in light gray.

    Returns:
        The axes.

    Raises:
        ValueError: If labels, target and names do not fit together.
        TypeError: If an argument is of the wrong type.
        ImportError: If matplotlib is not installed.

    Example:
        >>> ax = plot_ribbons([[0, 0, 1], [0, 1, 1]], [[0, 0, 1], [0, 0, 1]], names=["right", "wrong"])
        >>> [tick.get_text() for tick in ax.get_yticklabels()]
        ['wrong', 'right']
    """
    checks.choice("sort", sort, ("given", "length", "agreement"))
    videos = read_videos(labels, target)
    names = [str(i) for i in range(len(videos))] if names is None else list(names)
    got = f"{len(names)} against {len(videos)}"
    checks.require(len(names) == len(videos), "names", "as many as there are sequences", got)
    order = sorted(range(len(videos)), key=lambda i: _rank(videos[i], sort))  # stable
    longest = max(len(row) for row, _ in videos)
    present = sorted({int(k) for video in videos for row in video if row is not None for k in np.unique(row) if k >= 0})
    colors = [NEUTRAL if k in background else color for k, color in enumerate(palette(max(present, default=-1) + 1))]
    table = np.array([_UNKNOWN, *colors])
    columns = min(_COLUMNS, longest)
    panels = []
    if target is not None:
        panels.append([_row(videos[i][1], table, columns, None if relative else longest) for i in order])
    panels.append([_row(videos[i][0], table, columns, None if relative else longest) for i in order])
    entries = [class_name(class_names, k) for k in present]
    unknown = any((row < 0).any() for video in videos for row in video if row is not None)
    ax = new_axes(ax, *_size(len(videos), [*entries, "no class"]))
    for i, panel in enumerate(panels):
        left = i * (1 + _GAP)
        extent = (left, left + 1, len(videos) - 0.5, -0.5)
        ax.imshow(np.array(panel), aspect="auto", interpolation="nearest", extent=extent)
    width = len(panels) + (len(panels) - 1) * _GAP
    ax.set_xlim(0, width)
    label_rows(ax, [names[i] for i in order])
    ends = ["0", "100 %"] if relative else ["0", f"{longest}"]
    ticks = [i * (1 + _GAP) + end for i in range(len(panels)) for end in (0, 1)]
    ax.set_xticks(ticks, ends * len(panels))
    for i, tick in enumerate(ax.get_xticklabels()):
        tick.set_horizontalalignment("right" if i % 2 else "left")
    ax.set_xlabel("time in the video" if relative else "frame")
    for i, title in enumerate(("true", "predicted") if len(panels) > 1 else ("predicted",)):
        place = (i * (1 + _GAP) + 0.5, 1.0)
        above = ax.get_xaxis_transform()
        ax.annotate(title, place, (0, 4), xycoords=above, textcoords="offset points", ha="center", va="bottom")
    ax.tick_params(axis="y", length=0)
    ax.spines[:].set_visible(False)
    _legend(ax, [(name, colors[k]) for name, k in zip(entries, present, strict=True)], unknown)
    return ax


def _rank(video: tuple[Labels, Labels | None], sort: str) -> float:
    labels, true = video
    if sort == "length":
        return -len(labels)
    if sort == "given" or true is None:
        return 0.0
    known = true >= 0
    return float((labels == true)[known].mean()) if known.any() else 1.0


def _row(labels: Labels | None, table: _Image, columns: int, longest: int | None) -> _Image:
    """The colors of a ribbon, ``(columns, 3)``; white after the end of the video."""
    assert labels is not None
    frames = np.floor((np.arange(columns) + 0.5) / columns * (longest or len(labels))).astype(int)
    inside = frames < len(labels)
    found = table[np.maximum(labels[np.minimum(frames, len(labels) - 1)], -1) + 1]
    return np.where(inside[:, None], found, 1.0)


def _legend(ax: Axes, entries: Sequence[tuple[str, Color]], unknown: bool) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(facecolor=color, label=name) for name, color in entries]
    if unknown:
        handles.append(Patch(facecolor=_UNKNOWN, label="no class"))
    columns = -(-len(handles) // 25)
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), ncols=columns, fontsize=8, frameon=False)


def _size(n_videos: int, entries: Sequence[str]) -> tuple[float, float]:
    height = min(max(1.2 + 0.16 * n_videos, 2.6, min(0.8 + 0.17 * len(entries), 4.8)), 11.0)
    return 8.0 + -(-len(entries) // 25) * (0.5 + 0.065 * max(map(len, entries))), height
