"""Random transport problems: padding, zero weights, ties, one value of everything per problem."""

import math

import torch
from hypothesis import strategies as st

from otseg import Problem

RHO = st.sampled_from([0.0, 0.05, 1.0, 30.0, math.inf])


@st.composite
def problems(
    draw: st.DrawFn, priors: tuple = (), rho_a: st.SearchStrategy = RHO, rho_b: st.SearchStrategy = RHO
) -> Problem:
    """A batch of problems in float64, with prefix masks."""
    sizes = st.integers(1, 3), st.integers(1, 12), st.integers(1, 5)
    batch, frames, actions = (draw(size) for size in sizes)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    cost = torch.rand(batch, frames, actions, generator=generator, dtype=torch.float64)
    if draw(st.booleans()):
        cost = (3 * cost).round()  # ties
    lengths = torch.tensor([draw(st.integers(1, frames)) for _ in range(batch)])
    lengths[draw(st.integers(0, batch - 1))] = frames
    mask = torch.arange(frames) < lengths[:, None]
    a, b = None, None
    if draw(st.booleans()):
        a = _weights((batch, frames), generator, mask)
        b = _weights((batch, actions), generator, torch.ones(batch, actions, dtype=torch.bool))
    values = [[draw(s) for _ in range(batch)] for s in (st.sampled_from([0.03, 0.1, 1.0]), rho_a, rho_b)]
    epsilon, rho_a, rho_b = (torch.tensor(v, dtype=torch.float64) for v in values)
    return Problem.make(cost, a, b, epsilon=epsilon, rho_a=rho_a, rho_b=rho_b, mask=mask, priors=priors)


def _weights(shape: tuple[int, int], generator: torch.Generator, mask: torch.Tensor) -> torch.Tensor:
    """Random masses of total 1, some of them 0."""
    weight = torch.rand(shape, generator=generator, dtype=torch.float64) + 0.05
    weight = weight * (torch.rand(shape, generator=generator) > 0.3)
    weight[:, 0] += 0.1  # never all zero, and the first frame is always real
    weight = weight * mask
    return weight / weight.sum(dim=1, keepdim=True)
