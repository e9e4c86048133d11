"""Square Gromov-Wasserstein against POT: value and gradient at any plan, entropic and unregularized plans."""

import numpy as np
import ot
import pytest
import torch

import otseg
from otseg.priors import DenseStructure, GromovWasserstein, LowRankStructure
from otseg.solvers import mirror_descent


def random_problem(seed, n=8, k=5):
    """Cost, structures of distances and masses, as numpy arrays."""
    generator = np.random.default_rng(seed)
    frames, actions = (ot.dist(x, x, metric="euclidean") for x in (generator.random((n, 2)), generator.random((k, 2))))
    a, b = generator.random(n) + 0.3, generator.random(k) + 0.3
    return generator.random((n, k)), frames, actions, a / a.sum(), b / b.sum()


def tensors(*arrays):
    return [torch.from_numpy(x)[None] for x in arrays]


def ours(cost, frames, actions, a, b, alpha, **options):
    """POT's problem: the cost ``(1 - alpha) M`` and the whole Gromov term times alpha."""
    prior = GromovWasserstein(2 * alpha, DenseStructure(torch.from_numpy(frames)), torch.from_numpy(actions), "square")
    return otseg.solve(*tensors((1 - alpha) * cost, a, b), priors=[prior], **options)


@pytest.mark.parametrize("seed", range(3))
def test_value_and_gradient_at_any_plan(seed):
    _, frames, actions, _, _ = random_problem(seed)
    plan = np.random.default_rng(seed + 10).random((8, 5))  # its marginals are its own
    parts = ot.gromov.init_matrix(frames, actions, plan.sum(1), plan.sum(0), "square_loss")
    prior = GromovWasserstein(2.0, DenseStructure(torch.from_numpy(frames)), torch.from_numpy(actions), "square")
    energy, grad = prior.energy_and_grad(torch.from_numpy(plan)[None], torch.ones(1, 8, dtype=torch.bool))
    assert float(energy) == pytest.approx(float(ot.gromov.gwloss(*parts, plan)), abs=1e-12)
    np.testing.assert_allclose(grad[0].numpy(), ot.gromov.gwggrad(*parts, plan), atol=1e-12)


@pytest.mark.parametrize("alpha", [0.2, 0.8])
@pytest.mark.parametrize("epsilon", [0.3, 0.1])
def test_entropic_plan(alpha, epsilon):
    cost, frames, actions, a, b = random_problem(0)
    expected = ot.gromov.entropic_fused_gromov_wasserstein(
        cost, frames, actions, a, b, epsilon=epsilon, alpha=alpha, symmetric=True, tol=1e-13, max_iter=20_000,
        numItermax=10_000, stopThr=1e-13,
    )  # fmt: skip
    options = {"solver": mirror_descent, "max_iter": 500, "inner_iter": 50, "tol": 1e-9}
    result = ours(cost, frames, actions, a, b, alpha, epsilon=epsilon, **options)
    assert result.converged.all()
    np.testing.assert_allclose(result.plan[0].numpy(), expected, atol=1e-7)


def test_door_is_the_same_problem():
    """The conversion that the conventions page gives."""
    cost, frames, actions, a, b = random_problem(1)
    alpha, epsilon = 0.4, 0.1
    direct = ours(cost, frames, actions, a, b, alpha, epsilon=epsilon, solver=mirror_descent, max_iter=500, tol=1e-10)
    door = otseg.gromov_ot(
        *tensors(cost, a, b), epsilon=epsilon / (1 + alpha), alpha=2 * alpha / (1 + alpha), loss="square",
        structure=DenseStructure(torch.from_numpy(frames)), actions=torch.from_numpy(actions), max_iter=500, tol=1e-10,
    )  # fmt: skip
    assert (direct.converged & door.converged).all()
    torch.testing.assert_close(door.plan, direct.plan, atol=1e-8, rtol=0)


@pytest.mark.parametrize("seed", range(2))
def test_small_epsilon_agrees_with_the_unregularized_solver(seed):
    cost, frames, actions, a, b = random_problem(seed)
    alpha = 0.5
    options = {"solver": mirror_descent, "max_iter": 150, "inner_iter": 30}
    result = ours(cost, frames, actions, a, b, alpha, epsilon=0.01, **options)
    plan = result.plan[0].numpy()
    _, log = ot.gromov.fused_gromov_wasserstein(cost, frames, actions, a, b, alpha=alpha, symmetric=True, log=True)
    expected = float(log["fgw_dist"])
    value = float(result.value_linear + result.problem.priors[0].energy_and_grad(result.plan, result.problem.mask)[0])
    assert value <= expected + 5e-3  # as good as the local optimum of the conditional gradient ...
    start = ot.sinkhorn(a, b, -np.log(np.maximum(plan, 1e-300)), 1.0, method="sinkhorn_log", numItermax=100_000)
    _, log = ot.gromov.fused_gromov_wasserstein(
        cost, frames, actions, a, b, alpha=alpha, symmetric=True, G0=start, log=True
    )
    assert float(log["fgw_dist"]) == pytest.approx(value, abs=5e-3)  # ... which finds nothing better from our plan


def test_low_rank_squared_distances():
    """A structure that POT needs as a matrix, here by factors."""
    generator = np.random.default_rng(4)
    y = generator.random((9, 2))
    cost, _, actions, _, _ = random_problem(4, 9, 4)
    square, one = (y * y).sum(1, keepdims=True), np.ones((9, 1))
    left, right = np.concatenate([square, one, -2 * y], 1), np.concatenate([one, square, y], 1)
    a, b = np.full(9, 1 / 9), np.full(4, 1 / 4)
    expected = ot.gromov.entropic_fused_gromov_wasserstein(
        cost, ot.dist(y, y), actions, a, b, epsilon=0.1, alpha=0.5, symmetric=True, tol=1e-13, max_iter=20_000
    )
    result = otseg.gromov_ot(
        *tensors(cost, a, b), epsilon=0.1 / 1.5, alpha=1 / 1.5, loss="square", actions=torch.from_numpy(actions),
        structure=LowRankStructure(torch.from_numpy(left), torch.from_numpy(right)), max_iter=500, tol=1e-10,
    )  # fmt: skip
    np.testing.assert_allclose(result.plan[0].numpy(), expected, atol=1e-7)
