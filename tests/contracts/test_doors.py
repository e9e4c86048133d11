"""Every door equals its composition, exactly."""

import torch

import otseg
from otseg.priors import LinearOrder, TemporalSmoothness
from otseg.solvers import mirror_descent, published_mirror_descent, sinkhorn


def test_sinkhorn(generator):
    cost = torch.rand(2, 6, 3, generator=generator)
    door = otseg.sinkhorn(cost, epsilon=0.1, rho_b=0.5, max_iter=20, tol=None)
    composed = otseg.solve(cost, epsilon=0.1, rho_b=0.5, solver=sinkhorn, max_iter=20, tol=None)
    assert torch.equal(door.plan, composed.plan)


def test_gromov(generator):
    cost = torch.rand(2, 30, 3, generator=generator)
    for protocol, solver in (("default", mirror_descent), ("published", published_mirror_descent)):
        door = otseg.gromov_ot(
            cost, epsilon=0.1, alpha=0.4, radius=0.1, order=0.5, rho_b=0.5, max_iter=7, protocol=protocol
        )
        priors = [TemporalSmoothness(0.4, 0.1, protocol), LinearOrder(0.6 * 0.5, protocol)]
        composed = otseg.solve(0.6 * cost, epsilon=0.1, rho_b=0.5, priors=priors, solver=solver, max_iter=7)
        assert torch.equal(door.plan, composed.plan)


def test_gromov_with_one_alpha_and_order_per_problem(generator):
    cost = torch.rand(2, 20, 3, generator=generator, dtype=torch.float64)
    alpha, order = torch.tensor([0.2, 0.7], dtype=torch.float64), torch.tensor([0.5, 0.0], dtype=torch.float64)
    settings = {"epsilon": 0.1, "radius": 0.1, "rho_b": 0.3}
    together = otseg.gromov_ot(cost, alpha=alpha, order=order, **settings)
    for i in range(2):
        alone = otseg.gromov_ot(cost[i : i + 1], alpha=float(alpha[i]), order=float(order[i]), **settings)
        torch.testing.assert_close(together.plan[i], alone.plan[0], atol=1e-10, rtol=0)
