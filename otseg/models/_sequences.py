"""What the baselines share: sequences that were checked, their frames together, their time, and a seed."""

from collections.abc import Sequence

import torch
from torch import Tensor

from otseg import checks


def read_sequences(sequences: Sequence[Tensor], n_actions: int, least: int = 0) -> list[Tensor]:
    """The sequences in float64, checked: ``(N_i, D)`` with one D and device, finite, at least one frame each.

    Labels do not carry a dtype, so the baselines compute in float64 whatever they are given.

    Args:
        sequences: What the caller gave.
        n_actions: Number of actions, at most the number of frames together.
        least: Number of frames that every sequence must have.
    """
    checks.require(len(sequences) > 0, "sequences", "at least one sequence", "none")
    for i, x in enumerate(sequences):
        name = f"sequences[{i}]"
        checks.tensor(name, x, "N D")
        checks.require(min(x.shape) > 0, name, "of at least one frame and one feature", checks.describe(x))
        checks.like(name, x, "sequences[0]", sequences[0])
        same = x.shape[1] == sequences[0].shape[1]
        checks.require(same, name, f"of {sequences[0].shape[1]} features per frame, as sequences[0]", x.shape[1])
        checks.finite(name, x)
    total = sum(len(x) for x in sequences)
    checks.number("n_actions", n_actions, 1, total, integer=True, fix="Every action takes a frame.")
    for i, x in enumerate(sequences):
        fix = "Every action takes a frame of every sequence: leave short sequences out, or ask for fewer actions."
        checks.require(len(x) >= least, f"sequences[{i}]", f"of at least {least} frames", len(x), fix)
    return [x.detach().double() for x in sequences]


def relative_time(sequences: Sequence[Tensor]) -> Tensor:
    """Midpoint of every frame's slot over the length of its sequence, of all sequences one after the other."""
    return torch.cat([(torch.arange(len(x), device=x.device).double() + 0.5) / len(x) for x in sequences])


def split_like(values: Tensor, sequences: Sequence[Tensor]) -> list[Tensor]:
    """Values of all frames, one after the other, as one tensor per sequence on the device of the sequences."""
    return list(torch.split(values.to(sequences[0].device), [len(x) for x in sequences]))


def draw_seed(generator: torch.Generator | None) -> int:
    """A seed for scikit-learn."""
    return int(torch.randint(2**31 - 1, (), generator=generator, device=generator.device if generator else "cpu"))


def kmeans(points: Tensor, n_clusters: int, generator: torch.Generator | None, weights: Tensor | None = None) -> Tensor:
    """Cluster of every point, ``(M,)``, by scikit-learn's k-means (best of 10 starts), on the CPU."""
    from sklearn.cluster import KMeans  # only here: it takes as long to import as torch

    means = KMeans(n_clusters, n_init=10, random_state=draw_seed(generator))
    labels = means.fit_predict(points.cpu().numpy(), sample_weight=None if weights is None else weights.cpu().numpy())
    return torch.from_numpy(labels).long()


def with_time(points: Tensor, time: Tensor, weight: float) -> Tensor:
    """The points with their time as one more coordinate, as :func:`otseg.models.kmeans_frames` defines it."""
    spread = (points - points.mean(dim=0)).square().sum(dim=1).mean().sqrt()
    return torch.cat([points, (weight * 12**0.5 * spread * time)[:, None]], dim=1)
