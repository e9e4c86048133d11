"""Prototypes from plans and their alternation, against dense formulas and POT's free-support barycenter."""

import math
from functools import partial

import numpy as np
import ot
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from otseg.costs import cosine, euclidean
from otseg.priors import LinearOrder, TemporalSmoothness
from otseg.solvers import exact, free_support_barycenter, mirror_descent, plan_directions, plan_means, sinkhorn

MASK = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])
squared = partial(euclidean, squared=True)
precise = partial(sinkhorn, max_iter=5000, tol=1e-10)


def inputs(generator, k=3):
    features = torch.randn(2, 7, 2, generator=generator, dtype=torch.float64)
    plan = torch.rand(2, 7, k, generator=generator, dtype=torch.float64) * MASK.unsqueeze(2)
    return plan, features, torch.tensor([0.7, 2.0], dtype=torch.float64)


def blobs(generator, batch=2, n=30, dim=2):
    """Sequences that pass through three places in the same order."""
    centers = 3 * torch.randn(3, dim, generator=generator, dtype=torch.float64)
    noise = torch.randn(batch, n, dim, generator=generator, dtype=torch.float64)
    return centers.repeat_interleave(n // 3, dim=0) + 0.5 * noise


def test_plan_means_equals_its_formula(generator):
    plan, features, weights = inputs(generator)
    found = plan_means(plan, features, weights=weights)
    for k in range(3):
        total = sum(weights[b] * plan[b, n, k] * features[b, n] for b in range(2) for n in range(7))
        mass = sum(weights[b] * plan[b, n, k] for b in range(2) for n in range(7))
        torch.testing.assert_close(found[k], total / mass)


@pytest.mark.parametrize(("update", "cost"), [(plan_means, squared), (plan_directions, cosine)])
def test_updates_minimize_their_cost(update, cost, generator):
    plan, features, weights = inputs(generator)
    best = update(plan, features, weights=weights)

    def total(prototypes):
        return float((weights[:, None, None] * plan * cost(features, prototypes)).sum())

    for _ in range(20):
        moved = best + 0.1 * torch.randn(best.shape, generator=generator, dtype=torch.float64)
        assert total(moved) > total(best)


def test_plan_directions_are_of_length_one_and_blind_to_the_length_of_frames(generator):
    plan, features, _ = inputs(generator)
    found = plan_directions(plan, features)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3, dtype=torch.float64))
    length = torch.rand(2, 7, 1, generator=generator, dtype=torch.float64) + 0.5
    torch.testing.assert_close(plan_directions(plan, length * features), found)


@pytest.mark.parametrize("update", [plan_means, plan_directions])
def test_actions_without_mass_keep_the_fallback(update, generator):
    plan, features, weights = inputs(generator)
    plan[:, :, 1] = 0
    fallback = torch.arange(6, dtype=torch.float64).reshape(3, 2).requires_grad_()
    found = update(plan, features, weights=weights, fallback=fallback)
    torch.testing.assert_close(found[1], fallback[1])
    torch.testing.assert_close(found[[0, 2]], update(plan[:, :, [0, 2]], features, weights=weights))
    assert (update(plan, features)[1] == 0).all()
    assert torch.autograd.grad(found.sum(), fallback)[0].tolist() == [[0, 0], [1, 1], [0, 0]]


def test_opposite_frames_have_no_mean_direction():
    plan = torch.full((1, 2, 1), 0.5)
    features = torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]])
    assert torch.equal(plan_directions(plan, features, fallback=torch.tensor([[0.0, 1.0]])), torch.tensor([[0.0, 1.0]]))


@pytest.mark.parametrize("update", [plan_means, plan_directions])
@pytest.mark.parametrize("padding", [5.0, float("nan")])
def test_padding_and_weightless_sequences_change_nothing(update, padding, generator):
    plan, features, _ = inputs(generator)
    features[~MASK] = padding
    alone = update(plan[1:, :4], features[1:, :4])
    weights = torch.tensor([0.0, 3.0], dtype=torch.float64)
    torch.testing.assert_close(update(plan, features, mask=MASK, weights=weights), alone)


