"""A published experiment from end to end: what it needs, how long it takes, and our numbers beside the published."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from otseg.data import LAYOUTS, layout_help, load_dataset
from otseg.metrics.evaluate import TITLES
from otseg.models import activities_of
from otseg.models.config import field_names, from_mapping
from otseg.train.config import TrainConfig
from otseg.train.experiment import run_experiment
from otseg.train.published import published_results
from otseg.train.results import SCOPES, Results, markdown_table
from otseg.train.run import new_model
from otseg.train.settings import Settings, make_settings
from otseg.types import Batch

# Number of videos and mean number of their frames, for the time that an experiment takes. Videos: the papers of the
# data sets. Frames: Breakfast 2.3 minutes at 15 per second; 50 Salads 6.4 minutes at 30; Desktop Assembly and YouTube
# Instructional: assumed.
_SIZES = {
    "breakfast": (1712, 2100),
    "yti": (150, 1000),
    "50salads-eval": (50, 11500),
    "50salads-mid": (50, 11500),
    "desktop-assembly": (76, 800),
}


@dataclass(frozen=True)
class Plan:
    """What a reproduction will do.

    Attributes:
        settings: Method and settings.
        benchmark: The benchmark.
        seeds: Seeds.
        seconds: Time that it will take about, extrapolated from a few steps on this machine; ``None`` if not asked.
    """

    settings: Settings
    benchmark: str
    seeds: Sequence[int]
    seconds: float | None

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        n_videos, _ = _SIZES[self.benchmark]
        return {
            "method": self.settings.method.title,
            "benchmark": self.benchmark,
            "title": LAYOUTS[self.benchmark].title,
            "layout": layout_help(self.benchmark),
            "expected_files": {"features": n_videos, "ground_truth": n_videos, "mapping": 1},
            "actions": dict(activities_of(self.benchmark)),
            "model": dict(self.settings.model),
            "train": dict(self.settings.train),
            "source": self.settings.source,
            "published_settings": self.settings.published,
            "seeds": list(self.seeds),
            "seconds": self.seconds,
            "published_results": [vars(row) for scope in SCOPES for row in published_results(self.benchmark, scope)],
        }

    def text(self) -> str:
        """The same for people."""
        n_videos, n_frames = _SIZES[self.benchmark]
        n_models = len(self.seeds) * len(activities_of(self.benchmark))
        chosen = "published" if self.settings.published else "not published: otseg's choice, or changed"
        lines = [
            f"{self.settings.method.title} on {LAYOUTS[self.benchmark].title}",
            "",
            "What to put where, in the folder of --data-root:",
            *layout_help(self.benchmark).splitlines()[1:],
            f"  files expected: {n_videos} of features, {n_videos} of ground truth, about {n_frames} frames each",
            "  `otseg data check` names every file that does not fit.",
            "",
            f"Settings ({chosen}), from: {self.settings.source}",
            *(f"  model.{name} = {value}" for name, value in self.settings.model.items()),
            *(f"  train.{name} = {value}" for name, value in self.settings.train.items()),
            "  everything else is the default of the configs",
            "",
            f"{n_models} models: seeds {', '.join(map(str, self.seeds))}, one for each activity",
        ]
        if self.seconds is not None:
            lines.append(f"Time: about {_duration(self.seconds)} on this machine, extrapolated from a few steps")
        return "\n".join(lines)


def plan_reproduction(
    method: str,
    benchmark: str,
    *,
    seeds: Sequence[int] = (0,),
    overrides: Sequence[str] = (),
    estimate: bool = True,
) -> Plan:
    """What :func:`reproduce` would do; needs no data.

    Args:
        method: Name in :data:`otseg.models.METHODS`.
        benchmark: One of :data:`otseg.models.BENCHMARKS`.
        seeds: Seeds.
        overrides: Single settings, see :func:`otseg.train.make_settings`.
        estimate: Whether to measure a few steps for the time it takes.

    Raises:
        ValueError: If a name or a setting is wrong.
    """
    settings = make_settings(method, benchmark, overrides=overrides)
    config = _largest(settings, benchmark)
    train = from_mapping(TrainConfig, settings.train)
    seconds = _estimate(settings, config, train, benchmark) * len(seeds) if estimate else None
    return Plan(settings, benchmark, tuple(seeds), seconds)


def reproduce(
    method: str,
    benchmark: str,
    data_root: str | Path,
    *,
    folder: str | Path,
    seeds: Sequence[int] = (0,),
    overrides: Sequence[str] = (),
    **options: Any,
) -> Results:
    """Run a published experiment; :func:`compare_with_published` sets its numbers beside the published ones.

    Args:
        method: Name in :data:`otseg.models.METHODS`.
        benchmark: One of :data:`otseg.models.BENCHMARKS`.
        data_root: Folder of the benchmark, see :func:`otseg.data.layout_help`.
        folder: Where to write; a run that was interrupted goes on.
        seeds: Seeds.
        overrides: Single settings, see :func:`otseg.train.make_settings`.
        **options: Options of :func:`run_experiment`, such as ``activities`` or ``accelerator="gpu"``.

    Raises:
        FileNotFoundError: If the data are not there.
        ValueError: If a name or a setting is wrong.
    """
    settings = make_settings(method, benchmark, overrides=overrides)
    data = load_dataset(benchmark, data_root)
    return run_experiment(settings, data, folder=folder, seeds=seeds, **options)


def compare_with_published(results: Results, benchmark: str) -> str:
    """A Markdown table for each scope: published rows with their sources, then ours.

    Args:
        results: Of :func:`reproduce`.
        benchmark: The benchmark.
    """
    parts = []
    for scope, meaning in SCOPES.items():
        rows = published_rows(results, benchmark, scope)
        parts.append(f"{scope.capitalize()} level: {meaning}.\n\n{markdown_table(rows)}\n")
    return "\n".join([*parts, published_note(results, benchmark)])


def published_rows(results: Results, benchmark: str, scope: str) -> list[list[str]]:
    """The table of :func:`compare_with_published` for one scope; the first row is its head.

    Args:
        results: Of a benchmark.
        benchmark: The benchmark.
        scope: ``"activity"`` or ``"video"``.
    """
    names = ["mof", "miou", "f1_asot", "f1_cte"]
    rows = [["method", *(TITLES[name] for name in names), "source"]]
    for row in published_results(benchmark, scope):
        cells = [f"{row.values[name]:.1f}" if name in row.values else "-" for name in names]
        rows.append([row.method, *cells, f"published: {row.source}"])
    ours = results.mean("weighted", scope)
    source = f"this run, seeds {', '.join(map(str, results.seeds))}"
    return [*rows, [f"{results.title} (otseg)", *(str(ours[name]) for name in names), source]]


def published_note(results: Results, benchmark: str) -> str:
    """What to know when comparing with published numbers.

    Args:
        results: Of a benchmark.
        benchmark: The benchmark.
    """
    note = (
        "In percent; activities weighted by frames. The published F1 of ASOT's line is drawn at random and divides by "
        "the number of classes; ours is the exact value of the same idea, over segments, so that the two differ."
    )
    missing = sorted(set(activities_of(benchmark)) - set(results.activities))
    return f"NOT the whole benchmark: without {', '.join(missing)}. {note}" if missing else note


def _largest(settings: Settings, benchmark: str) -> Any:
    """The config for the activity with most actions."""
    values = {"n_actions": max(activities_of(benchmark).values()), **settings.model}
    if "n_features" in field_names(settings.method.model.config_class):
        values.setdefault("n_features", LAYOUTS[benchmark].n_features)
    return from_mapping(settings.method.model.config_class, values)


def _estimate(settings: Settings, config: Any, train: TrainConfig, benchmark: str, n_steps: int = 3) -> float:
    """Seconds that all activities take with one seed: the time of a training step and of segmenting a video."""
    n_videos, n_frames = _SIZES[benchmark]
    model = new_model(settings.method.model, config, 0)
    generator = torch.Generator().manual_seed(0)
    n_features = LAYOUTS[benchmark].n_features

    def features(n_sequences: int, n: int) -> torch.Tensor:
        drawn = torch.randn(n_sequences, n, n_features, generator=generator)
        return drawn / float(n_features**0.5)

    x = features(train.batch_size, min(train.n_samples, n_frames))
    batch = Batch(x, torch.ones_like(x[:, :, 0], dtype=torch.bool))
    model.prepare([batch], generator=generator)
    optimizer = torch.optim.Adam(model.parameters())
    start = 0.0
    for step in range(n_steps + 1):
        if step == 1:  # the first one is slower
            start = time.perf_counter()
        optimizer.zero_grad()
        torch.stack(list(model.loss(batch).values())).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    per_step = (time.perf_counter() - start) / n_steps
    start = time.perf_counter()
    model.eval().segment(features(1, n_frames))
    per_video = time.perf_counter() - start
    return n_videos * (train.epochs / train.batch_size * per_step + 2 * per_video)  # once more for the warning


def _duration(seconds: float) -> str:
    """A rough duration in words.

    Example:
        >>> _duration(50), _duration(600), _duration(9000)
        ('1 minute', '10 minutes', '2.5 hours')
    """
    if seconds < 90:
        return "1 minute"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
