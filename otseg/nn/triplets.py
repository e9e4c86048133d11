"""The triplet loss of FIS-OT: frames with alike affinities are drawn together, half-alike ones apart."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otseg import checks
from otseg.nn._vectors import vectors, zero_padding
from otseg.ops.unit import unit


def affinity_triplet_loss(
    embeddings: Float[Tensor, "B N D"],
    mask: Bool[Tensor, "B N"],
    *,
    n_actions: int,
    mix: float | Float[Tensor, ""] = 0.5,
    bandwidth: float = 0.1,
    margin: float = 1.0,
) -> Float[Tensor, ""]:
    r"""Triplet loss between the frames' distributions of affinity over their sequence.

    Every frame has a distribution over the :math:`n` frames of its sequence, near in time and alike in features,

    .. math::

        f_i = \mathrm{mix}\, \frac{t_i}{|t_i|_1} + (1 - \mathrm{mix})\, \frac{s_i}{|s_i|_1}, \qquad
        t_{ij} = \big(2 \cdot 2^{-|i - j| / \ell} - 1\big)_+, \quad
        s_{ij} = e^{-(1 - \cos(z_i, z_j)) / h}, \qquad \ell = \frac{n}{2 K}

    so that the temporal part reaches half an equal share of an action. With :math:`+` the 5 % of frames of the highest
    :math:`f_{ij}` and :math:`-` the others between mean and mean plus standard deviation of :math:`f_i`,

    .. math::

        L = \frac1B \sum_b \frac1{n_b} \sum_i \Big(
        \frac1{n_b} \operatorname*{mean}_{p \in +} \mathrm{KL}(f_i \mid f_p)
        - \frac1{n_b} \operatorname*{mean}_{q \in -} \mathrm{KL}(f_i \mid f_q) + \mathrm{margin} \Big)_+

    Where no frame is half-alike, :math:`-` are the more alike ones, or else the less alike ones, that are not in
    :math:`+`; a frame that finds none adds nothing. Differentiable in embeddings and mix; the choice of the
    frames is held fixed. O(BN^2(N + D)) time, O(BN^2) memory: meant for the few hundred frames that training draws.
    Half precision, and autocast, are computed in float32.

    Args:
        embeddings: Embeddings of the frames, in the order of time; their lengths do not matter.
        mask: True on real frames, at least one per sequence.
        n_actions: Number of actions K, which sets the reach of the temporal part.
        mix: Share of the temporal part, strictly between 0 and 1: a number, or a scalar tensor to learn it.
        bandwidth: Scale :math:`h` of the cosine distance, above 0.
        margin: How much closer the alike frames should be, in nats per frame of the sequence, at least 0.

    Returns:
        The loss, at least 0.

    Raises:
        ValueError: If a shape or a value is wrong.

    Note:
        FIS-OT draws a fifth of the frames, and one :math:`p` and one :math:`q` for each. Here every frame counts,
        and divergences are averaged over all frames that it could have drawn: the expectation of the drawn loss
        wherever the margin is not met, without its noise. The division by the number of frames is that of the
        released code. Without it the divergences are so large that a margin of 1 is met from the start.

    Example:
        >>> frames = torch.randn(2, 40, 8)
        >>> loss = affinity_triplet_loss(frames, torch.ones(2, 40, dtype=torch.bool), n_actions=4)
        >>> bool(loss >= 0)
        True

    References:
        :cite:`peng2026fisot`, the enhancement of features.
    """
    embeddings = zero_padding("embeddings", vectors("embeddings", embeddings, "B N D"), mask)
    checks.number("n_actions", n_actions, 1, integer=True)
    checks.number("bandwidth", bandwidth, 0, open_low=True)
    checks.number("margin", margin, 0)
    if not isinstance(mix, Tensor):
        checks.number("mix", mix, 0, open_low=True)
        checks.require(mix < 1, "mix", "below 1", mix)
        mix = embeddings.new_tensor(mix)
    with torch.autocast(device_type=embeddings.device.type, enabled=False):
        log_f = _log_affinity(unit(embeddings), mask, n_actions, mix.to(embeddings), bandwidth)
        pair = mask.unsqueeze(2) & mask.unsqueeze(1)
        f = log_f.exp() * pair
        divergence = (f * log_f).sum(dim=2, keepdim=True) - f @ log_f.mT  # (B, N, N), KL(f_i | f_j)
        alike, apart = _triplets(f.detach(), mask)
        n = mask.sum(dim=1, keepdim=True)
        rise = (_mean(divergence, alike) - _mean(divergence, apart)) / n + margin
        found = alike.any(dim=2) & apart.any(dim=2)
        return ((rise.relu() * found).sum(dim=1) / n.squeeze(1)).mean()


def _log_affinity(z: Tensor, mask: Tensor, n_actions: int, mix: Tensor, bandwidth: float) -> Tensor:
    """``log f``, ``(B, N, N)``; 0 wherever one of the two frames is padding."""
    pair = mask.unsqueeze(2) & mask.unsqueeze(1)
    frame = torch.arange(mask.shape[1], device=mask.device)
    distance = (frame.unsqueeze(1) - frame).abs().to(z.dtype)
    half_life = mask.sum(dim=1).to(z.dtype)[:, None, None] / (2 * n_actions)
    time = (2 * torch.exp2(-distance / half_life) - 1).relu() * pair
    time = time / torch.where(mask.unsqueeze(2), time.sum(dim=2, keepdim=True), 1)
    lowest = torch.finfo(z.dtype).min  # not -inf, whose differences are NaN
    looks = ((z @ z.mT - 1) / bandwidth).masked_fill(~pair, lowest).log_softmax(dim=2).masked_fill(~pair, 0)
    # In the log domain: the affinity of features may underflow, and its logarithm is needed.
    looks = looks + (1 - mix).log()
    both = torch.logaddexp(torch.where(time > 0, time, 1).log() + mix.log(), looks)
    return torch.where(time > 0, both, looks).masked_fill(~pair, 0)


def _triplets(f: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Which frames are alike to a frame, and which are half-alike or stand in for them, ``(B, N, N)`` each."""
    n = mask.sum(dim=1)[:, None, None]
    itself = torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
    other = mask.unsqueeze(2) & mask.unsqueeze(1) & ~itself
    rank = f.masked_fill(~other, -1).argsort(dim=2, descending=True, stable=True).argsort(dim=2)
    alike = other & (rank < ((n - 1) / 20).ceil())  # 5 % of the others, at least one
    mean = f.sum(dim=2, keepdim=True) / n
    spread = ((f - mean).square() * mask.unsqueeze(1)).sum(dim=2, keepdim=True).div(n).sqrt()
    rest = other & ~alike
    half, more = rest & (f > mean) & (f < mean + spread), rest & (f > mean)
    apart = torch.where(half.any(dim=2, keepdim=True), half, torch.where(more.any(dim=2, keepdim=True), more, rest))
    return alike, apart


def _mean(x: Tensor, chosen: Tensor) -> Tensor:
    """Mean of the chosen entries of every row, ``(B, N)``; 0 where none is chosen."""
    return (x * chosen).sum(dim=2) / chosen.sum(dim=2).clamp(min=1)
