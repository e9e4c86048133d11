"""What several priors share: weights per problem, checked matrices, and the energy of a linear term."""

import math

import torch
from torch import Tensor

from otseg import checks
from otseg.types import PerProblem


def check_weight(weight: PerProblem, name: str = "weight", *, positive: bool = False) -> None:
    """Require a finite weight, at least 0 (above 0 if ``positive``): a number, or a tensor with one per problem."""
    if isinstance(weight, Tensor):
        checks.tensor(name, weight, "B")
        checks.finite(name, weight)
        if checks.readable(weight) and weight.numel():
            least = float(weight.detach().min())
            fits = least > 0 or (least == 0 and not positive)
            checks.require(fits, name, "above 0" if positive else "at least 0", least)
        return
    checks.number(name, weight, 0, open_low=positive)
    checks.require(math.isfinite(weight), name, "finite", weight)


def per_problem(weight: PerProblem, like: Tensor, name: str = "weight") -> Tensor:
    """The weight as ``(B, 1, 1)``, or ``(1, 1, 1)`` where one value serves all; dtype and device of ``like``."""
    value = torch.as_tensor(weight, dtype=like.dtype, device=like.device).reshape(-1, 1, 1)
    fits = value.shape[0] in (1, like.shape[0])
    checks.require(fits, name, f"a number or of shape (B,) = ({like.shape[0]},)", checks.describe(weight))
    return value


def check_symmetric(name: str, matrix: Tensor, axes: str) -> None:
    """Require a finite symmetric matrix, one for the batch or one per problem; ``axes`` names both, as ``"N N"``."""
    dims = matrix.dim() if isinstance(matrix, Tensor) else 3
    checks.tensor(name, matrix, axes if dims == 2 else f"B {axes}")
    checks.require(matrix.shape[-1] == matrix.shape[-2], name, "square in its last axes", checks.describe(matrix))
    checks.finite(name, matrix)
    if checks.readable(matrix) and matrix.numel():
        value = matrix.detach()
        gap, largest = float((value - value.mT).abs().max()), float(value.abs().max())
        fix = f"Take ({name} + {name}.mT) / 2."
        checks.require(gap <= 1e-5 * largest, name, "symmetric", f"entries that differ by {gap:.3g} from theirs", fix)


def fit_batch(name: str, value: Tensor, x: Tensor, axis: str = "") -> Tensor:
    """Require ``value`` to serve the batch of ``x (B, N, K)``, and its frames if ``axis`` is ``"N"``; returns it."""
    fits = value.shape[0] in (1, x.shape[0])
    checks.require(fits, name, f"for one problem or for all {x.shape[0]}", f"{value.shape[0]} of them")
    if axis:
        frames = f"of {x.shape[1]} frames, as many as the plan has"
        checks.require(value.shape[1] == x.shape[1], name, frames, value.shape[1], "Padded frames count.")
    return value


def linear_energy(cost: Tensor, plan: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Energy ``<cost, plan>`` over real frames and its gradient, the cost itself."""
    cost = cost.masked_fill(~mask.unsqueeze(2), 0).expand(plan.shape)
    return (cost * plan).sum(dim=(1, 2)), cost
