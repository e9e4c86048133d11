"""Frames and prototypes as points of a plane."""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from jaxtyping import Float
from torch import Tensor

from otseg import checks
from otseg.plots._axes import Axes, ClassNames, class_name, new_axes
from otseg.plots._labels import AnyLabels, read_videos
from otseg.plots.palette import NEUTRAL, Color, palette

#: Points, one per row.
Points: TypeAlias = Float[Tensor, "M D"] | npt.NDArray[Any]
_Array: TypeAlias = npt.NDArray[np.float64]


def plot_embedding(
    frames: Points,
    prototypes: Points | None = None,
    *,
    labels: AnyLabels | None = None,
    prototype_labels: Sequence[int] | None = None,
    projection: Literal["pca", "tsne", "given"] = "pca",
    ax: Axes | None = None,
    class_names: ClassNames | None = None,
) -> Axes:
    """Embeddings of frames as dots of the color of their class, prototypes as numbered diamonds.

    The two scales are equal, so that distances can be compared (not under ``"tsne"``, which does not keep them).

    Args:
        frames: Embeddings, ``(M, D)``.
        prototypes: Prototypes, ``(K, D)``; none if ``None``. Number ``k`` has the color of class ``k``.
        labels: Class of every frame, ``(M,)``, negative where there is none; all alike if ``None``.
        prototype_labels: Class of every prototype, for its color, such as that which it was matched with; light gray
            where it is negative. Its own number if ``None``.
        projection: ``"pca"``: on the two largest principal components of the frames; ``"tsne"``: by scikit-learn's
            t-SNE of frames and prototypes together, with a fixed seed; ``"given"``: the points are in a plane already.
        ax: Where to draw; a new figure if ``None``. The legend is to the right of the axes.
        class_names: Names of the classes.

    Returns:
        The axes.

    Raises:
        ValueError: If shapes do not fit, a value is not finite, or there are too few points.
        ImportError: If matplotlib is not installed.

    Example:
        >>> ax = plot_embedding(torch.eye(3), torch.eye(3)[:2], labels=[0, 0, 1])
        >>> ax.get_xlabel()
        'component 1 (50 % of the variance)'
    """
    checks.choice("projection", projection, ("pca", "tsne", "given"))
    points = _read("frames", frames)
    marked = np.empty((0, points.shape[1])) if prototypes is None else _read("prototypes", prototypes)
    got = f"{marked.shape[1]} columns against {points.shape[1]}"
    checks.require(marked.shape[1] == points.shape[1], "prototypes", "of the dimension of `frames`", got)
    classes = np.full(len(points), -1) if labels is None else read_labels(labels, len(points))
    names = ("", "")
    if projection == "pca":
        points, marked, shares = principal_plane(points, marked)
        names = (f"component 1 ({shares[0]:.0%} of the variance)", f"component 2 ({shares[1]:.0%})")
        names = (names[0].replace("%", " %"), names[1].replace("%", " %"))
    elif projection == "tsne":
        points, marked = _tsne(points, marked)
        names = ("t-SNE 1", "t-SNE 2")
    checks.require(points.shape[1] == 2, "frames", "of two columns where projection='given'", checks.describe(frames))
    present = [] if labels is None else np.unique(classes).tolist()
    entries = [class_name(class_names, k) if k >= 0 else "no class" for k in present]
    columns = -(-len(entries) // 24)
    ax = new_axes(ax, 5.6 + columns * (0.5 + 0.065 * max(map(len, entries), default=0)), 5.0)
    own = list(range(len(marked))) if prototype_labels is None else list(prototype_labels)
    checks.require(len(own) == len(marked), "prototype_labels", f"one per prototype ({len(marked)})", len(own))
    colors = palette(1 + max(-1, int(classes.max()), *own))
    for k, label in zip(present, entries, strict=True):
        color = colors[k] if k >= 0 else NEUTRAL
        ax.scatter(
            points[classes == k, 0], points[classes == k, 1], s=9, color=[color], alpha=0.75, linewidth=0, label=label
        )
    if labels is None:
        ax.scatter(points[:, 0], points[:, 1], s=9, color="0.5", alpha=0.75, linewidth=0)
    _mark(ax, marked, [colors[k] if k >= 0 else NEUTRAL for k in own])
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])
    if projection != "tsne":
        ax.set_aspect("equal", adjustable="datalim")
    else:
        ax.set_xticks([])
        ax.set_yticks([])
    if entries:
        corner = (1.0, 1.0)
        ax.legend(loc="upper left", bbox_to_anchor=corner, ncols=columns, fontsize=8, frameon=False, markerscale=2)
    return ax


