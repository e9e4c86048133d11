"""The same transport problems solved by POT, by geomloss and by otseg, with the conversions between them.

    python examples/interop_pot_geomloss.py

Twelve and nine weighted points of the plane. otseg solves, always, for a batch of costs ``(B, N, K)``,

    min_P  <C, P> + epsilon KL(P | a b^T) + rho_a KL(P 1 | a) + rho_b KL(P^T 1 | b)

    otseg           POT: ot.solve                              geomloss: SamplesLoss(p=2, debias=False)
    cost            M                                          |x - y|^2 / 2, from the points
    epsilon         reg, with reg_type="KL"                    blur^2
    rho_a, rho_b    unbalanced, a pair or a number             reach^2, one number for both; None: infinite
    plan            .plan                                      a b^T exp((F + G - C) / epsilon), potentials=True
    value           .value, which leaves out what KL says of   what the loss returns
                    mass: (epsilon + rho_a + rho_b) (1 - mass of the plan) is to be added

Needs the extra ``geomloss``.
"""

import math
from typing import NamedTuple

import numpy as np
import ot
import torch
from geomloss import SamplesLoss

import otseg
from otseg.costs import euclidean
from otseg.solvers import exact

EPSILON = 0.05
TO_THE_END = {"max_iter": 100_000, "tol": 1e-10}


class Solution(NamedTuple):
    """What all three are asked for."""

    value: float
    plan: np.ndarray | None


class Points(NamedTuple):
    """Two weighted sets in double precision, of mass 1 each."""

    x: torch.Tensor
    y: torch.Tensor
    a: torch.Tensor
    b: torch.Tensor

    @property
    def cost(self) -> torch.Tensor:
        """The cost of geomloss, ``(N, K)``."""
        return euclidean(self.x[None], self.y, squared=True)[0] / 2


def draw_points(generator: torch.Generator) -> Points:
    x, y, a, b = (torch.rand(n, dtype=torch.float64, generator=generator) for n in ((12, 2), (9, 2), (12,), (9,)))
    return Points(x, y, (a + 0.2) / (a + 0.2).sum(), (b + 0.2) / (b + 0.2).sum())


def by_otseg(points: Points, rho_a: float, rho_b: float) -> Solution:
    """A batch of one: ``cost[None]``."""
    result = otseg.sinkhorn(
        points.cost[None], points.a, points.b, epsilon=EPSILON, rho_a=rho_a, rho_b=rho_b, **TO_THE_END
    )
    assert result.converged.all()
    return Solution(float(result.value), result.plan[0].numpy())


def by_pot(points: Points, rho_a: float, rho_b: float) -> Solution:
    """NumPy arrays, one problem per call; an infinite penalty keeps a marginal, ``None`` keeps both."""
    cost, a, b = (tensor.numpy() for tensor in (points.cost, points.a, points.b))
    unbalanced = None if math.isinf(rho_a) and math.isinf(rho_b) else (rho_a, rho_b)
    options = {"reg_type": "KL", "unbalanced": unbalanced, "unbalanced_type": "KL", "max_iter": 100_000, "tol": 1e-13}
    result = ot.solve(cost, a, b, reg=EPSILON, **options)
    penalties = EPSILON + sum(rho for rho in (rho_a, rho_b) if math.isfinite(rho))
    return Solution(float(result.value) + penalties * (1 - result.plan.sum()), result.plan)


def by_geomloss(points: Points, rho: float) -> Solution:
    """From the points. It runs down a schedule, not to a tolerance: the nearer ``scaling`` to 1, the more steps."""
    x, y, a, b = points
    reach = None if math.isinf(rho) else math.sqrt(rho)
    options = {"p": 2, "blur": math.sqrt(EPSILON), "reach": reach, "scaling": 0.999, "debias": False}
    value = SamplesLoss("sinkhorn", backend="tensorized", **options)(a, x, b, y)
    f, g = SamplesLoss("sinkhorn", backend="tensorized", potentials=True, **options)(a, x, b, y)
    plan = a[:, None] * b * torch.exp((f.reshape(-1, 1) + g.reshape(1, -1) - points.cost) / EPSILON)
    return Solution(float(value), plan.numpy())


def linear_program(points: Points) -> tuple[Solution, Solution]:
    """Without entropy: otseg's ``exact`` beside ``ot.emd2``."""
    result = otseg.solve(points.cost[None], points.a, points.b, epsilon=1.0, solver=exact)  # which ignores epsilon
    value, log = ot.emd2(points.a.numpy(), points.b.numpy(), points.cost.numpy(), return_matrix=True, log=True)
    return Solution(float(result.value), result.plan[0].numpy()), Solution(float(value), log["G"])


def divergence(points: Points) -> tuple[Solution, Solution]:
    """Sinkhorn divergence: three problems of otseg, put together by hand, beside geomloss's ``debias=True``."""
    x, y, a, b = points
    pairs = [Points(x, y, a, b), Points(x, x, a, a), Points(y, y, b, b)]
    xy, xx, yy = (by_otseg(pair, math.inf, math.inf).value for pair in pairs)
    loss = SamplesLoss("sinkhorn", p=2, blur=math.sqrt(EPSILON), scaling=0.999, backend="tensorized")
    return Solution(xy - (xx + yy) / 2, None), Solution(float(loss(a, x, b, y)), None)


def row(problem: str, library: str, found: Solution, ours: Solution, tolerance: float) -> None:
    """Print how far a solution is from that of otseg, and stop where they disagree."""
    differences = [abs(found.value - ours.value)]
    if found.plan is not None and ours.plan is not None:
        differences.append(float(np.abs(found.plan - ours.plan).max()))
    shown = [f"{difference:.0e}" for difference in differences] + ["-"] * (2 - len(differences))
    print(f"{problem:<30} {library:<9} {found.value:>10.6f} {ours.value:>10.6f} {shown[0]:>9} {shown[1]:>9}")
    assert max(differences) < tolerance, (problem, library, differences)


def main() -> None:
    points = draw_points(torch.Generator().manual_seed(0))
    print(f"{'problem':<30} {'library':<9} {'its value':>10} {'otseg':>10} {'of value':>9} {'of plan':>9}")
    for name, rho_a, rho_b in (
        ("balanced", math.inf, math.inf),
        ("unbalanced, rho = 0.3", 0.3, 0.3),
        ("unbalanced, rho = 0.02", 0.02, 0.02),
        ("semi-relaxed, rho_b = 0.3", math.inf, 0.3),
    ):
        ours = by_otseg(points, rho_a, rho_b)
        row(name, "POT", by_pot(points, rho_a, rho_b), ours, 1e-8)
        if rho_a == rho_b:
            row(name, "geomloss", by_geomloss(points, rho_a), ours, 1e-4)
    ours, theirs = linear_program(points)
    row("no entropy (linear program)", "POT", theirs, ours, 1e-12)
    ours, theirs = divergence(points)
    row("Sinkhorn divergence", "geomloss", theirs, ours, 1e-4)
    print(
        "\nThe last columns are the differences from otseg, of the plan the largest of any entry. POT and otseg iterate"
    )
    print("to a tolerance and agree to it; geomloss stops at the end of its schedule, some 1e-5 from both. It has one")
    print("penalty for both sides, so that it has no row for the semi-relaxed problem, the one that segmentation uses.")


if __name__ == "__main__":
    main()
