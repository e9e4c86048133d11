"""Every door equals its composition, exactly."""

import pytest
import torch

import otseg
from otseg.priors import (
    FeatureAffinity,
    GaussianOrder,
    GromovWasserstein,
    InverseDifferenceOrder,
    LinearOrder,
    LinearPrior,
    TemporalSmoothness,
    TemporalWindow,
)
from otseg.solvers import mirror_descent, published_mirror_descent, sinkhorn


def test_sinkhorn(generator):
    cost = torch.rand(2, 6, 3, generator=generator)
    door = otseg.sinkhorn(cost, epsilon=0.1, rho_b=0.5, max_iter=20, tol=None)
    composed = otseg.solve(cost, epsilon=0.1, rho_b=0.5, solver=sinkhorn, max_iter=20, tol=None)
    assert torch.equal(door.plan, composed.plan)


def test_temporal(generator):
    cost = torch.rand(2, 9, 3, generator=generator)
    epsilon, sigma = torch.tensor([0.1, 0.2]), torch.tensor([0.7, 1.5])
    moment, extra = torch.tensor([0.0, 0.4]), LinearPrior(torch.rand(9, 3, generator=generator))
    settings = {"mask": torch.arange(9) < torch.tensor([[9], [6]]), "rho_b": 0.5, "max_iter": 20, "tol": None}
    door = otseg.temporal_ot(cost, epsilon=epsilon, sigma=sigma, moment=moment, priors=[extra], **settings)
    priors = [GaussianOrder(epsilon, sigma), InverseDifferenceOrder(moment), extra]
    composed = otseg.solve(cost, epsilon=epsilon, priors=priors, **settings)
    assert torch.equal(door.plan, composed.plan)
    assert torch.equal(door.value, composed.value)
    # without a moment, and with numbers or a lone tensor as epsilon
    composed = otseg.solve(cost, epsilon=0.1, priors=[GaussianOrder(0.1, 0.7)], **settings)
    for epsilon in (0.1, torch.tensor(0.1), torch.tensor([0.1, 0.1])):
        door = otseg.temporal_ot(cost, epsilon=epsilon, sigma=0.7, **settings)
        assert torch.equal(door.plan, composed.plan)
        assert len(door.problem.priors) == 1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"epsilon": -0.1}, ValueError, "`epsilon` must be above 0"),
        ({"sigma": 0.0}, ValueError, "`sigma` must be a number > 0"),
        ({"sigma": torch.tensor([1.0, 0.0])}, ValueError, "`sigma` must be above 0"),
        ({"sigma": torch.ones(3)}, ValueError, "`sigma` must be a number or of shape"),
        ({"moment": -1.0}, ValueError, "`moment` must be a number >= 0"),
        ({"moment": "much"}, TypeError, "`moment` must be a number"),
        ({"priors": [TemporalSmoothness(0.1, 0.1)]}, ValueError, "`priors` must be linear.*mirror_descent"),
        ({"priors": [0.5]}, TypeError, r"`priors\[0\]` must be a Prior"),
    ],
)
def test_temporal_refuses(options, error, message):
    with pytest.raises(error, match=message):
        otseg.temporal_ot(torch.rand(2, 9, 3), **{"epsilon": 0.1, "sigma": 1.0, **options})


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


def test_gromov_with_other_structures(generator):
    cost, features = torch.rand(2, 30, 3, generator=generator), torch.randn(2, 30, 4, generator=generator)
    actions = 1 - torch.eye(3) / 2
    for given, prior in (
        ({"structure": FeatureAffinity(features, 0.1)}, GromovWasserstein(0.4, FeatureAffinity(features, 0.1))),
        ({"radius": 3, "actions": actions}, GromovWasserstein(0.4, TemporalWindow(3), actions)),
        ({"radius": 0.1, "loss": "square"}, GromovWasserstein(0.4, TemporalWindow(0.1), loss="square")),
    ):
        door = otseg.gromov_ot(cost, epsilon=0.1, alpha=0.4, rho_b=0.5, max_iter=7, **given)
        composed = otseg.solve(
            0.6 * cost, epsilon=0.1, rho_b=0.5, priors=[prior], solver=otseg.solvers.mirror_descent, max_iter=7
        )
        assert torch.equal(door.plan, composed.plan)
    same = [
        otseg.gromov_ot(cost, epsilon=0.1, alpha=0.4, **s) for s in ({"radius": 3}, {"structure": TemporalWindow(3)})
    ]
    torch.testing.assert_close(same[0].plan, same[1].plan)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("radius", {}),
        ("radius", {"radius": 0.1, "structure": TemporalWindow(0.1)}),
        ("structure", {"structure": TemporalWindow(0.1), "protocol": "published"}),
        ("actions", {"radius": 0.1, "actions": torch.zeros(3, 3), "protocol": "published"}),
        ("loss", {"radius": 0.1, "loss": "square", "protocol": "published"}),
        ("loss", {"radius": 0.1, "loss": "cosine"}),
        ("frames", {"structure": torch.eye(30)}),
    ],
)
def test_gromov_refuses_what_does_not_fit(name, given):
    with pytest.raises((ValueError, TypeError), match=f"`{name}` must be"):
        otseg.gromov_ot(torch.rand(2, 30, 3), epsilon=0.1, alpha=0.4, **given)
