"""Images of a transport plan and of its cost: actions from top to bottom, frames from left to right."""

import numpy as np
import numpy.typing as npt
from jaxtyping import Float
from torch import Tensor

from otseg import checks
from otseg.plots._axes import (
    Axes,
    ClassNames,
    class_name,
    frame_length,
    label_rows,
    label_time,
    new_axes,
)
from otseg.plots._labels import AnyLabels, change_points, read_videos
from otseg.result import OTResult


def plot_plan(
    plan: OTResult | Float[Tensor, "B N K"],
    *,
    index: int = 0,
    ax: Axes | None = None,
    boundaries: bool = True,
    target: AnyLabels | None = None,
    frame_rate: float | None = None,
    class_names: ClassNames | None = None,
) -> Axes:
    """Image of a plan as the probability of every action given the frame, with its segments' boundaries.

    The color is ``plan / plan.sum(actions)``: how a frame's mass is spread, whatever the mass is. A frame
    without mass is left blank.

    Args:
        plan: Result of a solver, drawn up to its last real frame, or a plan, drawn whole.
        index: Which sequence of the batch is drawn.
        ax: Where to draw; a new figure if ``None``.
        boundaries: Whether to draw a line from one action to the next where the most likely action changes.
        target: True labels of the drawn sequence, ``(N,)``; their boundaries are marked above the image.
        frame_rate: Frames per second; the axis of time is in seconds if given, else in frames.
        class_names: Names of the actions.

    Returns:
        The axes.

    Raises:
        ValueError: If a shape does not fit or ``index`` is outside of the batch.
        TypeError: If an argument is of the wrong type.
        ImportError: If matplotlib is not installed.

    Example:
        >>> result = otseg.solve(torch.rand(1, 8, 3), epsilon=0.1)
        >>> plot_plan(result).get_xlabel()
        'frame'
    """
    step = frame_length(frame_rate)
    masses = _one(plan.plan if isinstance(plan, OTResult) else plan, "plan", plan, index)
    mass = masses.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        posterior = np.where(mass > 0, masses / mass, np.nan)
    true = None if target is None else _read_target(target, len(posterior))
    ax = _image(ax, posterior, "viridis", "probability of the action", frame_rate, class_names)
    if boundaries:
        labels = masses.argmax(axis=1)
        frames = change_points(labels)
        rows = np.sort([(labels[n - 1], labels[n]) for n in frames], axis=1) if frames else np.empty((0, 2))
        x = [n * step for n in frames]
        ax.vlines(x, rows[:, 0] - 0.5, rows[:, 1] + 0.5, color="white", linewidth=0.6)
    if true is not None:
        x = [n * step for n in change_points(true)]
        above = ax.get_xaxis_transform()  # x in data, y in fractions of the axes
        ax.plot(x, [1.0] * len(x), marker=7, color="black", linestyle="", transform=above, clip_on=False)
    return ax


def plot_cost(
    cost: OTResult | Float[Tensor, "B N K"],
    *,
    index: int = 0,
    ax: Axes | None = None,
    frame_rate: float | None = None,
    class_names: ClassNames | None = None,
) -> Axes:
    """Image of a cost of frames and actions.

    Args:
        cost: Result of a solver, whose cost is drawn up to its last real frame, or a cost, drawn whole.
        index: Which sequence of the batch is drawn.
        ax: Where to draw; a new figure if ``None``.
        frame_rate: Frames per second; the axis of time is in seconds if given, else in frames.
        class_names: Names of the actions.

    Returns:
        The axes.

    Raises:
        ValueError: If a shape does not fit or ``index`` is outside of the batch.
        TypeError: If an argument is of the wrong type.
        ImportError: If matplotlib is not installed.

    Example:
        >>> ax = plot_cost(torch.rand(1, 8, 3), class_names=["sit", "stand", "walk"])
        >>> [tick.get_text() for tick in ax.get_yticklabels()]
        ['sit', 'stand', 'walk']
    """
    costs = _one(cost.problem.cost if isinstance(cost, OTResult) else cost, "cost", cost, index)
    return _image(ax, costs, "cividis", "cost", frame_rate, class_names)


def _one(value: Tensor, name: str, source: object, index: int) -> npt.NDArray[np.float64]:
    """One sequence of a batch, ``(N, K)``, up to its last real frame."""
    checks.tensor(name, value, "B N K")
    checks.require(0 not in value.shape, name, "not empty", checks.describe(value))
    checks.number("index", index, 0, len(value) - 1, integer=True)
    array: npt.NDArray[np.float64] = value[index].detach().cpu().double().numpy()
    if isinstance(source, OTResult):
        real = source.problem.mask[index].nonzero()
        array = array[: int(real[-1]) + 1]
    return array


def _read_target(target: AnyLabels, n_frames: int) -> npt.NDArray[np.int64]:
    videos = read_videos(target, None)
    checks.require(len(videos) == 1, "target", "the labels of the drawn sequence", f"{len(videos)} sequences")
    labels = videos[0][0]
    got = f"{len(labels)} frames against {n_frames}"
    checks.require(len(labels) == n_frames, "target", "as long as the drawn sequence", got)
    return labels


def _image(
    ax: Axes | None,
    values: npt.NDArray[np.float64],
    cmap: str,
    meaning: str,
    frame_rate: float | None,
    class_names: ClassNames | None,
) -> Axes:
    n_frames, n_actions = values.shape
    ax = new_axes(ax, 8.0, min(1.2 + 0.18 * max(n_actions, 8), 9.0))
    extent = (0, n_frames * frame_length(frame_rate), n_actions - 0.5, -0.5)
    image = ax.imshow(values.T, aspect="auto", interpolation="nearest", cmap=cmap, extent=extent)
    label_rows(ax, [class_name(class_names, k) for k in range(n_actions)])
    ax.set_ylabel("action")
    label_time(ax, frame_rate)
    ax.figure.colorbar(image, ax=ax, label=meaning, pad=0.02)
    return ax
