"""What the report knows of an activity: its videos, matched with the truth, each with its scores."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from otseg.metrics import match, warn_if_degenerate
from otseg.metrics.frames import mof_of
from otseg.metrics.segments import edit_of, f1_of
from otseg.metrics.sequences import Video, read_pairs
from otseg.report.experiment import Run
from otseg.train.records import Segments, from_runs

Labels: TypeAlias = npt.NDArray[np.int64]
#: Scores of a video, by their names in tables.
METRICS = ("MoF", "F1@50", "Edit")


@dataclass(frozen=True, eq=False)
class Scored:
    """The videos of an activity as its runs found them.

    Attributes:
        seeds: Seeds of the runs.
        names: Names of the videos.
        classes: Classes that occur, sorted, with their names: true ones, or actions where there is no ground truth.
        target: True classes; ``None`` without ground truth.
        labels: For every run the classes of its clusters after the matching, ``-2 - k`` of cluster ``k`` without one.
        mappings: For every run the class of every cluster that has one.
        scores: For every run and video the fractions of :data:`METRICS`, NaN of a video without true frames.
        warnings: What was found to be degenerate, by seed.
    """

    seeds: Sequence[int]
    names: Sequence[str]
    classes: Mapping[int, str]
    target: Sequence[Labels] | None
    labels: Sequence[Sequence[Labels]]
    mappings: Sequence[Mapping[int, int]]
    scores: Sequence[Sequence[Mapping[str, float]]]
    warnings: Mapping[int, str]

    def mean(self, video: int, metric: str = "MoF") -> float:
        """A video's score, its mean over the runs; NaN where there is none."""
        values = [run[video][metric] for run in self.scores]
        return math.fsum(values) / len(values) if values else math.nan

    def worst_first(self) -> list[int]:
        """Videos in the order of their mean share of right frames; as they are without ground truth."""
        if self.target is None:
            return list(range(len(self.names)))
        return sorted(range(len(self.names)), key=lambda i: (math.isnan(self.mean(i)), self.mean(i)))


def score_runs(runs: Sequence[Run]) -> Scored | None:
    """Match the clusters of every run, one matching of all its videos, and score every video with it.

    Args:
        runs: The runs of an activity; those that kept no segments, or of other videos than the first, are left out.

    Returns:
        The scores; ``None`` where no run kept segments.
    """
    kept = [(run.seed, run.segments) for run in runs if run.segments is not None]
    if not kept:
        return None
    first = kept[0][1]
    names = [video.name for video in first.videos]
    kept = [(seed, found) for seed, found in kept if [video.name for video in found.videos] == names]
    truth = [from_runs(video.target) for video in first.videos if video.target is not None]
    target = [row.numpy() for row in truth] if len(truth) == len(names) and any((t >= 0).any() for t in truth) else None
    labels, scores, degenerate = [], [], {}
    mappings: list[Mapping[int, int]] = []
    for seed, found in kept:
        clusters = [from_runs(video.labels) for video in found.videos]
        if text := _degenerate(clusters, found):
            degenerate[seed] = text
        if target is None:
            labels.append([row.numpy() for row in clusters])
            mappings.append({k: k for k in range(found.n_actions)})
            continue
        matching = match(clusters, target, found.n_actions, ignore_labels=(-1,))
        matched = matching.apply(clusters)
        labels.append(matched)
        mappings.append(matching.mappings[""])
        scores.append([_score(pair) for pair in read_pairs(matched, target, (-1,))])
    rows = labels if target is None else [target, *labels]
    present = np.unique(np.concatenate([row for run in rows for row in run]))
    known = [first.classes[k] if k < len(first.classes) else str(k) for k in range(1 + max(0, int(present.max())))]
    classes = {int(k): f"action {k}" if target is None else known[k] for k in present if k >= 0}
    return Scored([seed for seed, _ in kept], names, classes, target, labels, mappings, scores, degenerate)


def _score(pair: Video) -> dict[str, float]:
    if not pair.kept.any():
        return dict.fromkeys(METRICS, math.nan)
    return dict(zip(METRICS, (mof_of([pair]), f1_of([pair], (0.5,))[0], edit_of([pair])), strict=True))


def _degenerate(clusters: Sequence[torch.Tensor], found: Segments) -> str:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_if_degenerate(clusters, found.n_actions)
    return " ".join(str(warning.message) for warning in caught)
