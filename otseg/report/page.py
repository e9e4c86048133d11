"""The page: one file with everything in it."""

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from otseg import __version__, checks
from otseg.report import charts, sections
from otseg.report.experiment import Experiment, Run
from otseg.report.markup import Html, join, section, tag
from otseg.report.ribbons import class_styles, draw_videos
from otseg.report.scores import Scored, score_runs

_AGAIN = "otseg report RUN --data FOLDER"


@dataclass(frozen=True)
class Report:
    """A report.

    Attributes:
        html: The page.
        title: What it is about.
        n_videos: Number of videos that it shows.
        warnings: What is wrong with the run, such as degenerate solutions.
        missing: What is not in the folder, with the command that makes it.
    """

    html: str
    title: str
    n_videos: int
    warnings: Sequence[str]
    missing: Sequence[str]


def make_report(experiment: Experiment) -> Report:
    """The page about a run, from what its folder holds.

    Scores, settings and curves are those that were written down; videos are matched with the truth anew, one matching
    per activity, with the protocol of training.

    Args:
        experiment: Of :func:`otseg.report.read_experiment`.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        checks.missing_extra("matplotlib", "plots")
    found = {activity: score_runs(experiment.of_activity(activity)) for activity in experiment.activities}
    prefixes = {activity: f"a{i}" for i, activity in enumerate(experiment.activities)}
    notes, missing = _warnings(experiment, found), _missing(experiment, found)
    videos = [v for a, scored in found.items() if scored for v in sections.video_scores(scored, f"{prefixes[a]}-video")]
    results = experiment.results
    activities = [_activity(experiment.of_activity(a), a, prefixes[a], scored) for a, scored in found.items()]
    body = [
        sections.summary(experiment, notes, missing, videos),
        sections.what_was_run(experiment),
        None if results is None else sections.scores(experiment, results),
        *activities,
        sections.how_to(experiment),
    ]
    links = [("summary", "In short"), ("run", "What was run"), *([("scores", "Scores")] if results else [])]
    links += [(prefixes[a], a or "Videos") for a in found]
    n_classes = max((len(scored.classes) for scored in found.values() if scored), default=0)
    title = f"{experiment.title}: {experiment.folder.resolve().name}"
    html = _page(
        title=tag("title", title),
        heading=tag("h1", title),
        nav=tag("nav", *(tag("a", text, href=f"#{name}") for name, text in links)),
        body=join(body),
        style=_resource("style.css") + class_styles(n_classes),
        script=_resource("script.js"),
        footer=tag("footer", f"Made by otseg {__version__}. This file needs no network."),
    )
    return Report(html, title, len(videos), notes, missing)


def _activity(runs: Sequence[Run], activity: str, name: str, scored: Scored | None) -> Html:
    """Curves, ribbons, confusion, prototypes and lengths of segments of an activity."""
    parts: list[object] = []
    curves = charts.draw_curves(name, runs)
    if curves:
        parts.append(section(f"{name}-training", "Training", tag("div", *curves, class_="charts"), level=3))
    if scored is not None:
        table = sections.seed_table(scored) if scored.target is not None else None
        ribbons = draw_videos(scored, f"{name}-video")
        parts.append(section(f"{name}-videos", "Segments of all videos", table, ribbons, level=3))
        if scored.target is not None:
            text = (
                "Where the frames of every true class (a row) went, all seeds together, in percent of the class. "
                "“no class” are clusters that the matching left over."
            )
            picture = charts.draw_confusion(name, scored)
            parts.append(section(f"{name}-confusion", "Confusion after the matching", tag("p", text), picture, level=3))
        parts.append(_shapes(runs, name, scored))
    return section(name, activity or "Videos", *parts)


def _shapes(runs: Sequence[Run], name: str, scored: Scored) -> Html:
    seed = scored.seeds[0]
    pictures = [charts.draw_durations(name, scored)]
    embedding = next(run.embedding for run in runs if run.seed == seed)
    text = f"Seed {seed}. First, how long segments are"
    if embedding is not None:
        pictures.append(charts.draw_embedding(name, embedding, scored, 0))
        kind = "predicted" if embedding.target is None else "true"
        text += (
            f". Then frames (dots, in the color of their {kind} class) and prototypes (diamonds, in that of the class "
            "they were matched with, gray without one), projected on the frames' two largest principal components"
        )
    figures = tag("div", *pictures, class_="charts")
    return section(f"{name}-shapes", "Lengths of segments, and prototypes", tag("p", text + "."), figures, level=3)


def _warnings(experiment: Experiment, found: dict[str, Scored | None]) -> list[str]:
    notes = []
    for activity, scored in found.items():
        place = f"{activity}, " if activity else ""
        notes += [f"{place}seed {seed}: {text}" for seed, text in (scored.warnings if scored else {}).items()]
    results = experiment.results
    if results is not None and len(results.seeds) == 1:
        notes.append("Only one seed: differences between methods may be chance. Train with --seeds 0-4.")
    return notes


def _missing(experiment: Experiment, found: dict[str, Scored | None]) -> list[str]:
    """One line for all runs that lack the same."""
    places: dict[str, list[str]] = {}
    for run in experiment.runs:
        for text in _gaps(run, found[run.activity]):
            places.setdefault(text, []).append(f"{run.activity + ', ' if run.activity else ''}seed {run.seed}")
    lines = []
    for text, runs in places.items():
        more = f" and {len(runs) - 3} more" if len(runs) > 3 else ""
        lines.append(f"{'; '.join(runs[:3])}{more}: {text}")
    if experiment.records and experiment.results is None:
        lines.append("scores: there is no ground truth, or no seed has all activities.")
    return lines


def _gaps(run: Run, scored: Scored | None) -> Iterator[str]:
    """What the folder of a run lacks, and what makes it."""
    if run.record is None:
        epochs = max((max(values, default=0) for values in run.history.values()), default=0)
        fix = "give the same `otseg train` command again, and it goes on"
        yield f"not finished, {epochs} epochs done; {fix}."
    elif run.segments is None:
        yield f"no segments of the videos; `{_AGAIN}` makes them with the saved model."
    elif run.embedding is None:
        yield f"no embeddings; `{_AGAIN}` makes them, for a model that has prototypes."
    elif scored is not None and run.seed not in scored.seeds:
        yield "its videos are not those of the other seeds, and are not shown."
    if not run.history:
        yield "no curves; training/metrics.csv is not there."


def _page(**parts: str) -> str:
    template = string.Template(_resource("template.html"))
    return template.substitute(parts)


def _resource(name: str) -> Any:
    return files("otseg.report").joinpath(name).read_text(encoding="utf-8")
