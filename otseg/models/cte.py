"""CTE-like baseline: an embedding that tells the relative time, k-means, Gaussians, and the best ordered path."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from otseg import checks
from otseg.decode import order_by_time
from otseg.models._sequences import kmeans, read_sequences, relative_time, split_like
from otseg.models.gaussian_viterbi import decode_frames
from otseg.models.gaussians import Gaussians, variance_floor


def cte(
    sequences: Sequence[Float[Tensor, "_ D"]],
    n_actions: int,
    *,
    n_embedding: int = 20,
    learning_rate: float = 1e-4,
    epochs: int = 60,
    batch_size: int = 256,
    floor: float = 1e-4,
    generator: torch.Generator | None = None,
) -> list[Int[Tensor, " _"]]:
    r"""Segments of the continuous temporal embedding of Kukleva et al.

    A perceptron D - 2e - e - 1 with sigmoids between its layers regresses the relative time of every frame; the e
    numbers before its last sigmoid are the embedding. k-means of all embeddings gives K clusters, one Gaussian each;
    every sequence is the best path through all clusters in the order of their mean time.

    Labels are comparable among sequences. Time :math:`O(M e D)` per epoch for M frames in all and
    :math:`O(M K e^2)` for the Gaussians, memory :math:`O(M (D + e + K))`.

    Args:
        sequences: Features of every sequence, as a rule standardized.
        n_actions: Number of actions, at most the number of frames of every sequence.
        n_embedding: Size e of the embedding.
        learning_rate: Adam's, divided by 10 every 30 epochs; weight decay is 1e-4.
        epochs: Passes over all frames, in random order.
        batch_size: Frames per step.
        floor: Variance added to the Gaussians, in units of the mean variance of an embedding, above 0.
        generator: Draws the initial weights and the order of the frames, and seeds the k-means; on the CPU.

    Returns:
        The action of every frame, one tensor per sequence; action k is the k-th in time.

    Raises:
        ValueError: If a sequence is empty, not finite or too short, or a setting is out of range.

    Note:
        A function and no :class:`~otseg.models.SegmentationModel`: its result is a path, it has no plan to return.
        Departures from the released settings: k-means sees all frames, not mini-batches, the floor of the Gaussians is
        relative, and background is not modeled. The other defaults are Breakfast's. As in the released code the
        embedding is read before its sigmoid, although training sees it after.

    Example:
        >>> x = torch.linspace(0, 1, 40)[:, None] > 0.7
        >>> cte([x.float()], 2, epochs=20, generator=torch.Generator().manual_seed(0))[0].bincount()
        tensor([28, 12])

    References:
        :cite:`kukleva2019cte`.
    """
    for name, value in (("n_embedding", n_embedding), ("epochs", epochs), ("batch_size", batch_size)):
        checks.number(name, value, 1, integer=True)
    for name, real in (("learning_rate", learning_rate), ("floor", floor)):
        checks.number(name, real, 0, open_low=True)
    per_sequence = read_sequences(sequences, n_actions, least=n_actions)
    frames, time = torch.cat(per_sequence).float(), relative_time(per_sequence).float()
    embed = _time_embedding(frames, time, n_embedding, learning_rate, epochs, batch_size, generator)
    with torch.no_grad():
        points = embed(frames).double()
    clusters = kmeans(points, n_actions, generator).to(points.device)
    order = order_by_time(nn.utils.rnn.pad_sequence(split_like(clusters, sequences), True, -1))
    rank = torch.full((n_actions,), -1, device=points.device).scatter(0, order, torch.arange(len(order)).to(order))
    labels = rank[clusters]
    gaussians = Gaussians.fit(points, labels, len(order), floor=variance_floor(points, floor))
    return split_like(decode_frames(gaussians.scores(points), per_sequence, range(len(order))), sequences)


def _time_embedding(
    frames: Tensor,
    time: Tensor,
    size: int,
    learning_rate: float,
    epochs: int,
    batch_size: int,
    generator: torch.Generator | None,
) -> nn.Module:
    """The trained layers up to the embedding."""
    embed = nn.Sequential(
        _linear(frames.shape[1], 2 * size, generator), nn.Sigmoid(), _linear(2 * size, size, generator)
    )
    network = nn.Sequential(embed, nn.Sigmoid(), _linear(size, 1, generator)).to(frames.device)
    adam = torch.optim.Adam(network.parameters(), learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.StepLR(adam, step_size=30, gamma=0.1)
    with torch.enable_grad():
        for _ in range(epochs):
            shuffled = torch.randperm(len(frames), generator=generator).to(frames.device)
            for batch in torch.split(shuffled, batch_size):
                adam.zero_grad(set_to_none=True)
                (network(frames[batch])[:, 0] - time[batch]).square().sum().backward()
                adam.step()
            schedule.step()
    return embed


def _linear(size_in: int, size_out: int, generator: torch.Generator | None) -> nn.Linear:
    """A layer initialized as torch does it, but from the generator."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, size_in, size_out)  # type: ignore[no-untyped-call]
    bound = size_in**-0.5
    for parameter in (layer.weight, layer.bias):
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return layer
