"""How long segments are: true and predicted."""

from collections.abc import Sequence

import numpy as np

from otseg import checks
from otseg.plots._axes import Axes, frame_length, new_axes
from otseg.plots._labels import AnyLabels, Labels, read_videos, segments
from otseg.plots.palette import palette


def plot_durations(
    labels: AnyLabels,
    target: AnyLabels | None = None,
    *,
    n_bins: int = 20,
    ax: Axes | None = None,
    frame_rate: float | None = None,
) -> Axes:
    r"""Histogram of the lengths of segments, on a logarithmic scale of time, true and predicted.

    The legend says how many segments there are, their median length, and the effective number of actions,
    :math:`\exp(-\sum_k p_k \log p_k)` with the shares :math:`p` of the frames: far below the number of actions where a
    segmentation is degenerate. Frames with the label -1 belong to no segment.

    Args:
        labels: Predicted labels: one sequence, a list of them, or a padded ``(B, N)`` array; matched or not.
        target: True labels, of the same form.
        n_bins: Number of bins.
        ax: Where to draw; a new figure if ``None``.
        frame_rate: Frames per second; lengths are in seconds if given, else in frames.

    Returns:
        The axes.

    Raises:
        ValueError: If labels and target do not fit together, or there is no segment.
        TypeError: If they are no integers.
        ImportError: If matplotlib is not installed.

    Example:
        >>> ax = plot_durations([0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1])
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['true: 2 segments, median 3, effective actions 2.0', 'predicted: 2 segments, median 3, effective actions 1.9']
    """
    checks.number("n_bins", n_bins, 1, integer=True)
    step = frame_length(frame_rate)
    videos = read_videos(labels, target)
    rows = {} if target is None else {"true": [row for _, row in videos if row is not None]}
    rows["predicted"] = [row for row, _ in videos]
    lengths = {name: _lengths(own) * step for name, own in rows.items()}
    for name, own in lengths.items():
        where = "target" if name == "true" else "labels"
        checks.require(len(own) > 0, where, "of at least one segment", "none")
    every = np.concatenate(list(lengths.values()))
    bins = np.geomspace(every.min() * 0.999, every.max() * 1.001, n_bins + 1).tolist()
    ax = new_axes(ax, 6.4, 3.6)
    colors = dict(zip(("predicted", "true"), palette(2), strict=True))
    for name, own in lengths.items():
        unit = "" if frame_rate is None else " s"
        effective = f"effective actions {_effective_actions(rows[name]):.1f}"
        label = f"{name}: {len(own)} segments, median {np.median(own):.3g}{unit}, {effective}"
        ax.hist(own, bins, histtype="stepfilled", color=colors[name], alpha=0.35)
        ax.hist(own, bins, histtype="step", color=colors[name], linewidth=1.5, label=label)
    ax.set_xscale("log")
    ax.set_xlabel("length of a segment " + ("(frames)" if frame_rate is None else "(s)"))
    ax.set_ylabel("number of segments")
    ax.spines[["top", "right"]].set_visible(False)
    handles, names = ax.get_legend_handles_labels()
    ax.legend(handles, names, frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0.0, 1.0))
    return ax


def _lengths(rows: Sequence[Labels]) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.array([stop - start for row in rows for start, stop, k in segments(row) if k != -1], dtype=np.int64)


def _effective_actions(rows: Sequence[Labels]) -> float:
    labels = np.concatenate(rows)
    counts = np.unique(labels[labels != -1], return_counts=True)[1]
    shares = counts / counts.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))
