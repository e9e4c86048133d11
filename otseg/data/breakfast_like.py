"""Synthetic videos that follow the statistics of the Breakfast data set; they need no download."""

import json
import math
from functools import cache
from importlib.resources import files
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from otseg import checks
from otseg.data.dataset import SequenceDataset
from otseg.data.sequence import Sequence
from otseg.data.signal import draw_features


@cache
def breakfast_statistics() -> dict[str, Any]:
    """Statistics of the labels of Breakfast, written by ``benchmarks/breakfast_statistics.py``.

    Returns:
        ``attribution``; ``frames_per_second``; ``quantiles``, the levels of ``n_frames_quantiles``; and, for
        each of the ten ``activities``: ``n_videos``, ``n_frames_quantiles``, ``actions`` (the ``count`` of
        segments of each and the ``mean``, ``min``, ``max``, ``log_mean`` and ``log_std`` of their frames) and
        ``transitions[before][now][after]``, how often an action followed two others (``<start>`` twice before
        the first, ``<end>`` after the last). One camera of each (person, activity) counts.
    """
    text = files("otseg.data").joinpath("breakfast_statistics.json").read_text(encoding="utf-8")
    statistics: dict[str, Any] = json.loads(text)
    return statistics


def breakfast_like(
    activity: str = "coffee",
    n_sequences: int = 20,
    *,
    n_features: int = 64,
    difficulty: float = 0.5,
    frames_scale: float = 1.0,
    noise_correlation: float = 0.9,
    video_offset: float = 0.5,
    generator: torch.Generator | None = None,
) -> SequenceDataset:
    """Draw videos whose actions, their order and their durations follow those of a Breakfast activity.

    The actions of a video are a Markov chain that remembers two actions, with the observed frequencies of
    starting, following and ending. The duration of a segment is log-normal with the mean and deviation observed
    for its action, kept between the shortest and the longest observed. Features are synthetic, see
    ``otseg.data.signal.draw_features``.

    Args:
        activity: One of the ten activities, such as ``"coffee"``.
        n_sequences: Number of videos.
        n_features: Number of features ``D``.
        difficulty: From 0 (easy) to 1 (hard).
        frames_scale: Factor on all durations; 1 gives 15 frames per second, and videos of up to 10 minutes.
        noise_correlation: Correlation of the noise of neighboring frames, in [0, 1).
        video_offset: Size of the offset of each video in units of the means of the actions.
        generator: Source of randomness; torch's own if ``None``.

    Returns:
        Data set in memory, with the names of the actions, ``SIL`` (nothing happens) among them. No two
        neighboring segments have the same action.

    Raises:
        ValueError: If the activity is unknown or a value out of range.

    Example:
        >>> data = breakfast_like("coffee", 2, frames_scale=0.1, generator=torch.Generator().manual_seed(0))
        >>> data.n_actions, data.n_features
        (7, 64)

    References:
        :cite:`kuehne2014language`.
    """
    statistics = breakfast_statistics()["activities"]
    checks.choice("activity", activity, tuple(statistics))
    checks.number("n_sequences", n_sequences, low=1, integer=True)
    checks.number("frames_scale", frames_scale, low=0.0, open_low=True)
    names = list(statistics[activity]["actions"])
    labels = [_draw_labels(statistics[activity], names, frames_scale, generator) for _ in range(n_sequences)]
    features = draw_features(
        labels,
        len(names),
        n_features,
        difficulty=difficulty,
        noise_correlation=noise_correlation,
        video_offset=video_offset,
        generator=generator,
    )
    videos = zip(features, labels, strict=True)
    return SequenceDataset(
        sources=[Sequence(x, y, f"{activity}_{i:03d}", activity) for i, (x, y) in enumerate(videos)],
        class_names=names,
        actions={activity: len(names)},
    )


def _draw_labels(
    statistics: dict[str, Any], names: list[str], frames_scale: float, generator: torch.Generator | None
) -> Int[Tensor, " N"]:
    """The action of every frame of one video."""
    labels: list[Tensor] = []
    before = name = "<start>"
    while True:
        following = statistics["transitions"][before][name]
        counts = torch.tensor([float(count) for count in following.values()])
        before, name = name, list(following)[int(torch.multinomial(counts, 1, generator=generator))]
        if name == "<end>":
            return torch.cat(labels)
        action = statistics["actions"][name]
        log_frames = action["log_mean"] + action["log_std"] * float(torch.randn((), generator=generator))
        frames = min(max(math.exp(log_frames), action["min"]), action["max"])
        labels.append(torch.full((max(1, round(frames_scale * frames)),), names.index(name)))
