"""From clusters of single videos to actions that videos share."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from otseg import checks
from otseg.models._sequences import kmeans, read_sequences, relative_time, split_like, with_time


def link_videos(
    sequences: Sequence[Float[Tensor, "_ D"]],
    labels: Sequence[Int[Tensor, " _"]],
    n_actions: int,
    *,
    time_weight: float = 0.0,
    generator: torch.Generator | None = None,
) -> list[Int[Tensor, " _"]]:
    r"""Give clusters that were found in each video alone labels that are comparable among videos.

    Each cluster of each video is one point, the mean of its frames, that weighs as many as it has; k-means puts these
    points into K actions. Two clusters of a video may become one action.

    Time :math:`O(M D + S K D)` for M frames and S clusters in all, memory :math:`O(M D)`.

    Args:
        sequences: Features of every sequence.
        labels: Cluster of every frame, numbered in each sequence by itself, such as from
            :func:`~otseg.models.ward_segments`; none negative.
        n_actions: Number of actions, at most the number of clusters of all sequences.
        time_weight: Weight of the mean time of a cluster against its features, see
            :func:`~otseg.models.kmeans_frames`.
        generator: Seeds the k-means.

    Returns:
        The action of every frame, one tensor per sequence.

    Example:
        >>> x = torch.tensor([0.0, 0.0, 5.0, 5.0, 0.1])[:, None]
        >>> found = link_videos([x, x.flip(0)], ward_segments([x, x.flip(0)], 3), 2)
        >>> (found[0] == found[0][0]).tolist(), torch.equal(found[0], found[1].flip(0))
        ([True, True, False, False, True], True)
    """
    checks.number("time_weight", time_weight, 0)
    frames = read_sequences(sequences, n_actions)
    checks.require(len(labels) == len(frames), "labels", f"of {len(frames)} sequences", len(labels))
    cluster, total = [], 0
    for i, (x, own) in enumerate(zip(frames, labels, strict=True)):
        integers = isinstance(own, Tensor) and not own.is_floating_point() and own.dtype != torch.bool
        found = checks.describe(own)
        checks.require(integers, f"labels[{i}]", "a tensor of integers", found, error=TypeError)
        checks.shape(f"labels[{i}]", own, (len(x),), "(N,)")
        checks.require(bool((own >= 0).all()), f"labels[{i}]", "at least 0", int(own.min()))
        kinds, inverse = torch.unique(own.to(x.device), return_inverse=True)
        cluster.append(inverse + total)
        total += len(kinds)
    fix = "Ask for fewer actions, or give more clusters per sequence."
    checks.require(n_actions <= total, "n_actions", f"at most the {total} clusters of all sequences", n_actions, fix)
    member = torch.cat(cluster)  # (M,)
    sizes = member.bincount(minlength=total).double()
    features, time = torch.cat(frames), relative_time(frames)
    means = features.new_zeros(total, features.shape[1]).index_add_(0, member, features) / sizes[:, None]
    if time_weight > 0:
        means = with_time(means, time.new_zeros(total).index_add_(0, member, time) / sizes, time_weight)
    action = kmeans(means, n_actions, generator, sizes).to(member.device)
    return split_like(action[member], sequences)
