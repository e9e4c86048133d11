"""Losses of a frame encoder that learns from a transport plan."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otseg import checks
from otseg.nn._vectors import vectors, zero_padding
from otseg.ops.unit import unit


def pseudo_label_cross_entropy(
    logits: Float[Tensor, "B N K"], plan: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]
) -> Float[Tensor, ""]:
    r"""Cross-entropy of the frames' predictions against the pseudo-labels of a transport plan.

    .. math::

        L = \frac1B \sum_b \frac1{n_b} \sum_{n \le n_b} - \sum_k T^*_{bnk} \log P_{bnk}, \qquad
        P = \mathrm{softmax}_k(\mathrm{logits}), \qquad T^*_{bn} = \frac{T_{bn}}{\sum_k T_{bnk}}

    A mean over the real frames of a sequence, then over sequences, so that short sequences count as much as long
    ones. No gradient flows into the plan. A frame to which the plan gives no mass adds nothing.

    Args:
        logits: Scores of the actions, such as the cosine of frame and prototype over a temperature.
        plan: Non-negative mass that each frame gives to each action, of any scale.
        mask: True on real frames, at least one per sequence.

    Returns:
        The loss, in nats, at least 0.

    Raises:
        ValueError: If the shapes differ.

    Note:
        Published ASOT averages over padded frames too, and takes the logarithm of ``P + 1e-11``.

    Example:
        >>> plan = torch.tensor([[[0.5, 0.0], [0.0, 0.5]]])
        >>> pseudo_label_cross_entropy(torch.zeros(1, 2, 2), plan, torch.ones(1, 2, dtype=torch.bool))
        tensor(0.6931)

    References:
        :cite:`xu2024asot`, section 3 (the loss of ASOT).
    """
    checks.shape("plan", plan, tuple(logits.shape), "(B, N, K)")
    checks.shape("mask", mask, tuple(logits.shape[:2]), "(B, N)")
    plan = plan.detach()
    mass = plan.sum(dim=2, keepdim=True)
    padding = ~mask.unsqueeze(2)
    target = (plan / torch.where(mass > 0, mass, 1)).masked_fill(padding, 0)  # (B, N, K), T*
    log_p = torch.log_softmax(logits, dim=2).masked_fill(padding, 0)
    per_sequence = -(target * log_p).sum(dim=(1, 2)) / mask.sum(dim=1)  # (B,)
    return per_sequence.mean()


def alignment_loss(
    x: Float[Tensor, "B N D"],
    y: Float[Tensor, "B M D"],
    plan: Float[Tensor, "B 1+N 1+M"],
    mask_x: Bool[Tensor, "B N"],
    mask_y: Bool[Tensor, "B M"],
    *,
    temperature: float = 0.1,
) -> Float[Tensor, ""]:
    r"""Cross-entropy of the frames' similarities against an alignment of two sequences, both ways.

    .. math::

        L = \frac{1}{2B} \sum_b \Big(
        \frac1{n_b} \sum_{i \le n_b} - \sum_{j \ge 1} T^*_{ij} \log \mathrm{softmax}_j(s_{ij})
        + \frac1{m_b} \sum_{j \le m_b} - \sum_{i \ge 1} T^{*\prime}_{ji} \log \mathrm{softmax}_i(s_{ij}) \Big)

    .. math::

        s_{ij} = \frac{\cos(x_i, y_j)}{\mathrm{temperature}}, \qquad
        T^*_{ij} = \frac{T_{ij}}{\sum_{l \ge 0} T_{il}}, \qquad T^{*\prime}_{ji} = \frac{T_{ij}}{\sum_{k \ge 0} T_{kj}}

    Row and column 0 of the plan are the dummies': a frame counts the less, the more of it the dummy takes. No gradient
    flows into the plan. Half precision, and autocast, are computed in float32.

    Args:
        x: Embeddings of the first sequences' frames; their lengths do not matter.
        y: Embeddings of the second ones'.
        plan: Non-negative mass between frames, such as :func:`otseg.models.align_frames` finds, of any scale.
        mask_x: True on real frames of ``x``, at least one per sequence.
        mask_y: True on real frames of ``y``, at least one per sequence.
        temperature: Temperature of the softmax, above 0.

    Returns:
        The loss, in nats, at least 0.

    Raises:
        ValueError: If shapes do not fit or a value is out of range.

    Note:
        VASOT compares in one direction, from ``x`` to ``y``; here every frame of both sequences has a say.

    Example:
        >>> frames, mask = torch.eye(2).unsqueeze(0), torch.ones(1, 2, dtype=torch.bool)
        >>> loss = alignment_loss(frames, frames, torch.eye(3).unsqueeze(0), mask, mask)
        >>> bool(loss < alignment_loss(frames, frames.flip(1), torch.eye(3).unsqueeze(0), mask, mask))
        True

    References:
        :cite:`ali2025vasot`, section 3 (the loss of the alignment).
    """
    checks.number("temperature", temperature, 0, open_low=True)
    x = zero_padding("x", vectors("x", x, "B N D"), mask_x, "mask_x")
    y = zero_padding("y", vectors("y", y, "B M D"), mask_y, "mask_y")
    checks.like("y", y, "x", x)
    checks.shape("y", y, (len(x), y.shape[1], x.shape[2]), "(B, M, D)")
    checks.shape("plan", plan, (len(x), x.shape[1] + 1, y.shape[1] + 1), "(B, 1 + N, 1 + M)")
    plan = plan.detach()
    with torch.autocast(device_type=x.device.type, enabled=False):
        scores = unit(x) @ unit(y).mT / temperature
        scores = scores.masked_fill(~(mask_x.unsqueeze(2) & mask_y.unsqueeze(1)), torch.finfo(scores.dtype).min)
        return (_matching(scores, plan, mask_x) + _matching(scores.mT, plan.mT, mask_y)) / 2


def _matching(scores: Tensor, plan: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy of the rows; the first column of the plan takes mass and is not compared."""
    mass = plan.sum(dim=2, keepdim=True)
    target = (plan / torch.where(mass > 0, mass, 1))[:, 1:, 1:]  # (B, N, M), T*; 0 where either frame is padding
    log_p = scores.log_softmax(dim=2)
    return (-(target * log_p).sum(dim=(1, 2)) / mask.sum(dim=1)).mean()
