"""Convergence of solvers: how far the plan is from optimal after every iteration."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from otseg import checks
from otseg.plots._axes import Axes, new_axes
from otseg.plots.palette import palette
from otseg.result import OTResult

_STYLES = ("-", "--", "-.", ":")


def plot_convergence(
    results: Mapping[str, Sequence[OTResult]],
    *,
    index: int = 0,
    quantity: Literal["error", "value"] = "error",
    ax: Axes | None = None,
) -> Axes:
    """Error, or objective above the lowest one found, against the number of iterations, on a logarithmic scale.

    A solver keeps its last plan only; solve the same problem with growing ``max_iter`` for a curve. Numbers that double
    cost twice the longest of the runs, whatever their number. What is 0 has no place on the scale, and is left out.

    Args:
        results: For every curve the results of one problem.
        index: Which sequence of the batch is drawn.
        quantity: ``"error"``: :attr:`otseg.OTResult.error`, in the norm of the solver; ``"value"``: the objective
            minus the lowest objective of all results, which must be of the same problem then.
        ax: Where to draw; a new figure if ``None``.

    Returns:
        The axes.

    Raises:
        ValueError: If there is no result, or ``index`` is outside of the batch.
        TypeError: If ``results`` is of the wrong type.
        ImportError: If matplotlib is not installed.

    Example:
        >>> problem = otseg.Problem.make(torch.rand(1, 30, 4), epsilon=0.02)
        >>> runs = [otseg.solvers.sinkhorn(problem, max_iter=2**i, tol=None) for i in range(8)]
        >>> ax = plot_convergence({"Sinkhorn": runs})
        >>> ax.get_yscale(), ax.lines[0].get_xdata().tolist()
        ('log', [1, 2, 4, 8, 16, 32, 64, 128])
    """
    checks.choice("quantity", quantity, ("error", "value"))
    fine = isinstance(results, Mapping) and all(isinstance(r, OTResult) for runs in results.values() for r in runs)
    requirement = "a mapping of names to lists of results"
    checks.require(fine, "results", requirement, checks.describe(results), "Write {'Sinkhorn': [...]}.", TypeError)
    full = len(results) > 0 and all(len(runs) > 0 for runs in results.values())
    checks.require(full, "results", "at least one result for every name", "none")
    size = min(len(r.error) for runs in results.values() for r in runs)
    checks.number("index", index, 0, size - 1, integer=True)
    curves = {
        name: sorted((int(r.n_iter[index]), float(getattr(r, quantity).detach()[index])) for r in runs)
        for name, runs in results.items()
    }
    lowest = min(value for points in curves.values() for _, value in points) if quantity == "value" else 0.0
    ax = new_axes(ax, 6.4, 4.0)
    for i, (name, points) in enumerate(curves.items()):
        x, y = np.array(points).T
        y = y - lowest
        shown = y > 0
        color, style = palette(i + 1)[i], _STYLES[i % len(_STYLES)]
        ax.plot(x[shown].astype(int), y[shown], color=color, linestyle=style, marker="o", markersize=3, label=name)
    ax.set_yscale("log")
    ax.set_xlabel("iterations")
    ax.set_ylabel("error" if quantity == "error" else "objective above the lowest found")
    ax.grid(alpha=0.3)
    ax.legend(frameon=False)
    return ax
