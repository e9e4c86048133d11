"""Cross-attention of frames to segments: every frame gathers the segments that it resembles."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from otseg.nn._vectors import same_space, scalar, vectors, zero_padding
from otseg.ops.unit import unit
from otseg.types import PerProblem


def cross_attention(
    features: Float[Tensor, "B N D"],
    segments: Float[Tensor, "B M D"],
    *,
    temperature: PerProblem = 1.0,
    mask: Bool[Tensor, "B N"] | None = None,
    segment_mask: Bool[Tensor, "B M"] | None = None,
    normalize: bool = False,
) -> Float[Tensor, "B N D"]:
    r"""Adds to every frame a mean of the segments, weighted by a softmax of how much it resembles them.

    .. math::  F_R = F + \mathrm{softmax}\Big(\frac{F S^\top}{\mathrm{temperature}\,\sqrt{D}}\Big) S

    Nothing is learned here: no projections, one head. O(BNMD) time; memory is that of torch's
    ``scaled_dot_product_attention``, O(BND) with its fused kernels and O(BNM) without. Differentiable in every tensor;
    torch's fused kernels have no second derivative, the others have
    (``torch.nn.attention.sdpa_kernel(SDPBackend.MATH)``). Half precision, and autocast, are computed in float32.

    Args:
        features: Features of the frames.
        segments: Embeddings of the segments of each sequence, such as the output of a decoder.
        temperature: Of the softmax, above 0: a number, a scalar tensor or one value per sequence ``(B,)``.
        mask: True on real frames; all frames if ``None``.
        segment_mask: True on real segments; all segments if ``None``. Masked segments get no weight, and a sequence
            without a real segment keeps its frames as they are.
        normalize: Whether to scale the result to length 1, as the released code does. The paper's formula has no such
            step, and a cosine cost does it anyway.

    Returns:
        The refined frames; 0 on masked ones.

    Raises:
        TypeError: If a tensor has the wrong type or dtype.
        ValueError: If a shape, a device or a value is wrong.

    Example:
        >>> frames, segments = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]), torch.eye(2)[None]
        >>> otseg.nn.cross_attention(frames, segments, temperature=0.001)
        tensor([[[2., 0.],
                 [0., 2.]]])

    References:
        :cite:`buenobenito2025clot`, the refinement of frames; :cite:`vaswani2017attention`, Eq. 1.
    """
    features = vectors("features", features, "B N D")
    segments = vectors("segments", segments, "B M D")
    same_space("segments", segments, features)
    temperature = scalar("temperature", temperature, features, low=0)
    features = zero_padding("features", features, mask)
    segments = zero_padding("segments", segments, segment_mask, "segment_mask")
    if segment_mask is not None:
        # Where no segment is real all are attended to: they are 0, and add 0. An empty softmax is NaN in torch 2.4.
        segment_mask = (segment_mask | ~segment_mask.any(dim=1, keepdim=True))[:, None, None]  # (B, 1, 1, M)
    query, key = (features / temperature).unsqueeze(1), segments.unsqueeze(1)  # one head: fused kernels want its axis
    with torch.autocast(device_type=features.device.type, enabled=False):
        gathered = functional.scaled_dot_product_attention(query, key, key, attn_mask=segment_mask).squeeze(1)
        refined = features + gathered
        return zero_padding("features", unit(refined) if normalize else refined, mask)
