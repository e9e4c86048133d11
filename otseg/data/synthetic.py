"""Synthetic activities: videos of people who do the same actions, in similar orders, at their own pace."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from otseg import checks
from otseg.data.dataset import SequenceDataset
from otseg.data.sequence import Sequence
from otseg.data.signal import draw_features


def make_activity(
    n_sequences: int = 20,
    n_actions: int = 6,
    n_features: int = 32,
    *,
    n_frames: tuple[int, int] = (200, 400),
    order_variation: float = 0.0,
    repeat_probability: float = 0.0,
    skip_probability: float = 0.0,
    duration_tail: float = 0.5,
    background: float = 0.0,
    difficulty: float = 0.5,
    noise_correlation: float = 0.9,
    video_offset: float = 0.5,
    generator: torch.Generator | None = None,
) -> SequenceDataset:
    """Draw the videos of one activity, with the true action of every frame.

    Args:
        n_sequences: Number of videos.
        n_actions: Number of actions ``K``.
        n_features: Number of features ``D``.
        n_frames: Least and largest number of frames of a video; the length is uniform between them.
        order_variation: From 0 (always the order 0, 1, ...) to 1 (any order, all equally likely).
        repeat_probability: Probability that an action of a video occurs in it once more.
        skip_probability: Probability that an action is left out; one at least remains.
        duration_tail: Standard deviation of the logarithm of a segment's share of the video, half of its
            variance between actions and half between segments; 0 makes all segments equally long.
        background: Fraction of the frames, in [0, 1), that belong to no action (label -1), spread over
            segments before, between and after the actions.
        difficulty: From 0 (easy) to 1 (hard), see ``otseg.data.signal.draw_features``.
        noise_correlation: Correlation of the noise of neighboring frames, in [0, 1).
        video_offset: Size of the offset of each video in units of the means of the actions.
        generator: Source of randomness; torch's own if ``None``.

    Returns:
        Data set in memory. No two neighboring segments have the same action.

    Raises:
        ValueError: If a value is out of range, or the shortest video has fewer frames than segments.

    Example:
        >>> data = make_activity(n_sequences=3, n_actions=4, generator=torch.Generator().manual_seed(0))
        >>> data[0].labels.unique_consecutive()
        tensor([0, 1, 2, 3])
    """
    checks.number("n_sequences", n_sequences, low=1, integer=True)
    checks.number("n_actions", n_actions, low=1, integer=True)
    for name, value in (
        ("order_variation", order_variation),
        ("repeat_probability", repeat_probability),
        ("skip_probability", skip_probability),
    ):
        checks.number(name, value, low=0.0, high=1.0)
    checks.number("duration_tail", duration_tail, low=0.0)
    checks.number("background", background, low=0.0, high=1.0)
    low, high = n_frames
    most = n_actions * (2 if repeat_probability else 1)
    fix = "Ask for longer videos, fewer actions or less background."
    enough = most <= low - round(background * low) and low <= high
    checks.require(enough, "n_frames", f"(low, high) with room for {most} segments", n_frames, fix)

    pace = torch.randn(n_actions, generator=generator)
    labels = []
    for _ in range(n_sequences):
        transcript = _draw_transcript(n_actions, order_variation, repeat_probability, skip_probability, generator)
        n = int(torch.randint(low, high + 1, (), generator=generator))
        n_background = round(background * n)
        own = torch.randn(len(transcript), generator=generator)
        shares = torch.exp(duration_tail * (pace[transcript] + own) / 2**0.5)  # (S,)
        durations = 1 + _apportion(shares, n - n_background - len(transcript))
        gaps = _apportion(torch.rand(len(transcript) + 1, generator=generator), n_background)  # (S + 1,)
        segments = [torch.full((int(gaps[0]),), -1)]
        for k, duration, gap in zip(transcript, durations, gaps[1:], strict=True):
            segments += [k.expand(int(duration)), torch.full((int(gap),), -1)]
        labels.append(torch.cat(segments))
    features = draw_features(
        labels,
        n_actions,
        n_features,
        difficulty=difficulty,
        noise_correlation=noise_correlation,
        video_offset=video_offset,
        generator=generator,
    )
    videos = zip(features, labels, strict=True)
    return SequenceDataset(
        sources=[Sequence(x, y, name=f"video_{i:03d}") for i, (x, y) in enumerate(videos)],
        class_names=[f"action_{k}" for k in range(n_actions)],
        actions={"": n_actions},
    )


def _draw_transcript(
    n_actions: int,
    order_variation: float,
    repeat_probability: float,
    skip_probability: float,
    generator: torch.Generator | None,
) -> Int[Tensor, " S"]:
    """The actions of one video in order."""
    jitter, skip, repeat = torch.rand(3, n_actions, generator=generator)
    key = (1 - order_variation) * torch.arange(n_actions) / n_actions + order_variation * jitter
    kept = skip >= skip_probability
    kept[skip.argmax()] = True
    transcript = [k for k in key.argsort().tolist() if kept[k]]
    for k in list(transcript):
        free = [
            i for i in range(len(transcript) + 1) if k not in transcript[max(i - 1, 0) : i + 1]
        ]  # where neither neighbor is k
        if free and repeat[k] < repeat_probability:
            transcript.insert(free[int(torch.randint(len(free), (), generator=generator))], k)
    return torch.tensor(transcript)


def _apportion(shares: Float[Tensor, " S"], total: int) -> Int[Tensor, " S"]:
    """Whole numbers in proportion to ``shares`` that add up to ``total``."""
    ends = (shares.double().cumsum(0) / shares.double().sum() * total).round().long()
    return ends.diff(prepend=torch.zeros(1, dtype=torch.int64))
