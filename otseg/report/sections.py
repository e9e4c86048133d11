"""The sections of a report about the whole run: in short, what was run, scores."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from otseg.metrics.evaluate import TITLES
from otseg.models import BENCHMARKS
from otseg.report.charts import draw_spread
from otseg.report.experiment import Experiment
from otseg.report.markup import Html, details, join, listed, section, table, tag
from otseg.report.ribbons import percent, worst
from otseg.report.scores import Scored
from otseg.train.reproduce import published_note, published_rows
from otseg.train.results import MEANS, SCOPES, Results

_SHORT = ("mof", "miou", "f1_50", "edit")


def summary(
    experiment: Experiment, notes: Sequence[str], missing: Sequence[object], videos: Sequence[tuple[float, str, str]]
) -> Html:
    """The four scores that papers report, what is wrong, and where to look first.

    Args:
        experiment: The experiment.
        notes: Warnings.
        missing: What is not there, and the command that makes it.
        videos: Score, name, and id of every video.
    """
    results = experiment.results
    cards = None
    if results is not None:
        means = results.mean()
        cards = tag(
            "div",
            *(tag("p", tag("strong", means[name]), f"{TITLES[name]}, percent", class_="card") for name in _SHORT),
            class_="cards",
        )
        n = len(results.seeds)
        spread = f"Mean ± standard deviation of {n} seeds" if n > 1 else "One seed: how much it varies is not known"
        cards = join([cards, tag("p", f"{spread}. One matching of actions and classes per activity.")])
    elif experiment.records:
        cards = tag("p", "There is no ground truth, so nothing is scored: look at the segments.")
    scored = [video for video in videos if not math.isnan(video[0])]
    first = join([tag("h3", "Worst videos (MoF)"), worst(videos)]) if scored else None
    alarms = tag("ul", *(tag("li", note) for note in notes), class_="alarm") if notes else None
    gaps = join([tag("h3", "Not here"), tag("ul", *(tag("li", text) for text in missing))]) if missing else None
    return section("summary", "In short", cards, alarms, first, gaps)


def what_was_run(experiment: Experiment) -> Html:
    """Method, data, settings, versions, date."""
    records, settings = experiment.records, experiment.settings
    dates = sorted(date for run in experiment.runs if (date := run.finished) is not None)
    facts: list[tuple[object, object]] = [("Method", experiment.title)]
    if settings:
        origin = "published by its authors" if settings.get("published") else "otseg's own, or changed"
        facts.append(("Settings", f"{settings.get('source', '')} ({origin})"))
        if settings.get("benchmark") is not None:
            facts.append(("Benchmark", settings["benchmark"]))
    facts.append(("Seeds", _list(run.seed for run in experiment.runs)))
    if experiment.activities != [""]:
        facts.append(("Activities", _list(experiment.activities)))
    if records:
        by_activity = {record["activity"]: record for record in records}.values()
        frames = sum(record["n_frames"] for record in by_activity)
        facts.append(("Data", f"{sum(r['n_videos'] for r in by_activity)} videos, {frames} frames"))
        versions = _merged([record["versions"] for record in records])
        facts.append(("Software", ", ".join(f"{name} {value}" for name, value in versions.items())))
        seconds = [record["seconds_per_epoch"] for record in records]
        facts.append(("Time", f"{sum(seconds) / len(seconds):.3g} seconds per epoch"))
    if dates:
        facts.append(("Finished", f"{dates[-1]:%Y-%m-%d %H:%M} UTC"))
    facts.append(("Folder", experiment.folder.resolve().name))
    parts = []
    for name, title in (("model_config", "Settings of the model"), ("train_config", "Settings of the training")):
        if records:
            merged = _merged([record[name] for record in records])
            parts.append(details(title, table([["setting", "value"], *merged.items()], class_="plain")))
    return section("run", "What was run", listed(facts), *parts)


def scores(experiment: Experiment, results: Results) -> Html:
    """Every metric in every scope, beside published numbers where the data is a benchmark."""
    parts: list[object] = []
    benchmark = experiment.settings.get("benchmark")
    for scope, meaning in SCOPES.items():
        rows: list[Sequence[object]] = [["activity", *TITLES.values(), "videos", "frames"]]
        for activity in results.activities:
            record = next(r for r in results.runs if r["activity"] == activity)
            counts = [record["n_videos"], record["n_frames"]]
            rows.append([activity or "all", *results.of_activity(activity, scope).values(), *counts])
        if len(results.activities) > 1:
            rows += [[name, *results.mean(weights, scope).values(), "", ""] for weights, name in MEANS.items()]
        parts += [tag("h3", f"{scope.capitalize()} level: {meaning}"), table(rows), draw_spread(results, scope)]
        if benchmark in BENCHMARKS:
            published = published_rows(results, benchmark, scope)
            parts += [tag("h4", "Beside published numbers"), table(published, class_="sources")]
    seeds = _list(results.seeds)
    spread = "; mean ± standard deviation (of a sample) over seeds" if len(results.seeds) > 1 else ""
    note = f"In percent{spread}. Seeds: {seeds}. Protocol: {results.runs[0]['rules']}."
    more = tag("p", published_note(results, benchmark)) if benchmark in BENCHMARKS else None
    return section("scores", "Scores", *parts, tag("p", note), more)


def how_to(experiment: Experiment) -> Html:
    """Commands that go on from here."""
    folder = experiment.folder.resolve().name
    model = (Path(folder) / experiment.runs[0].folder.relative_to(experiment.folder)).as_posix()
    commands = (
        (f"otseg eval '{folder}' DATA", "scores the models on other recordings"),
        (f"otseg segment '{model}' FEATURES --output labels", "segments new recordings"),
        (f"otseg report '{folder}'", "writes this page again"),
    )
    return section("use", "Go on", listed((tag("code", command), meaning) for command, meaning in commands))


def _list(values: Any) -> str:
    return ", ".join(map(str, dict.fromkeys(values)))


def _merged(mappings: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """For every name all values that occur."""
    names = dict.fromkeys(name for mapping in mappings for name in mapping)
    return {name: _list(str(mapping[name]) for mapping in mappings if name in mapping) for name in names}


def video_scores(scored: Scored, prefix: str) -> list[tuple[float, str, str]]:
    """Mean MoF, name, and id in the page of every video."""
    return [(scored.mean(i), name, f"{prefix}-{i}") for i, name in enumerate(scored.names)]


def seed_table(scored: Scored) -> Html:
    """Mean scores of the videos of every seed, all videos alike; which clusters have no class."""
    rows: list[Sequence[object]] = [
        ["seed", "MoF of videos: lowest", "median", "highest", "classes that have a cluster"]
    ]
    for seed, run, mapping in zip(scored.seeds, scored.scores, scored.mappings, strict=True):
        values = sorted(x for video in run if not math.isnan(x := video["MoF"]))
        middle = (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2
        found = f"{len(mapping)} of {len(scored.classes)}"
        rows.append([f"seed {seed}", percent(values[0]), percent(middle), percent(values[-1]), found])
    return table(rows)
