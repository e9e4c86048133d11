"""Ribbons: the segments of videos as colored bars, the truth above the prediction."""

from collections.abc import Mapping, Sequence

from otseg import checks
from otseg.plots._axes import (
    Axes,
    ClassNames,
    class_name,
    frame_length,
    height_of,
    label_rows,
    label_time,
    new_axes,
)
from otseg.plots._labels import AnyLabels, Labels, read_videos, segments
from otseg.plots.palette import NEUTRAL, Color, palette

_BAR = {1: 0.7, 2: 0.38}  # height of a ribbon, of one or of two per video; a video takes 1
_LEGEND_ROW = 0.19  # inches


def plot_segments(
    labels: AnyLabels,
    target: AnyLabels | None = None,
    *,
    ax: Axes | None = None,
    names: Sequence[str] | None = None,
    class_names: ClassNames | None = None,
    background: Sequence[int] = (),
    frame_rate: float | None = None,
) -> Axes:
    """Ribbons of one video or of many, aligned in time, with a legend of the classes that occur.

    With a ``target`` every video has two ribbons: the truth above the prediction. A class has the same color
    wherever it occurs, that of :func:`palette`; match the labels with the truth first. Frames with a negative
    label have no class and are hatched. Frames at the end that are -1 in labels and target are padding, and
    not drawn.

    Args:
        labels: Predicted labels: one sequence, a list of them, or a padded ``(B, N)`` array such as
            ``result.labels()``.
        target: True labels, of the same form.
        ax: Where to draw; a new figure if ``None``. The legend is to the right of the axes.
        names: Names of the videos.
        class_names: Names of the classes.
        background: Classes that are drawn in light gray.
        frame_rate: Frames per second; the axis of time is in seconds if given, else in frames.

    Returns:
        The axes.

    Raises:
        ValueError: If labels, target and names do not fit together.
        TypeError: If an argument is of the wrong type.
        ImportError: If matplotlib is not installed.

    Example:
        >>> ax = plot_segments([0, 0, 1, 1], [0, 1, 1, 1], class_names=["sit", "walk"])
        >>> [tick.get_text() for tick in ax.get_yticklabels()]
        ['true', 'predicted']
    """
    step = frame_length(frame_rate)
    videos = read_videos(labels, target)
    if names is not None:
        got = f"{len(names)} against {len(videos)}"
        checks.require(len(names) == len(videos), "names", "as many as there are sequences", got)
    present = sorted({int(k) for video in videos for row in video if row is not None for k in row if k >= 0})
    colors = palette(max(present, default=-1) + 1)
    fills = {k: NEUTRAL if k in background else colors[k] for k in present}
    entries = [(class_name(class_names, k), fills[k]) for k in present]
    ax = new_axes(ax, *_size(len(videos), target is not None, [name for name, _ in entries]))
    unknown = False
    for i, video in enumerate(videos):
        rows = [row for row in (video[1], video[0]) if row is not None]
        height = _BAR[len(rows)]
        for row, center in zip(rows, _centers(i, len(rows)), strict=True):
            unknown = _ribbon(ax, row, (center - height / 2, height), step, fills) or unknown
    _label_videos(ax, len(videos), target is not None, names)
    ax.set_xlim(0, max(len(video[0]) for video in videos) * step)
    label_time(ax, frame_rate)
    _legend(ax, entries, unknown)
    return ax


def _centers(i: int, n_rows: int) -> tuple[float, ...]:
    return (i - _BAR[2] / 2, i + _BAR[2] / 2) if n_rows == 2 else (float(i),)


def _ribbon(ax: Axes, row: Labels, place: tuple[float, float], step: float, fills: Mapping[int, Color]) -> bool:
    """Draw one ribbon; returns whether it has frames without a class."""
    found = list(segments(row))
    known = [(start, stop, k) for start, stop, k in found if k >= 0]
    spans = [(start * step, (stop - start) * step) for start, stop, _ in known]
    ax.broken_barh(spans, place, facecolors=[fills[k] for _, _, k in known], linewidth=0)
    spans = [(start * step, (stop - start) * step) for start, stop, k in found if k < 0]
    if spans:
        ax.broken_barh(spans, place, facecolors=NEUTRAL, edgecolors="0.6", hatch="////", linewidth=0)
    ax.broken_barh([(0, len(row) * step)], place, facecolors="none", edgecolors="black", linewidth=0.5, clip_on=False)
    return bool(spans)


def _label_videos(ax: Axes, n_videos: int, paired: bool, names: Sequence[str] | None) -> None:
    if n_videos == 1 and paired:
        ax.set_yticks(_centers(0, 2), ["true", "predicted"])
        if names is not None:
            ax.set_title(names[0], loc="left", fontsize="medium")
    elif n_videos == 1 and names is None:
        ax.set_yticks([])
    else:
        label_rows(ax, [str(i) for i in range(n_videos)] if names is None else names)
        ax.set_ylabel("truth above prediction" if paired else "")
    ax.set_ylim(n_videos - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)


def _legend(ax: Axes, entries: Sequence[tuple[str, Color]], unknown: bool) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(facecolor=color, label=name) for name, color in entries]
    if unknown:
        handles.append(Patch(facecolor=NEUTRAL, edgecolor="0.6", hatch="////", linewidth=0, label="no class"))
    rows = max(int(height_of(ax) / 72 / _LEGEND_ROW), 4)
    columns = -(-len(handles) // rows)
    corner = (1.0, 1.0)  # top left of the legend = top right of the axes
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=corner, ncols=columns, fontsize=8, frameon=False)


def _size(n_videos: int, paired: bool, entries: list[str]) -> tuple[float, float]:
    """Width and height in inches that hold the ribbons and their legend."""
    height = 0.9 + max((0.42 if paired else 0.28) * n_videos, 0.7)
    height = max(height, min(0.6 + _LEGEND_ROW * len(entries), 4.0))
    columns = -(-len(entries) // max(int((height - 0.7) / _LEGEND_ROW), 4))
    return 7.5 + columns * (0.5 + 0.065 * max(map(len, entries), default=0)), height
