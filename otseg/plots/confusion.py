"""Confusion of classes after the matching: where the frames of every true class went."""

from collections.abc import Mapping

import numpy as np

from otseg import checks
from otseg.plots._axes import Axes, ClassNames, class_name, label_columns, label_rows, new_axes
from otseg.plots._labels import AnyLabels, read_videos

_MANY = 13  # from so many columns on the cells are too small for numbers


def plot_confusion(
    labels: AnyLabels,
    target: AnyLabels,
    *,
    ax: Axes | None = None,
    class_names: ClassNames | None = None,
) -> Axes:
    """Image of the share of every true class (a row) that was given to every class (a column).

    Every row sums to 1. To the right of the classes are the clusters that the matching left over, which
    :meth:`otseg.metrics.Matching.apply` numbers ``-2 - k``, and the frames without a prediction (-1). Frames without a
    true class are left out.

    Args:
        labels: Classes of the frames, after the matching: one sequence, a list of them, or a padded ``(B, N)`` array.
        target: True classes, of the same form.
        ax: Where to draw; a new figure if ``None``.
        class_names: Names of the classes; a mapping may name negative columns, too.

    Returns:
        The axes.

    Raises:
        ValueError: If labels and target do not fit together, or no frame has a true class.
        TypeError: If they are no integers.
        ImportError: If matplotlib is not installed.

    Example:
        >>> ax = plot_confusion([0, 0, 1, -5], [0, 0, 0, 1], class_names=["sit", "walk"])
        >>> ax.images[0].get_array().round(decimals=2).tolist()
        [[0.67, 0.33, 0.0], [0.0, 0.0, 1.0]]
        >>> [tick.get_text() for tick in ax.get_xticklabels()]
        ['sit', 'walk', 'cluster 3']
    """
    videos = read_videos(labels, target)
    given = np.concatenate([predicted for predicted, _ in videos])
    true = np.concatenate([row for _, row in videos if row is not None])
    given, true = given[true >= 0], true[true >= 0]
    checks.require(len(true) > 0, "target", "of at least one frame with a class", "none")
    classes = np.union1d(true, given[given >= 0])
    leftovers = np.unique(given[given < 0])[::-1]  # -1 first, then clusters in their order
    leftovers = np.concatenate((leftovers[leftovers < -1], leftovers[leftovers == -1]))
    columns = np.concatenate((classes, leftovers))
    rows = np.unique(true)
    counts = np.array([[np.sum(given[true == row] == column) for column in columns] for row in rows], dtype=float)
    shares = counts / counts.sum(axis=1, keepdims=True)
    names = [_name(class_names, int(k)) for k in columns]
    size = 0.19 if len(columns) >= _MANY else 0.42
    longest = 0.075 * max(map(len, names))
    ax = new_axes(ax, 2.0 + longest + size * len(columns), 1.1 + longest + size * len(rows))
    image = ax.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    label_rows(ax, [class_name(class_names, int(k)) for k in rows])
    label_columns(ax, names)
    if len(columns) < _MANY:
        for i, j in np.argwhere(shares >= 0.005).tolist():
            color = "white" if shares[i, j] > 0.5 else "#010101"
            ax.text(j, i, f"{100 * shares[i, j]:.0f}", ha="center", va="center", fontsize=8, color=color)
    if len(leftovers):
        ax.axvline(len(classes) - 0.5, color="0.5", linewidth=1, linestyle="--")
    ax.set_xlabel("predicted, after the matching")
    ax.set_ylabel("true")
    ax.figure.colorbar(image, ax=ax, label="share of the true class", pad=0.02)
    return ax


def _name(class_names: ClassNames | None, k: int) -> str:
    if isinstance(class_names, Mapping) and k in class_names:
        return class_names[k]
    if k == -1:
        return "no prediction"
    return class_name(class_names, k) if k >= 0 else f"cluster {-2 - k}"
