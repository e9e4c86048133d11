"""Assertions that several tests share."""

import torch
from torch import Tensor

from otseg import OTResult, Problem


def single(problem: Problem, index: int) -> Problem:
    """One problem of a batch, without its padding; masks must be prefixes."""
    n = int(problem.mask[index].sum())
    one = slice(index, index + 1)
    return Problem(
        problem.cost[one, :n],
        problem.a[one, :n],
        problem.b[one],
        problem.mask[one, :n],
        problem.epsilon[one],
        problem.rho_a[one],
        problem.rho_b[one],
        problem.priors,
    )


def assert_is_plan(result: OTResult, atol: float = 1e-9) -> None:
    """Nonnegative, zero on padding, frames exact where they must be."""
    problem = result.problem
    assert torch.isfinite(result.plan).all()
    assert (result.plan >= 0).all()
    assert (result.plan[~problem.mask] == 0).all()
    exact = torch.isinf(problem.rho_a)
    torch.testing.assert_close(result.marginal_a[exact], problem.a[exact], atol=atol, rtol=0)


def assert_same_result(one: OTResult, other: OTResult, atol: float = 1e-10) -> None:
    """Same plan, report and labels."""
    torch.testing.assert_close(one.plan, other.plan, atol=atol, rtol=0)
    assert torch.equal(one.n_iter, other.n_iter)
    assert torch.equal(one.converged, other.converged)
    torch.testing.assert_close(one.error, other.error, atol=max(atol, 1e-8), rtol=1e-4)


def dense_band(n: int, half_width: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """The band matrix ``[0 < |i - j| <= half_width]``."""
    frame = torch.arange(n)
    distance = (frame[:, None] - frame).abs()
    return ((distance > 0) & (distance <= half_width)).to(dtype)
