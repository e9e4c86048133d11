"""Pictures of a trained model, and of several methods side by side; they need the extra ``plots``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from otseg import checks
from otseg.data import SequenceDataset
from otseg.metrics import match
from otseg.metrics.evaluate import TITLES
from otseg.models import SegmentationModel
from otseg.plots import palette, plot_cost, plot_curves, plot_plan, plot_segments
from otseg.train.config import TrainConfig
from otseg.train.evaluation import true_labels
from otseg.train.loaders import model_input
from otseg.train.results import Results

#: Names of the files that :func:`draw_model` writes.
MODEL_PICTURES = ("ribbons.png", "plan.png", "cost.png", "curves.png")
_N_RIBBONS = 10  # videos that are shown
_N_COMPARED = 3
_METRICS = ("mof", "miou", "f1_50", "edit")


def draw_model(
    folder: Path,
    model: SegmentationModel,
    data: SequenceDataset,
    config: TrainConfig,
    labels: Sequence[Tensor],
    history: Mapping[str, Mapping[int, float]],
) -> None:
    """Draw what a model found: ribbons of ten videos, plan and cost of the first, curves of the training.

    Args:
        folder: Where to write ``ribbons.png``, ``plan.png``, ``cost.png`` and ``curves.png``.
        model: The model.
        data: Sequences with labels, as they are stored.
        config: Settings of the training.
        labels: Actions of every sequence, as the model numbers them.
        history: Curves: ``"train/loss"``, and ``"val/<metric>"`` if there was a validation.
    """
    plt = pyplot()
    target, title = true_labels(data), type(model).__name__
    result = model.segment(model_input(data.select([0]), config)[0].features.unsqueeze(0))
    n_actions = result.plan.shape[2]
    matching = match(list(labels), target, n_actions, ignore_labels=(-1,))
    classes, known = matching.mappings[""], data.evaluation_names
    columns = [f"{k} {known[classes[k]] if k in classes else '-'}" for k in range(n_actions)]
    matched = [torch.from_numpy(row) for row in matching.apply(list(labels))]
    shown = slice(0, _N_RIBBONS)
    axes = {
        "ribbons": plot_segments(matched[shown], target[shown], names=data.names[shown], class_names=known),
        "plan": plot_plan(result, class_names=columns, target=target[0]),
        "cost": plot_cost(result, class_names=columns),
    }
    axes["ribbons"].set_title(f"{title}, clusters named by their matching with the truth")
    axes["plan"].set_title(f"{data.names[0]}: probability of every action")
    axes["cost"].set_title(f"{data.names[0]}: cost of every action")
    for name, ax in axes.items():
        figure: Any = ax.figure
        figure.savefig(folder / f"{name}.png", dpi=120, bbox_inches="tight")
    scores = {TITLES[name]: history[f"val/{name}"] for name in _METRICS if f"val/{name}" in history}
    curves, places = plt.subplots(1, 2 if scores else 1, figsize=(11, 4), layout="constrained", squeeze=False)
    plot_curves({"loss": history["train/loss"]}, ax=places[0, 0], ylabel="training loss")
    if scores:
        plot_curves(scores, ax=places[0, 1], ylabel="all frames, fraction")
        places[0, 1].set_ylim(0, 1)
    curves.savefig(folder / "curves.png", dpi=120)
    plt.close("all")


def draw_comparison(
    path: Path, data: SequenceDataset, labels: Mapping[str, Sequence[Tensor]], results: Sequence[Results]
) -> None:
    """Draw the scores of methods as bars, and three videos with the truth above what every method found.

    Args:
        path: File to write, such as ``comparison.png``.
        data: Sequences of one activity, with labels.
        labels: For every method the actions of every sequence.
        results: What the methods scored.
    """
    plt = pyplot()
    target = true_labels(data)
    matched = {name: match(list(rows), target, ignore_labels=(-1,)).apply(list(rows)) for name, rows in labels.items()}
    n = min(_N_COMPARED, len(data))
    figure = plt.figure(figsize=(11, 3 + 1.7 * n), layout="constrained")
    grid = figure.add_gridspec(n + 1, 1, height_ratios=[3, *[1.7] * n])
    bars = figure.add_subplot(grid[0])
    width = 0.8 / len(results)
    for i, (found, color) in enumerate(zip(results, palette(len(results)), strict=True)):
        spreads = found.mean()
        places = [m + (i - (len(results) - 1) / 2) * width for m in range(len(_METRICS))]
        means = [100 * spreads[name].mean for name in _METRICS]
        errors = [100 * spreads[name].std for name in _METRICS] if len(found.seeds) > 1 else None
        drawn = bars.bar(places, means, width * 0.95, yerr=errors, color=color, label=found.title)
        bars.bar_label(drawn, fmt="%.0f", fontsize=8)
    bars.set_xticks(range(len(_METRICS)), [TITLES[name] for name in _METRICS])
    bars.set_ylabel("percent")
    bars.set_ylim(0, 109)
    bars.legend(frameon=False, ncols=len(results), loc="upper left", fontsize=8)
    bars.spines[["top", "right"]].set_visible(False)
    for i in range(n):
        rows = [target[i], *(torch.from_numpy(found[i]) for found in matched.values())]
        ax = plot_segments(
            rows, ax=figure.add_subplot(grid[i + 1]), names=["true", *matched], class_names=data.evaluation_names
        )
        ax.set_title(data.names[i], loc="left", fontsize="medium")
        if i > 0 and (legend := ax.get_legend()) is not None:
            legend.remove()
    figure.savefig(path, dpi=120)
    plt.close("all")


def draw_segments(path: str | Path, labels: Mapping[str, Tensor], frame_rate: float | None = None) -> None:
    """Draw the segments of sequences as ribbons, see :func:`otseg.plots.plot_segments`; needs the extra ``plots``.

    Args:
        path: File to write; its ending says the format.
        labels: The action of every frame, by name of the sequence.
        frame_rate: Frames per second; the axis of time is in frames if ``None``.
    """
    plt = pyplot()
    figure: Any = plot_segments(list(labels.values()), names=list(labels), frame_rate=frame_rate).figure
    figure.savefig(path, dpi=120)
    plt.close(figure)


def pyplot() -> Any:
    """Matplotlib's pyplot, drawing into files; needs the extra ``plots``."""
    try:
        import matplotlib as mpl
    except ModuleNotFoundError:
        checks.missing_extra("matplotlib", "plots")
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    return plt
