"""Losses of a frame encoder that learns from a transport plan."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otseg import checks


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
    target = plan / torch.where(mass > 0, mass, 1)  # (B, N, K), T*
    target = target.masked_fill(~mask.unsqueeze(2), 0)
    log_p = torch.log_softmax(logits, dim=2).masked_fill(~mask.unsqueeze(2), 0)
    per_sequence = -(target * log_p).sum(dim=(1, 2)) / mask.sum(dim=1)  # (B,)
    return per_sequence.mean()