def principal_plane(frames: _Array, others: _Array) -> tuple[_Array, _Array, tuple[float, float]]:
    """Frames, and other points, on the two largest principal components of the frames.

    Deterministic: the largest entry of either component is positive. O(M D min(M, D)) time.

    Args:
        frames: Points, ``(M, D)``.
        others: Points that follow the frames' projection, ``(K, D)``.

    Returns:
        The places of both, ``(M, 2)`` and ``(K, 2)``, and the share of the frames' variance along either component; 0
        where there is only one.

    Example:
        >>> places, _, shares = principal_plane(np.array([[0.0, 0.0], [3.0, 4.0]]), np.empty((0, 2)))
        >>> places.round(3).tolist(), shares[0]
        ([[-2.5, 0.0], [2.5, 0.0]], 1.0)
    """
    center = frames.mean(axis=0)
    _, scale, axes = np.linalg.svd(frames - center, full_matrices=False)
    plane = np.zeros((2, frames.shape[1]))
    plane[: len(axes)] = axes[:2]
    largest = np.abs(plane).argmax(axis=1)
    plane *= np.where(plane[[0, 1], largest] < 0, -1.0, 1.0)[:, None]
    variance = np.zeros(max(2, len(scale)))
    variance[: len(scale)] = scale**2
    total = variance.sum()
    shares = variance / total if total > 0 else variance
    flat = shares[:2] < 1e-12  # of rounding
    plane[flat] = 0
    return (frames - center) @ plane.T, (others - center) @ plane.T, (float(shares[0]), float(shares[1]))


def _mark(ax: Axes, marked: _Array, colors: Sequence[Color]) -> None:
    """Numbered diamonds, smaller where there are many."""
    area = 150 if len(marked) <= 20 else 70
    for k, (x, y) in enumerate(marked.tolist()):
        ax.scatter(x, y, s=area, marker="D", color=[colors[k]], edgecolor="black", linewidth=1, zorder=3 + k)
        dark = np.dot(colors[k], (0.299, 0.587, 0.114)) < 0.5
        text = ax.text(x, y, str(k), ha="center", va="center_baseline", fontsize=0.6 * area**0.5, zorder=3.5 + k)
        text.set(color="white" if dark else "#010101", fontweight="bold")


def read_labels(labels: AnyLabels, n: int) -> npt.NDArray[np.int64]:
    """The labels of ``n`` points."""
    row = np.asarray(read_videos(np.append(np.asarray(labels), 0), None)[0][0])[:-1]
    checks.require(len(row) == n, "labels", f"one per frame ({n})", len(row))
    return row


def _tsne(points: _Array, marked: _Array) -> tuple[_Array, _Array]:
    from sklearn.manifold import TSNE  # slow to import

    both = np.concatenate((points, marked))
    fix = "Draw so few points by projection='pca'."
    checks.require(len(both) > 3, "frames", "at least 4 points for t-SNE", len(both), fix)
    found = TSNE(init="pca", random_state=0, perplexity=min(30.0, (len(both) - 1) / 3)).fit_transform(both)
    return found[: len(points)], found[len(points) :]


def _read(name: str, value: Points) -> _Array:
    array = np.asarray(value.detach().cpu().double() if isinstance(value, Tensor) else value, dtype=np.float64)
    checks.require(array.ndim == 2 and array.size > 0, name, "of shape (M, D), not empty", checks.describe(value))
    checks.require(bool(np.isfinite(array).all()), name, "finite", "a value that is not")
    return array
