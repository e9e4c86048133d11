"""Neighbor graphs of frames, and how far embeddings are from the geometry along their edges."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from otseg import checks
from otseg.ops.unit import unit

#: Largest number of entries of a tensor of candidates.
CHUNK = 2**24


@dataclass(frozen=True, eq=False)
class NeighborGraph:
    """The nearest neighbors of every frame, in features and time.

    Attributes:
        neighbors: Frames at the other ends of the edges of each frame, best first.
        weights: Weight of each edge; those of a real frame sum to 1 (0 if it has no neighbor), those of padding are 0.
        similarity: Cosine of the features at both ends, the geometry to keep.
        mask: True on real frames.
    """

    neighbors: Int[Tensor, "B N k"]
    weights: Float[Tensor, "B N k"]
    similarity: Float[Tensor, "B N k"]
    mask: Bool[Tensor, "B N"]

    def energy(self, embeddings: Float[Tensor, "B N E"]) -> Float[Tensor, ""]:
        r"""Mean squared change of the cosine along the edges.

        .. math::

            E(R) = \frac1B \sum_b \frac1{n_b} \sum_i \sum_{j \in N(i)} w_{ij}
            \big(\cos(r_i, r_j) - \cos(f_i, f_j)\big)^2

        It is 0 where the embeddings ``r`` have the local geometry of the features ``f`` that the graph was made of. A
        graph Laplacian's energy, :math:`\sum w_{ij} |r_i - r_j|^2`, is least where all embeddings of a component
        are equal: it asks for a collapse, this one does not. O(B N k E) time and memory. Differentiable in the
        embeddings.
        """
        directions = unit(embeddings.masked_fill(~self.mask.unsqueeze(2), 0))
        batch, size, width = self.neighbors.shape
        index = self.neighbors.reshape(batch, size * width, 1).expand(-1, -1, directions.shape[2])
        near = directions.gather(1, index).reshape(batch, size, width, -1)  # (B, N, k, E)
        cosine = (near * directions.unsqueeze(2)).sum(dim=3)
        per_sequence = (self.weights * (cosine - self.similarity) ** 2).sum(dim=(1, 2)) / self.mask.sum(dim=1)
        energy: Tensor = per_sequence.mean()
        return energy


@torch.no_grad()
def neighbor_graph(
    features: Float[Tensor, "B N D"],
    mask: Bool[Tensor, "B N"] | None = None,
    *,
    n_neighbors: int = 8,
    bandwidth: float = 0.1,
    duration: float = 0.1,
) -> NeighborGraph:
    r"""Graph of the k nearest frames of each frame, by an affinity of features and time.

    .. math::

        w_{ij} \propto \exp\Big(-\frac{1 - \cos(f_i, f_j)}{\mathrm{bandwidth}}
        - \frac{|i - j|}{n \cdot \mathrm{duration}}\Big), \qquad j \ne i

    with ``n`` the real frames of the sequence. The features are constants. O(B N^2 D) time for the search, in chunks
    of frames, O(B N k) memory for the graph.

    Args:
        features: Features of the frames.
        mask: True on real frames; all frames if ``None``.
        n_neighbors: Edges of each frame; fewer in sequences with fewer other frames.
        bandwidth: Scale of the cosine distance, above 0.
        duration: Scale of the distance in time, as a fraction of the sequence, above 0; ``inf`` ignores time.

    Example:
        >>> features = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]])
        >>> neighbor_graph(features, n_neighbors=1, duration=float("inf")).neighbors[0, :, 0]
        tensor([2, 3, 0, 1])
    """
    features = checks.tensor("features", features, "B N D")
    checks.number("n_neighbors", n_neighbors, 1, integer=True)
    checks.number("bandwidth", bandwidth, 0, open_low=True)
    checks.number("duration", duration, 0, open_low=True)
    mask = torch.ones_like(features[:, :, 0], dtype=torch.bool) if mask is None else mask
    checks.mask("mask", mask, "features", features)
    directions = unit(features.masked_fill(~mask.unsqueeze(2), 0))
    frame = torch.arange(features.shape[1], device=features.device)
    scale = duration * mask.sum(dim=1)[:, None, None]  # (B, 1, 1) frames
    size = max(1, CHUNK // (features.shape[0] * features.shape[1]))
    found = []
    for rows in torch.split(frame, size):
        similarity = directions[:, rows] @ directions.mT  # (B, rows, N)
        apart = (frame - rows[:, None]).abs()
        score = (similarity - 1) / bandwidth - apart / scale
        candidate = mask[:, rows].unsqueeze(2) & mask.unsqueeze(1) & (apart > 0)
        score, neighbors = score.masked_fill(~candidate, -torch.inf).topk(min(n_neighbors, len(frame)), dim=2)
        found.append((neighbors, score, similarity.gather(2, neighbors)))
    neighbors, score, similarity = (torch.cat(parts, dim=1) for parts in zip(*found, strict=True))
    best = score[:, :, :1]
    weights = torch.exp(score - torch.where(torch.isfinite(best), best, 0))  # 0 where there is no edge
    total = weights.sum(dim=2, keepdim=True)
    return NeighborGraph(neighbors, weights / torch.where(total > 0, total, 1), similarity, mask)
