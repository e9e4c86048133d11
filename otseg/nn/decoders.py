"""Decoders: from the frames of a sequence to embeddings of its segments."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from otseg import checks
from otseg.nn._vectors import zero_padding


class RelativePositions(nn.Module):
    r"""Learned positions of frames, for sequences of any length.

    .. math::

        p(t) = W \big(\sin \pi t, \cos \pi t, \ldots, \sin M \pi t, \cos M \pi t\big)^\top, \qquad
        t_n = \frac{n + 1/2}{N}

    with :math:`N` the real frames of the sequence: a position is a share of the sequence, so that there is no table,
    no longest sequence, and no effect of padding. O(NMD) time, O(N(M + D)) memory per sequence.

    Args:
        dim: Dimension ``D`` of the embeddings.
        n_harmonics: Number of frequencies ``M``; the finest has ``M / 2`` periods over the sequence.

    Example:
        >>> RelativePositions(40)(torch.ones(2, 100, dtype=torch.bool)).shape
        torch.Size([2, 100, 40])
    """

    def __init__(self, dim: int, n_harmonics: int = 16) -> None:
        super().__init__()
        checks.number("n_harmonics", n_harmonics, 1, integer=True)
        self.n_harmonics = n_harmonics
        self.linear = nn.Linear(2 * n_harmonics, dim, bias=False)

    def forward(self, mask: Bool[Tensor, "B N"]) -> Float[Tensor, "B N D"]:
        """Positions of the frames; what stands on masked ones does not count."""
        dtype = self.linear.weight.dtype
        frame = torch.arange(mask.shape[1], device=mask.device, dtype=dtype) + 0.5
        time = frame / mask.sum(dim=1, keepdim=True)  # (B, N)
        harmonic = torch.arange(1, self.n_harmonics + 1, device=mask.device, dtype=dtype)
        angle = math.pi * time.unsqueeze(2) * harmonic  # (B, N, M)
        positions: Tensor = self.linear(torch.cat([angle.sin(), angle.cos()], dim=2))
        return positions


class ParallelDecoder(nn.Module):
    """Embeddings of the segments of a sequence, all at once: learned queries that attend to each other and to frames.

    A transformer decoder as in DETR and FUTR, without causal mask: layers of self-attention of the queries,
    cross-attention to the frames, and a perceptron, each with a residual and a layer normalization after it, and a
    last normalization. :class:`RelativePositions` are added to the frames first, hence to keys and values.

    O(B M (N + M) D) time per layer for ``M`` queries, and as much memory as torch's attention: O(B (N + M) D) with its
    fused kernels.

    Args:
        dim: Dimension ``D`` of frames and segments, a multiple of ``n_heads``.
        n_queries: Number of segments ``M``.
        n_layers: Number of layers.
        n_heads: Heads of each attention.
        n_hidden: Units of the perceptron of each layer; ``4 dim`` if ``None``.
        dropout: Share of units that are dropped in training, in [0, 1].

    Raises:
        ValueError: If a size is not positive or ``dim`` is no multiple of ``n_heads``.

    Note:
        CLOT's released decoder has a position table of 3000 frames, which is sliced along the wrong axis, and no
        example of its use. Its learned query positions are one parameter with the learned queries here.

    Example:
        >>> decoder = ParallelDecoder(dim=40, n_queries=6)
        >>> decoder(torch.randn(2, 500, 40)).shape
        torch.Size([2, 6, 40])

    References:
        :cite:`buenobenito2025clot`; :cite:`carion2020detr` (parallel decoding); :cite:`gong2022futr` (for actions).
    """

    def __init__(
        self,
        dim: int,
        n_queries: int,
        *,
        n_layers: int = 2,
        n_heads: int = 4,
        n_hidden: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        checks.number("dim", dim, 1, integer=True)
        checks.number("n_queries", n_queries, 1, integer=True)
        checks.number("n_layers", n_layers, 1, integer=True)
        checks.number("n_heads", n_heads, 1, integer=True)
        checks.require(dim % n_heads == 0, "dim", f"a multiple of n_heads = {n_heads}", dim)
        n_hidden = 4 * dim if n_hidden is None else n_hidden
        checks.number("n_hidden", n_hidden, 1, integer=True)
        checks.number("dropout", dropout, 0, 1)
        self.queries = nn.Parameter(torch.randn(n_queries, dim))
        self.positions = RelativePositions(dim)
        layer = nn.TransformerDecoderLayer(dim, n_heads, n_hidden, dropout, batch_first=True)
        self.layers = nn.TransformerDecoder(layer, n_layers, norm=nn.LayerNorm(dim))

    def forward(
        self, features: Float[Tensor, "B N D"], mask: Bool[Tensor, "B N"] | None = None
    ) -> Float[Tensor, "B M D"]:
        """Embeddings of the segments, each of mean 0 and variance 1 at the start of training.

        Args:
            features: Embeddings of the frames.
            mask: True on real frames, at least one per sequence; all frames if ``None``.
        """
        features = checks.tensor("features", features, "B N D")
        checks.shape("features", features, (*features.shape[:2], self.queries.shape[1]), "(B, N, D)")
        features = zero_padding("features", features, mask)
        real = torch.ones_like(features[:, :, 0], dtype=torch.bool) if mask is None else mask
        queries = self.queries.expand(len(features), -1, -1)
        segments: Tensor = self.layers(
            queries, features + self.positions(real), memory_key_padding_mask=None if mask is None else ~mask
        )
        return segments
