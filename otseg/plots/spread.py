"""Metrics of several seeds: every run as a dot, mean and standard deviation beside."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from otseg import checks
from otseg.plots._axes import Axes, new_axes
from otseg.plots.palette import palette

#: Values of the runs of one method, by metric.
Runs: TypeAlias = Mapping[str, Sequence[float]]

_MARKERS = "osD^vPX<>*"


def plot_spread(values: Mapping[str, Runs], *, ax: Axes | None = None, ylabel: str = "") -> Axes:
    """The values of every method and metric as dots, with a bar at their mean and one standard deviation around it.

    Metrics stand side by side, the methods of each next to each other, by color and marker. The standard deviation is
    that of a sample; a single value has none.

    Args:
        values: For every method the values of its runs, by metric, such as ``{"ASOT": {"MoF": [56.1, 57.3]}}``. A
            method may lack a metric.
        ax: Where to draw; a new figure if ``None``.
        ylabel: Name and unit of the vertical axis, such as ``"percent"``.

    Returns:
        The axes.

    Raises:
        ValueError: If there is no value.
        ImportError: If matplotlib is not installed.

    Example:
        >>> ax = plot_spread({"ASOT": {"MoF": [50.0, 60.0]}, "CLOT": {"MoF": [61.0], "Edit": [40.0]}})
        >>> [tick.get_text() for tick in ax.get_xticklabels()]
        ['MoF', 'Edit']
    """
    metrics = list(dict.fromkeys(metric for runs in values.values() for metric in runs))
    empty = not metrics or any(len(runs[metric]) == 0 for runs in values.values() for metric in runs)
    checks.require(not empty, "values", "at least one value of every metric", "none")
    ax = new_axes(ax, min(2.0 + 0.28 * len(metrics) * (len(values) + 1), 12.0), 3.6)
    width = 0.8 / len(values)
    for i, ((method, runs), color) in enumerate(zip(values.items(), palette(len(values)), strict=True)):
        marker = _MARKERS[i % len(_MARKERS)]
        for metric, found in runs.items():
            x, own = metrics.index(metric) + (i - (len(values) - 1) / 2) * width, np.asarray(found, dtype=float)
            spread = np.linspace(-0.3, 0.3, len(own)) * width if len(own) > 1 else np.zeros(1)
            ax.plot(x + spread, own, marker, color=color, markersize=5, alpha=0.7, markeredgewidth=0)
            ax.hlines(own.mean(), x - 0.42 * width, x + 0.42 * width, color=color, linewidth=2.5)
            if len(own) > 1:
                ax.errorbar(x, own.mean(), own.std(ddof=1), color=color, capsize=4, linewidth=1.2)
        ax.plot([], [], marker, color=color, label=method)
    ax.set_xticks(range(len(metrics)), metrics)
    ax.set_xlim(-0.6, len(metrics) - 0.4)
    ax.set_ylabel(ylabel)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", alpha=0.3)
    if len(values) > 1:
        ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax
