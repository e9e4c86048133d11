"""What the priors of a problem ask for, drawn over its plan."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from otseg import checks
from otseg.plots._axes import Axes, ClassNames, frame_length, new_axes
from otseg.plots._labels import AnyLabels
from otseg.plots.plan import plot_plan
from otseg.result import OTResult
from otseg.types import Constraint, Prior, WindowPrior

_STYLES = ("-", "--", "-.", ":")
# Beside viridis, of the plan: white, red, orange, pink. Shades told apart by lightness, lines also by their style.
_COLORS = ("#FFFFFF", "#FF5A36", "#FFB000", "#FF9EE5")


def plot_priors(
    result: OTResult,
    *,
    index: int = 0,
    ax: Axes | None = None,
    target: AnyLabels | None = None,
    frame_rate: float | None = None,
    class_names: ClassNames | None = None,
) -> Axes:
    """Image of a plan, with what each of the problem's priors wants, on its own, as lines over it.

    An order (linear or Gaussian, of a transcript, or any other linear prior) is the outline of the action that it
    favors most at every frame. A constraint is the outline of where the plan may have mass. A window of neighboring
    frames is a bar of its width. A prior of another kind has no picture, and is left out.

    Args:
        result: Result of a solver, drawn up to its last real frame.
        index: Which sequence of the batch is drawn.
        ax: Axes on which the plan is drawn already, by :func:`~otseg.plots.plot_plan`; a new figure with the plan if
            ``None``.
        target: True labels of the drawn sequence; their boundaries are marked above a new image.
        frame_rate: Frames per second; the axis of time is in seconds if given, else in frames.
        class_names: Names of the actions, for a new image.

    Returns:
        The axes, with a legend of the priors.

    Raises:
        ValueError: If a shape does not fit or ``index`` is outside of the batch.
        TypeError: If an argument is of the wrong type.
        ImportError: If matplotlib is not installed.

    Example:
        >>> result = otseg.gromov_ot(torch.rand(1, 40, 4), epsilon=0.07, alpha=0.3, radius=0.1, order=0.1)
        >>> [text.get_text() for text in plot_priors(result).get_legend().get_texts()]
        ['TemporalSmoothness: 4 frames to each side', 'LinearOrder: favored action']
    """
    checks.require(isinstance(result, OTResult), "result", "an OTResult", checks.describe(result), error=TypeError)
    checks.number("index", index, 0, len(result.plan) - 1, integer=True)
    step, problem = frame_length(frame_rate), result.problem
    if ax is None:
        ax = plot_plan(
            result, index=index, boundaries=False, target=target, frame_rate=frame_rate, class_names=class_names
        )
    ax = new_axes(ax, 0, 0)
    n_frames = int(problem.mask[index].nonzero()[-1]) + 1
    n_actions = result.plan.shape[2]
    bars = 0
    for i, prior in enumerate(problem.priors):
        color, style = _COLORS[i % len(_COLORS)], _STYLES[i % len(_STYLES)]
        name = type(prior).__name__
        if isinstance(prior, WindowPrior):
            radius = int(prior.window_term(problem.a, problem.mask)[0][index])
            y = n_actions - 0.8 - 0.35 * bars
            left = 0.015 * n_frames * step
            label = f"{name}: {radius} frames to each side"
            _line(ax, [(left, y), (left + (2 * radius + 1) * step, y)], color, "-", label, width=5)
            bars += 1
        elif isinstance(prior, Constraint):
            region = prior.support(problem.mask, n_actions)[index, :n_frames].cpu().numpy()
            _outline(ax, region, step, color, style, f"{name}: where mass may be")
        elif isinstance(prior, Prior) and prior.linear:
            term = prior.energy_and_grad(result.plan.detach(), problem.mask)[1][index, :n_frames].cpu().numpy()
            lowest = term.min(axis=1, keepdims=True)
            region = term <= lowest + 1e-6 * (term.max() - term.min())
            _outline(ax, region, step, color, style, f"{name}: favored action")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=8, loc="upper right", facecolor="0.25", labelcolor="white", framealpha=0.85)
    return ax


def _outline(ax: Axes, region: npt.NDArray[np.bool_], step: float, color: str, style: str, label: str) -> None:
    """Lines around the cells ``(N, K)`` that are True."""
    padded = np.pad(region, 1)
    points: list[tuple[float, float]] = []
    nan = (float("nan"), float("nan"))
    for n, k in np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1]).tolist():  # upright, before frame n
        points += [(n * step, k - 0.5), (n * step, k + 0.5), nan]
    for n, k in np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1]).tolist():  # level, above action k
        points += [(n * step, k - 0.5), ((n + 1) * step, k - 0.5), nan]
    _line(ax, points, color, style, label, width=1.5)


def _line(ax: Axes, points: Sequence[tuple[float, float]], color: str, style: str, label: str, *, width: float) -> None:
    x, y = np.array(points).reshape(-1, 2).T
    ax.plot(x, y, color=color, linestyle=style, linewidth=width, label=label, solid_capstyle="butt", clip_on=False)
