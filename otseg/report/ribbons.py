"""Ribbons of videos as inline SVG: seen without a script, and the data of the script that answers a pointer.

A ribbon is one path per class, a horizontal stroke per segment, ``M<first frame> 0h<frames>``: about ten bytes each.
"""

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from otseg.plots import palette
from otseg.report.markup import Html, join, tag
from otseg.report.scores import METRICS, Labels, Scored


def draw_videos(scored: Scored, prefix: str) -> Html:
    """All videos of an activity, the worst first: the truth, then every seed, with the scores of each.

    Args:
        scored: The videos.
        prefix: Begins the ids of the videos, which must be unique in the page.
    """
    order = {k: i for i, k in enumerate(scored.classes)}  # class to color
    longest = max(len(row) for row in scored.labels[0])
    videos = [_video(scored, i, prefix, order, longest) for i in scored.worst_first()]
    legend = tag(
        "ul",
        *(
            tag("li", tag("i", class_=f"c{i}"), name, data_class=f"c{i}")
            for i, name in enumerate(scored.classes.values())
        ),
        tag("li", tag("i", class_="u"), "cluster without a class", data_class="u") if _leftovers(scored) else None,
        class_="legend",
    )
    names = json.dumps(list(scored.classes.values()))
    shown = tag("div", *videos, class_="videos")
    return tag("div", _controls(scored), legend, shown, class_="ribbons", data_names=names)


def class_styles(n_classes: int) -> str:
    """Style sheet of the colors of classes."""
    codes = ["#" + "".join(f"{round(255 * x):02x}" for x in color) for color in palette(min(n_classes, 200))]
    return "".join(f".c{i}{{--c:{codes[i % len(codes)]}}}" for i in range(n_classes))


def _controls(scored: Scored) -> Html:
    orders = {"score": "worst first", "name": "name", "length": "longest first"}
    if scored.target is None:
        orders.pop("score")
    options = [tag("option", text, value=value) for value, text in orders.items()]
    seeds = [
        tag("label", tag("input", type="checkbox", checked=True, data_seed=seed), f" seed {seed}")
        for seed in scored.seeds
        if len(scored.seeds) > 1
    ]
    return tag(
        "form",
        tag("label", "Find ", tag("input", type="search", placeholder="name of a video", class_="find")),
        tag("label", "Sort ", tag("select", *options, class_="sort")),
        tag("label", tag("input", type="checkbox", class_="lengths"), " true lengths"),
        *seeds,
        tag("output", f"{len(scored.names)} videos"),
        class_="controls",
    )


def _video(scored: Scored, i: int, prefix: str, order: dict[int, int], longest: int) -> Html:
    name, n_frames = scored.names[i], len(scored.labels[0][i])
    means = [(metric, scored.mean(i, metric)) for metric in METRICS] if scored.target is not None else []
    numbers = [tag("span", f"{metric} {percent(value)}") for metric, value in means]
    key = f"{prefix}-{i}"
    title = tag("h4", tag("a", name, href=f"#{key}"), tag("span", f"{n_frames} frames"), *numbers)
    rows = [_row("true", scored.target[i], order, "")] if scored.target is not None else []
    for seed, labels, run in zip(scored.seeds, scored.labels, scored.scores or [[]] * len(scored.seeds), strict=True):
        score = percent(run[i]["MoF"]) if run else ""
        rows.append(_row(f"seed {seed}", labels[i], order, score, data_seed=seed))
    share = f"--share:{100 * n_frames / longest:.1f}%"
    mean = means[0][1] if means else math.nan
    data = {"data_name": name, "data_frames": n_frames, "data_score": f"{mean:.4f}"}
    return tag("article", title, tag("div", *rows, class_="rows", style=share), class_="video", id=key, **data)


def _row(name: str, labels: Labels, order: dict[int, int], score: str, **attributes: object) -> Html:
    svg = tag("svg", *_paths(labels, order), viewBox=f"0 -1 {len(labels)} 2", preserveAspectRatio="none")
    return tag("div", tag("b", name), svg, tag("em", score), class_="row", **attributes)


def _paths(labels: Labels, order: dict[int, int]) -> list[Html]:
    bounds = [0, *(np.flatnonzero(labels[1:] != labels[:-1]) + 1).tolist(), len(labels)]
    strokes: dict[int, list[str]] = defaultdict(list)
    for start, stop in pairwise(bounds):
        strokes[int(labels[start])].append(f"M{start} 0h{stop - start}")
    return [
        tag("path", class_=f"c{order[k]}" if k >= 0 else "u", data_cluster=-2 - k if k < -1 else None, d="".join(d))
        for k, d in sorted(strokes.items())
        if k != -1
    ]


def _leftovers(scored: Scored) -> bool:
    return any((row < -1).any() for run in scored.labels for row in run)


def percent(value: float) -> str:
    """A fraction in percent, one decimal.

    Example:
        >>> percent(0.1234), percent(math.nan)
        ('12.3', '-')
    """
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def worst(videos: Sequence[tuple[float, str, str]], n: int = 5) -> Html:
    """Links to the videos with the lowest scores.

    Args:
        videos: Score, name, and id in the page of every video.
        n: Number of links.
    """
    found = sorted(video for video in videos if not math.isnan(video[0]))[:n]
    links = [join([tag("a", name, href=f"#{key}"), f" {percent(score)} %"]) for score, name, key in found]
    return tag("ol", *(tag("li", link) for link in links), class_="worst")