@pytest.mark.parametrize("update", [plan_means, plan_directions])
def test_gradients(update, generator):
    plan, features, weights = inputs(generator)
    plan[:, :, 1] = 0  # an action without mass
    plan = plan[:, :, [0, 2]].requires_grad_()

    def prototypes(plan, features, weights):
        padded = torch.nn.functional.pad(plan, (0, 1))
        return update(padded, features, mask=MASK, weights=weights)

    tensors = (plan, features.requires_grad_(), weights.requires_grad_())
    assert gradcheck(prototypes, tensors)
    assert gradgradcheck(prototypes, tensors)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_autocast_are_computed_in_float32(dtype, generator):
    plan, features, _ = inputs(generator)
    plan, features = plan.float(), features.to(dtype)
    expected = plan_means(plan, features.float())
    assert torch.equal(plan_means(plan, features), expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(plan_means(plan, features), expected)


@pytest.mark.parametrize("n_iter", [1, 3])
def test_equals_free_support_barycenter_of_pot(n_iter, generator):
    features, init = blobs(generator), torch.randn(4, 2, generator=generator, dtype=torch.float64)
    a = torch.rand(2, 30, generator=generator, dtype=torch.float64) + 0.1
    a = a / a.sum(dim=1, keepdim=True)
    weights = torch.tensor([0.3, 0.7], dtype=torch.float64)
    expected = ot.lp.free_support_barycenter(
        [x.numpy() for x in features], [x.numpy() for x in a], init.numpy(), weights=weights.numpy(),
        numItermax=n_iter, stopThr=0,
    )  # fmt: skip
    found = free_support_barycenter(
        features, init, cost=squared, epsilon=1.0, a=a, weights=weights, solver=exact, max_iter=n_iter, tol=None
    )
    np.testing.assert_allclose(found.support.numpy(), expected, atol=1e-10)


SOLVERS = {
    "exact": (exact, {}),
    "sinkhorn": (precise, {}),
    "relaxed": (precise, {"rho_b": 0.5}),
    "free actions": (precise, {"rho_b": 0.0}),
    "linear prior": (precise, {"priors": [LinearOrder(2.0)]}),
    "smoothness": (partial(mirror_descent, max_iter=20), {"priors": [TemporalSmoothness(0.4, 0.1)], "rho_b": 0.5}),
}


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize(("update", "cost"), [(plan_means, squared), (plan_directions, cosine)])
def test_the_objective_never_rises(name, update, cost, generator):
    solver, options = SOLVERS[name]
    features, init = blobs(generator), torch.randn(4, 2, generator=generator, dtype=torch.float64)
    weights = torch.tensor([1.0, 3.0], dtype=torch.float64)
    found = free_support_barycenter(
        features, init, cost=cost, epsilon=0.5, weights=weights, solver=solver, update=update, max_iter=8, tol=None,
        warm_start=name == "smoothness", **options,
    )  # fmt: skip
    assert len(found.objective) == 9
    assert found.objective.diff().max() <= 1e-8
    assert found.objective[-1] < found.objective[0] - 1e-3
    torch.testing.assert_close(found.objective[-1], (weights / 4 * found.result.value).sum())


def test_free_actions_without_entropy_are_k_means(generator):
    from sklearn.cluster import KMeans

    features = blobs(generator, batch=1)
    init = features[0, [0, 14, 29]]
    found = free_support_barycenter(features, init, cost=squared, epsilon=1e-4, rho_b=0.0, max_iter=50, tol=1e-9)
    expected = KMeans(3, init=init.numpy(), n_init=1, tol=0).fit(features[0].numpy())
    np.testing.assert_allclose(found.support.numpy(), expected.cluster_centers_, atol=1e-6)
    assert found.result.labels()[0].tolist() == expected.labels_.tolist()


def test_convergence_is_a_fixed_point_and_said(generator):
    features, init = blobs(generator), torch.randn(3, 2, generator=generator, dtype=torch.float64)
    run = partial(free_support_barycenter, features, init, cost=squared, epsilon=0.5, rho_b=1.0, solver=precise)
    few, done = run(max_iter=1, tol=1e-6), run(max_iter=200, tol=1e-6)
    assert not few.converged
    assert few.n_iter == 1
    assert done.converged
    assert 1 < done.n_iter == len(done.objective) - 1 < 200
    torch.testing.assert_close(plan_means(done.result.plan, features), done.support, atol=1e-6, rtol=0)
    torch.testing.assert_close(run(max_iter=200, tol=1e-6, warm_start=True).support, done.support, atol=1e-6, rtol=0)
    assert not run(max_iter=2, tol=None).converged


def test_warm_start_hands_the_last_result_to_the_solver(generator):
    features, weights = blobs(generator), torch.tensor([1.0, 3.0], dtype=torch.float64)
    given, returned = [], []

    def spy(problem, init=None):
        given.append(init)
        returned.append(sinkhorn(problem, init=init))
        return returned[-1]

    run = partial(free_support_barycenter, features, features[0, :3], cost=squared, epsilon=1.0, weights=weights)
    found = run(solver=spy, max_iter=2, tol=None, warm_start=True)
    assert given[0] is None
    assert given[1:] == returned[:-1]
    assert found.result is returned[-1]
    expected = torch.stack([(weights / 4 * result.value).sum() for result in returned])
    torch.testing.assert_close(found.objective, expected)
    given.clear()
    run(solver=spy, max_iter=2, tol=None)
    assert given == [None] * 3


def test_padding_changes_nothing(generator):
    features, init = blobs(generator), torch.randn(3, 2, generator=generator, dtype=torch.float64)
    padded = torch.cat([features, torch.full((2, 5, 2), torch.nan, dtype=torch.float64)], dim=1)
    mask = (torch.arange(35) < 30).expand(2, -1)
    options = {"cost": squared, "epsilon": 0.3, "max_iter": 4, "tol": None}
    found = free_support_barycenter(padded, init, mask=mask, **options)
    torch.testing.assert_close(found.support, free_support_barycenter(features, init, **options).support)


def test_random_start_is_real_frames_and_a_function_of_the_generator(generator):
    features = blobs(generator)
    mask = (torch.arange(30) < 9).expand(2, -1)
    options = {"cost": squared, "epsilon": 0.3, "mask": mask, "max_iter": 0}
    start = free_support_barycenter(features, 18, generator=torch.Generator().manual_seed(1), **options).support
    real = features[mask]
    assert torch.equal(start.sort(dim=0).values, real.sort(dim=0).values)  # all of them, each once
    again = free_support_barycenter(features, 18, generator=torch.Generator().manual_seed(1), **options).support
    assert torch.equal(start, again)
    with pytest.raises(ValueError, match="`init` must be at most the number of real frames, 18; got 19"):
        free_support_barycenter(features, 19, **options)


def test_no_gradient_is_recorded_and_one_update_gives_it(generator):
    features = blobs(generator).requires_grad_()
    found = free_support_barycenter(features, 3, cost=squared, epsilon=0.5, max_iter=3, generator=generator)
    assert not found.support.requires_grad
    assert not found.result.plan.requires_grad
    plan_means(found.result.plan, features).sum().backward()
    torch.testing.assert_close(features.grad.sum(dim=(0, 1)), torch.full((2,), 3.0, dtype=torch.float64))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"plan": torch.zeros(1, 3, 2)}, ValueError, r"`plan` must be of shape \(B, N, K\) = \(1, 4, 2\)"),
        ({"features": torch.zeros(4, 3)}, ValueError, r"`features` must be of shape \(B, N, D\)"),
        ({"weights": torch.zeros(1)}, ValueError, "`weights` must be at least 0, finite and not all 0"),
        ({"weights": torch.tensor([math.inf])}, ValueError, "`weights` must be at least 0, finite and not all 0"),
        ({"weights": torch.ones(2)}, ValueError, r"`weights` must be of shape \(B,\)"),
        ({"fallback": torch.zeros(3, 3)}, ValueError, r"`fallback` must be of shape \(K, D\) = \(2, 3\)"),
        ({"mask": torch.ones(1, 4)}, TypeError, "`mask` must be a boolean tensor"),
    ],
)
@pytest.mark.parametrize("update", [plan_means, plan_directions])
def test_wrong_arguments_are_refused(change, error, message, update):
    given = {"plan": torch.ones(1, 4, 2), "features": torch.zeros(1, 4, 3), **change}
    with pytest.raises(error, match=message):
        update(given.pop("plan"), given.pop("features"), **given)
