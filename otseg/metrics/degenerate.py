"""Degenerate solutions: a segmentation that uses only a few of its actions."""

import warnings
from collections.abc import Iterable

import torch
from jaxtyping import Int
from torch import Tensor

from otseg import checks


class DegenerateSolutionWarning(UserWarning):
    """A segmentation uses hardly any of its actions."""


def effective_actions(counts: Int[Tensor, " K"]) -> float:
    r"""Effective number of actions: :math:`\exp(-\sum_k p_k \log p_k)` of their shares ``p`` of the frames.

    ``K`` where all actions are equally frequent, 1 where all frames fall into one.

    Args:
        counts: Number of frames of every action, not all 0.

    Example:
        >>> round(effective_actions(torch.tensor([10, 10, 0])), 6)
        2.0
    """
    return float(torch.special.entr(counts.double() / counts.sum()).sum().exp())


def warn_if_degenerate(labels: Iterable[Int[Tensor, "*shape"]], n_actions: int, *, stacklevel: int = 2) -> float:
    """Warn if a segmentation uses only a few of its actions.

    Unsupervised models can collapse: all frames fall into one or two actions, and the loss is small. The warning is
    given if the effective number of actions (:func:`effective_actions`) over all sequences together is below 1.5 or a
    quarter of all. A few videos may truly show few of the actions of their activity: judge a whole data set.

    Args:
        labels: Actions of the frames of every sequence, or of every padded batch; negative ones do not count.
        n_actions: Number of actions K of the model.
        stacklevel: Of :func:`warnings.warn`: 2 points at the caller of this function.

    Returns:
        The effective number of actions; ``nan`` without frames.

    Warns:
        DegenerateSolutionWarning: If the solution is degenerate.

    Example:
        >>> round(warn_if_degenerate([torch.tensor([0, 0, 1, 1]), torch.tensor([2, 2, -1])], n_actions=3), 6)
        3.0
    """
    checks.number("n_actions", n_actions, 1, integer=True)
    counts = torch.zeros(n_actions, dtype=torch.int64)
    n_sequences = 0
    for part in labels:
        known = part[part >= 0].cpu()
        found = int(known.max()) if known.numel() else 0
        checks.require(found < n_actions, "labels", f"below n_actions = {n_actions}", found)
        counts += known.bincount(minlength=n_actions)
        n_sequences += 1 if part.dim() < 2 else len(part)
    if not counts.any():
        return float("nan")
    effective = effective_actions(counts)
    if n_actions > 1 and effective < max(1.5, n_actions / 4):
        warnings.warn(
            f"The segmentation uses {effective:.1f} of {n_actions} actions (effective number over {n_sequences} "
            "sequences): a degenerate solution. Train with another seed, raise `rho_b` or `order`, or ask "
            "for fewer actions.",
            DegenerateSolutionWarning,
            stacklevel=stacklevel,
        )
    return effective
