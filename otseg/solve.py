"""Build a problem and solve it, in one call."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor

from otseg.problem import Problem
from otseg.result import OTResult
from otseg.solvers.sinkhorn import sinkhorn
from otseg.types import PerProblem, Prior


def solve(
    cost: Float[Tensor, "B N K"],
    a: Float[Tensor, "#B N"] | Float[Tensor, " N"] | None = None,
    b: Float[Tensor, "#B K"] | Float[Tensor, " K"] | None = None,
    *,
    epsilon: PerProblem,
    rho_a: PerProblem = math.inf,
    rho_b: PerProblem = math.inf,
    mask: Bool[Tensor, "B N"] | None = None,
    priors: Sequence[Prior] = (),
    solver: Callable[..., OTResult] = sinkhorn,
    **options: Any,
) -> OTResult:
    """Solve a batch of transport problems.

    Args:
        cost: Cost of assigning each frame to each action.
        a: Mass of every frame; see :meth:`otseg.Problem.make` for this and all that follows up to ``priors``.
        b: Mass of every action.
        epsilon: Weight of the entropy, in units of the cost.
        rho_a: Weight of the frame marginal's penalty; ``inf``: exact.
        rho_b: Weight of the action marginal's penalty; ``inf``: exact.
        mask: True on real frames.
        priors: Energies of the plan to add; curved ones need ``solver=otseg.solvers.mirror_descent``.
        solver: Function from a problem to a result.
        **options: Options of the solver.

    Returns:
        The solver's result.

    Raises:
        TypeError: If an argument has the wrong type or dtype.
        ValueError: If a shape, a device or a value is wrong.

    Example:
        >>> cost = torch.tensor([[[0.0, 1.0], [0.2, 0.4], [1.0, 0.0]]])
        >>> otseg.solve(cost, epsilon=0.1, rho_b=0.5).labels()
        tensor([[0, 0, 1]])
    """
    problem = Problem.make(cost, a, b, epsilon=epsilon, rho_a=rho_a, rho_b=rho_b, mask=mask, priors=priors)
    return solver(problem, **options)
