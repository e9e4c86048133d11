"""The temporal coherence loss of TOT: frames that are near in time should be near each other, others not."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otseg import checks
from otseg.nn._vectors import vectors, zero_padding
from otseg.ops.unit import unit


def temporal_coherence_loss(
    embeddings: Float[Tensor, "B N D"],
    mask: Bool[Tensor, "B N"],
    *,
    radius: int | float = 1 / 32,
    temperature: float = 0.1,
) -> Float[Tensor, ""]:
    r"""N-pair loss that tells the frames near in time to a frame from all others of its sequence.

    .. math::

        L = \frac1B \sum_b \frac1{n_b} \sum_{i} \frac{1}{|W_i|} \sum_{p \in W_i}
        - \log \frac{e^{s_{ip}}}{e^{s_{ip}} + \sum_{j : |i - j| > r} e^{s_{ij}}}, \qquad
        W_i = \{p : 0 < |i - p| \le r\}, \quad s_{ij} = \frac{\cos(z_i, z_j)}{\mathrm{temperature}}

    A mean over the real frames of a sequence, then over sequences. A frame without a neighbor adds nothing, nor does
    one without a frame farther away. O(BN(N + D)) time, O(BN^2) memory: meant for the few hundred frames that training
    draws. Half precision, and autocast, are computed in float32.

    Args:
        embeddings: Embeddings of the frames, in the order of time; their lengths do not matter.
        mask: True on real frames, at least one per sequence.
        radius: How far near reaches to each side: a float in (0, 1] is a fraction of the sequence's own length, at
            least one frame; an int is frames.
        temperature: Scale of the similarities, above 0.

    Returns:
        The loss, in nats, at least 0.

    Raises:
        ValueError: If a shape or a value is wrong.

    Note:
        TOT draws frames, one near partner for each, and tells it from the partners of the others; its released code
        calls near what falls into the same of 32 equal parts of the video. Here nothing is drawn: every frame meets
        every partner that it could have drawn, and a window around it has no borders that cut neighbors apart.

    Example:
        >>> frames = torch.eye(2)[[0, 0, 0, 1, 1, 1]].unsqueeze(0)
        >>> mask = torch.ones(1, 6, dtype=torch.bool)
        >>> ordered = temporal_coherence_loss(frames, mask, radius=1)
        >>> bool(ordered < temporal_coherence_loss(frames[:, [0, 3, 1, 4, 2, 5]], mask, radius=1))
        True

    References:
        :cite:`kumar2022tot`, the temporal coherence loss; :cite:`sohn2016npair`, the N-pair loss.
    """
    embeddings = zero_padding("embeddings", vectors("embeddings", embeddings, "B N D"), mask)
    reach = _reach(radius, mask)
    checks.number("temperature", temperature, 0, open_low=True)
    with torch.autocast(device_type=embeddings.device.type, enabled=False):
        z = unit(embeddings)
        similarity = z @ z.mT / temperature  # (B, N, N)
        frame = torch.arange(mask.shape[1], device=mask.device)
        distance = (frame.unsqueeze(1) - frame).abs()
        pair = mask.unsqueeze(2) & mask.unsqueeze(1)
        near = pair & (distance > 0) & (distance <= reach[:, None, None])
        far = pair & (distance > reach[:, None, None])
        # The lowest number, not -inf: a frame from which none is far has a zero gradient then, and not NaN.
        lowest = torch.finfo(similarity.dtype).min
        others = similarity.masked_fill(~far, lowest).logsumexp(dim=2, keepdim=True)
        loss = -torch.nn.functional.logsigmoid(similarity - others)
        per_frame = (loss * near).sum(dim=2) / near.sum(dim=2).clamp(min=1)
        return (per_frame.sum(dim=1) / mask.sum(dim=1)).mean()


def _reach(radius: int | float, mask: Tensor) -> Tensor:
    """Frames to each side, ``(B,)``."""
    length = mask.sum(dim=1)
    if isinstance(radius, int):
        checks.number("radius", radius, 1, integer=True, fix="Write 0.04 for 4 % of the sequence.")
        return torch.full_like(length, radius)
    checks.number("radius", radius, 0, 1, open_low=True, fix="Write 5 for five frames.")
    return (length * torch.tensor(radius, dtype=torch.float64)).floor().long().clamp(min=1)
