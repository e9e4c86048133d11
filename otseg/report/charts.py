"""Pictures of :mod:`otseg.plots` as SVG inside of the page, in the page's fonts and colors."""

import io
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from otseg.metrics.evaluate import TITLES
from otseg.plots import plot_confusion, plot_curves, plot_durations, plot_embedding, plot_spread
from otseg.report.experiment import Run
from otseg.report.markup import Html, tag
from otseg.report.scores import Labels, Scored
from otseg.train.records import Embedding
from otseg.train.results import Results

_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_UNMATCHED = -2


def draw_curves(name: str, runs: Sequence[Run]) -> list[Html]:
    """Terms of the loss by epoch, and the scores of a validation, where there was one; bands over the seeds."""
    histories = [run.history for run in runs if run.history]
    charts = []
    losses = [_stripped(history, "train/") for history in histories]
    if all(len(terms) < 3 for terms in losses):  # of one term, the sum is that term
        losses = [{"loss": terms["loss"]} for terms in losses if "loss" in terms]
    if any(losses):
        ax = plot_curves([h for h in losses if h], ax=_axes(4.6, 3.2), ylabel="training loss")
        _legend_above(ax)
        charts.append(to_svg(ax, f"{name}-loss", "Terms of the training loss by epoch"))
    scores = [{TITLES.get(k, k): v for k, v in _stripped(history, "val/").items()} for history in histories]
    chosen = [{k: v for k, v in h.items() if k in ("MoF", "mIoU", "F1@50", "Edit")} for h in scores]
    if any(chosen):
        ax = plot_curves([h for h in chosen if h], ax=_axes(4.6, 3.2), ylabel="validation, fraction")
        _legend_above(ax)
        charts.append(to_svg(ax, f"{name}-validation", "Scores of the validation by epoch"))
    return charts


def draw_spread(results: Results, scope: str) -> Html:
    """Every metric of every seed."""
    values = {TITLES[k]: [100 * x for x in v] for k, v in results.per_seed("weighted", scope).items()}
    ax = plot_spread({results.title: values}, ax=_axes(6.2, 3.0), ylabel="percent")
    return to_svg(ax, f"spread-{scope}", f"Metrics of every seed, matching per {scope}")


def draw_confusion(name: str, scored: Scored) -> Html:
    """Where the frames of every true class went, all seeds together."""
    assert scored.target is not None
    index, names = {k: i for i, k in enumerate(scored.classes)}, dict(enumerate(scored.classes.values()))
    labels = [np.maximum(_renumber(row, index), _UNMATCHED) for run in scored.labels for row in run]
    target = [_renumber(row, index) for row in scored.target] * len(scored.labels)
    longest = 0.075 * max(map(len, names.values()))
    cell = 0.42 if len(names) < 12 else 0.19
    size = (2.0 + longest + cell * (len(names) + 1), 1.1 + longest + cell * len(names))
    ax = plot_confusion(labels, target, ax=_axes(*size), class_names={**names, _UNMATCHED: "no class"})
    return to_svg(ax, f"{name}-confusion", "Confusion of classes")


def draw_durations(name: str, scored: Scored) -> Html:
    """Lengths of the segments of the first seed."""
    ax = plot_durations(scored.labels[0], scored.target, ax=_axes(4.6, 3.2))
    return to_svg(ax, f"{name}-durations", "Lengths of segments")


def draw_embedding(name: str, embedding: Embedding, scored: Scored, run: int) -> Html:
    """Frames in the colors of their true classes, prototypes in those of the classes they were matched with."""
    index = {k: i for i, k in enumerate(scored.classes)}
    mapping = scored.mappings[run]
    dots = embedding.labels if embedding.target is None else embedding.target
    labels = [index.get(k, -1) for k in dots]
    colors = [index.get(mapping.get(k, -1), -1) for k in range(len(embedding.prototypes))]
    ax = plot_embedding(
        np.array(embedding.frames),
        np.array(embedding.prototypes),
        labels=labels,
        prototype_labels=colors,
        projection="given",
        ax=_axes(4.6, 3.6),
    )
    if (legend := ax.get_legend()) is not None:
        legend.remove()  # that of the ribbons holds
    for number, share in enumerate(embedding.explained, start=1):
        text = f"component {number} ({100 * share:.0f} % of the variance)"
        (ax.set_xlabel if number == 1 else ax.set_ylabel)(text)
    for dots_of_class in ax.collections[: len(set(labels))]:
        dots_of_class.set_rasterized(True)  # 1500 dots are a smaller picture than drawing
    return to_svg(ax, f"{name}-embedding", "Frames and prototypes in a plane")


def to_svg(ax: Any, name: str, title: str) -> Html:
    """A figure as an SVG element: ids begin with ``name``, black is the color of the text around it.

    Args:
        ax: Axes of the figure.
        name: Unique in the page.
        title: What readers of a screen are told.
    """
    import matplotlib as mpl

    file = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "constrained_layout not applied")  # of a legend that is wider than its place
        ax.figure.savefig(file, format="svg", transparent=True, metadata=_NO_METADATA, dpi=144)
    text = file.getvalue()
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<style.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    width = float(re.search(r'width="([\d.]+)pt"', text)[1]) * 4 / 3  # type: ignore[index]
    box = re.search(r'viewBox="[^"]+"', text)[0]  # type: ignore[index]
    text = f'<svg {box} role="img" style="width:{width:.0f}px">' + text[text.index(">") + 1 :]
    text = text.replace("xlink:href", "href").replace("#000000", "currentColor")
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", text)
    text = re.sub(r"font: ([\w ]*?)([\d.]+px) [^;\"]+", r"font: \1\2 var(--font)", text)
    text = re.sub(r">\s+<", "><", text)
    return tag("figure", Html(text.replace("<g", f"{tag('title', title)}<g", 1)), class_="chart")


def _axes(width: float, height: float) -> Any:
    """Axes of a new figure, of a size in inches."""
    from matplotlib.figure import Figure  # not of pyplot, which would open a window where there is a screen

    return Figure(figsize=(width, height), layout="constrained").subplots()


def _legend_above(ax: Any) -> None:
    """Move the legend out of the way of the curves."""
    handles, names = ax.get_legend_handles_labels()
    corner = (0.0, 1.0)  # bottom left of the legend = top left of the axes
    ax.legend(handles, names, loc="lower left", bbox_to_anchor=corner, ncols=4, fontsize=8, frameon=False)


def _stripped(history: Mapping[str, Mapping[int, float]], prefix: str) -> dict[str, Mapping[int, float]]:
    return {name.removeprefix(prefix): values for name, values in history.items() if name.startswith(prefix)}


def _renumber(labels: Labels, index: Mapping[int, int]) -> Labels:
    """Classes by their place among those that occur; negative numbers stay."""
    values, where = np.unique(labels, return_inverse=True)
    found: Labels = np.array([index.get(int(k), int(k)) if k >= 0 else int(k) for k in values])[where]
    return found
