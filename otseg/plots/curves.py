"""Training curves, of one run or of several seeds."""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from otseg import checks
from otseg.plots._axes import Axes, new_axes
from otseg.plots.palette import palette

#: Values of epochs 1, 2, ..., ``None`` or NaN where there is none; or values by epoch.
Values: TypeAlias = Sequence[float | None] | Mapping[int, float]
#: The curves of one run, by name.
History: TypeAlias = Mapping[str, Values]

_STYLES = ("-", "--", "-.", ":")


def plot_curves(
    history: History | Sequence[History],
    *,
    ax: Axes | None = None,
    band: Literal["range", "std"] = "range",
    ylabel: str = "",
) -> Axes:
    """Curves of values by epoch; for several runs their mean, and a band of their spread.

    Gaps are bridged: a value that is measured every fifth epoch is a line through those epochs, with markers.
    An epoch that some runs lack is averaged over the others.

    Args:
        history: For every name its values, of one run; or a list of such, of several seeds.
        ax: Where to draw; a new figure if ``None``.
        band: What the band of several runs shows: from the smallest to the largest (``"range"``), or one
            standard deviation (of the sample) on both sides of the mean (``"std"``).
        ylabel: Name of the vertical axis.

    Returns:
        The axes.

    Raises:
        ValueError: If there is no value, or an epoch is not positive.
        TypeError: If ``history`` is of the wrong type.
        ImportError: If matplotlib is not installed.

    Example:
        >>> ax = plot_curves([{"loss": [3.0, 2.0]}, {"loss": [5.0, 3.0]}])
        >>> ax.lines[0].get_ydata().tolist()
        [4.0, 2.5]
    """
    checks.choice("band", band, ("range", "std"))
    runs = [history] if isinstance(history, Mapping) else history
    fix = "Write {'loss': [...]}."
    mappings = isinstance(runs, Sequence) and all(isinstance(run, Mapping) for run in runs)
    requirement = "a mapping of names to values, or a list of them"
    checks.require(mappings, "history", requirement, checks.describe(history), fix, TypeError)
    names = list(dict.fromkeys(name for run in runs for name in run))
    curves = {name: _stack(name, [run[name] for run in runs if name in run]) for name in names}
    checks.require(len(curves) > 0, "history", "at least one curve", "none")
    ax = new_axes(ax, 6.4, 4.0)
    for i, (name, (epochs, values)) in enumerate(curves.items()):
        color, style = palette(i + 1)[i], _STYLES[i % len(_STYLES)]
        sparse = len(epochs) == 1 or bool((np.diff(epochs) > 1).any())
        mean = np.nanmean(values, axis=0)
        ax.plot(epochs, mean, color=color, linestyle=style, marker="o" if sparse else "", markersize=4, label=name)
        if len(values) > 1:
            low, high = _spread(values, mean, band)
            ax.fill_between(epochs, low, high, color=color, alpha=0.2, linewidth=0)
    ax.set_xlabel("epoch")
    ax.set_ylabel(ylabel)
    ax.locator_params(axis="x", integer=True)
    ax.legend(frameon=False)
    return ax


def _stack(name: str, runs: list[Values]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Epochs at which any run has a value, ``(E,)``, and the values of all runs, ``(R, E)``, NaN in gaps."""
    read = [_read(name, run) for run in runs]
    epochs = np.array(sorted(set().union(*read)), dtype=np.int64)
    checks.require(len(epochs) > 0, f"history[{name!r}]", "at least one value", "none")
    return epochs, np.array([[run.get(int(epoch), np.nan) for epoch in epochs] for run in read])


def _read(name: str, values: Values) -> dict[int, float]:
    listed = isinstance(values, (Sequence, Mapping, np.ndarray)) and not isinstance(values, str)
    where, requirement = f"history[{name!r}]", "a sequence of numbers, or numbers by epoch"
    checks.require(listed, where, requirement, checks.describe(values), error=TypeError)
    items = values.items() if isinstance(values, Mapping) else enumerate(values, start=1)
    pairs = {epoch: float(value) for epoch, value in items if value is not None}
    for epoch in pairs:
        checks.number(f"an epoch of {where}", epoch, 0, integer=True)
    return {epoch: value for epoch, value in pairs.items() if not np.isnan(value)}


def _spread(
    values: npt.NDArray[np.float64], mean: npt.NDArray[np.float64], band: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    if band == "range":
        return np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    count = np.isfinite(values).sum(axis=0)
    square = np.nansum((values - mean) ** 2, axis=0)
    deviation = np.sqrt(square / np.maximum(count - 1, 1))  # one run has no spread: 0 / 1
    return mean - deviation, mean + deviation
