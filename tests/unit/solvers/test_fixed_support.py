"""Barycenters of histograms against POT, the conditions of optimality and the linear program."""

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

from otseg.solvers import fixed_support_barycenter

TIGHT = {"max_iter": 50_000, "tol": 1e-11}


def line(n, dtype=torch.float64):
    place = torch.linspace(0, 1, n, dtype=dtype)
    return (place[:, None] - place) ** 2


def draw(generator, batch, n, zeros=False):
    a = torch.rand(batch, n, generator=generator, dtype=torch.float64) + 0.05
    if zeros:
        a = a * (torch.rand(batch, n, generator=generator) > 0.4)
        a[:, 0] += 0.1
    return a / a.sum(dim=1, keepdim=True)


def inputs(generator, batch=3, n=6, k=4):
    cost = torch.rand(n, k, generator=generator, dtype=torch.float64)
    return draw(generator, batch, n), cost, torch.rand(batch, generator=generator, dtype=torch.float64) + 0.1


@pytest.mark.parametrize("method", ["sinkhorn_log", "sinkhorn_stabilized"])
@pytest.mark.parametrize("epsilon", [0.5, 0.02])
def test_equals_pot(method, epsilon, generator):
    histograms, weights = draw(generator, 3, 8), torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    expected = ot.bregman.barycenter(
        histograms.T.numpy().copy(), line(8).numpy(), epsilon, weights=weights.numpy(), method=method,
        numItermax=50_000, stopThr=1e-13,
    )  # fmt: skip
    found = fixed_support_barycenter(histograms, line(8), epsilon=epsilon, weights=7 * weights, **TIGHT)
    np.testing.assert_allclose(found.histogram.numpy(), expected, atol=1e-7)
    assert bool(found.converged)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 8), st.integers(1, 5), st.booleans(), st.integers(0, 1000))
def test_satisfies_the_conditions_of_optimality(batch, n, k, shared, seed):
    """Feasible plans, in exponential form, whose potentials of the barycenter add up to a constant."""
    generator = torch.Generator().manual_seed(seed)
    histograms = draw(generator, batch, n, zeros=True)
    cost = torch.rand(*(() if shared else (batch,)), n, k, generator=generator, dtype=torch.float64)
    weights = torch.rand(batch, generator=generator, dtype=torch.float64) + 0.1
    weights = weights / weights.sum()
    found = fixed_support_barycenter(histograms, cost, epsilon=0.2, weights=weights, **TIGHT)
    assert bool(found.converged)
    torch.testing.assert_close(found.plan.sum(dim=2), histograms, atol=1e-12, rtol=0)
    torch.testing.assert_close(found.plan.sum(dim=1), found.histogram.expand(batch, -1), atol=1e-9, rtol=0)
    for b in range(batch):
        real = histograms[b] > 0
        assert (found.plan[b, ~real] == 0).all()
    real = [histograms[b] > 0 for b in range(batch)]
    log_scaling = [
        (0.2 * found.plan[b].log() + (cost if shared else cost[b]))[real[b]] for b in range(batch)
    ]  # f + g, (n real, K)
    for score in log_scaling:
        torch.testing.assert_close(score - score[:, :1], (score - score[:, :1])[:1].expand_as(score), atol=1e-9, rtol=0)
    g = torch.stack([score[0] for score in log_scaling])  # up to a constant per histogram
    total = weights @ g
    torch.testing.assert_close(total, total[0].expand(k), atol=1e-8, rtol=0)


def test_tends_to_the_linear_program(generator):
    histograms, cost = draw(generator, 2, 6), line(6)
    exact = ot.lp.barycenter(histograms.T.numpy().copy(), cost.numpy(), weights=np.array([0.4, 0.6]))
    weights = torch.tensor([0.4, 0.6], dtype=torch.float64)
    found = fixed_support_barycenter(histograms, cost, epsilon=1e-3, weights=weights, max_iter=50_000, tol=1e-7)

    def value(q):
        q = q / q.sum()
        return sum(w * ot.emd2(a, q, cost.numpy()) for w, a in zip((0.4, 0.6), histograms.numpy(), strict=True))

    assert value(found.histogram.numpy()) == pytest.approx(value(exact), abs=2e-3)


def test_of_one_histogram_without_entropy_is_itself(generator):
    histogram = draw(generator, 1, 7)
    found = fixed_support_barycenter(histogram, line(7), epsilon=1e-4, max_iter=2000, tol=1e-10)
    torch.testing.assert_close(found.histogram, histogram[0], atol=1e-8, rtol=0)


def test_of_two_points_is_the_point_between():
    ends = torch.tensor([[1.0] + [0.0] * 10, [0.0] * 10 + [1.0]], dtype=torch.float64)
    for share, place in ((0.5, 5), (0.8, 2), (1.0, 0)):
        weights = torch.tensor([share, 1 - share], dtype=torch.float64)
        found = fixed_support_barycenter(ends, line(11), epsilon=1e-3, weights=weights)
        assert int(found.histogram.argmax()) == place
        assert float(found.histogram.max()) > 0.99


@pytest.mark.parametrize("padding", [0.0, float("nan")])
@pytest.mark.parametrize("shared", [True, False])
def test_padding_changes_nothing(padding, shared, generator, dtype):
    histograms, cost, weights = (x.to(dtype) for x in inputs(generator))
    alone = fixed_support_barycenter(histograms, cost, epsilon=0.1, weights=weights)
    padded = torch.cat([histograms, histograms.new_full((3, 2), padding)], dim=1)
    wide = torch.cat([cost, cost.new_full((2, 4), padding)])
    wide = wide if shared else wide.expand(3, -1, -1)
    mask = (torch.arange(8) < 6).expand(3, -1)
    found = fixed_support_barycenter(padded, wide, epsilon=0.1, weights=weights, mask=mask)
    assert found.n_iter == alone.n_iter
    torch.testing.assert_close(found.histogram, alone.histogram)
    torch.testing.assert_close(found.plan[:, :6], alone.plan)
    assert (found.plan[:, 6:] == 0).all()


def test_mass_is_kept_and_histograms_of_weight_zero_change_nothing(generator):
    histograms, cost, _ = inputs(generator)
    weights = torch.tensor([1.0, 0.0, 2.0], dtype=torch.float64)
    found = fixed_support_barycenter(5 * histograms, cost, epsilon=0.1, weights=weights, **TIGHT)
    assert float(found.histogram.sum()) == pytest.approx(5.0)
    alone = fixed_support_barycenter(histograms[[0, 2]], cost, epsilon=0.1, weights=weights[[0, 2]], **TIGHT)
    torch.testing.assert_close(found.histogram, 5 * alone.histogram, atol=1e-9, rtol=0)


def test_small_epsilon_in_float32_is_finite(generator):
    histograms = draw(generator, 3, 30).float()
    found = fixed_support_barycenter(histograms, line(30, torch.float32), epsilon=1e-4, max_iter=200)
    assert torch.isfinite(found.histogram).all()
    assert torch.isfinite(found.plan).all()


def test_not_converged_is_said(generator):
    histograms, cost = draw(generator, 3, 20), line(20)
    few = fixed_support_barycenter(histograms, cost, epsilon=1e-3, max_iter=3, tol=1e-6)
    assert not bool(few.converged)
    assert float(few.histogram.sum()) == pytest.approx(1, abs=1e-12)
    violation = (few.plan.sum(dim=1) - few.histogram).abs().sum(dim=1).mean()
    torch.testing.assert_close(few.error, violation, atol=1e-2, rtol=0.1)  # the histogram is rescaled to the mass
    assert not bool(fixed_support_barycenter(histograms, cost, epsilon=1.0, tol=None).converged)


def test_gradients_of_unrolled_sweeps(generator):
    histograms, cost, weights = inputs(generator, batch=2, n=4, k=3)
    epsilon = torch.tensor(0.3, dtype=torch.float64)
    mask = torch.tensor([[True] * 4, [True] * 3 + [False]])

    def barycenter(logits, cost, weights, epsilon):
        a = logits.masked_fill(~mask, -torch.inf).softmax(dim=1)
        found = fixed_support_barycenter(a, cost, epsilon=epsilon, weights=weights, mask=mask, max_iter=3, tol=None)
        return found.histogram, found.plan

    tensors = [x.requires_grad_() for x in (histograms.log(), cost, weights, epsilon)]
    assert gradcheck(barycenter, tensors)
    assert gradgradcheck(lambda *x: barycenter(*x)[0], tensors)


def test_gradient_with_a_zero_mass_is_finite_and_none_records_nothing():
    histograms = torch.tensor([[0.0, 1.0, 0.0], [0.5, 0.5, 0.0]], dtype=torch.float64, requires_grad=True)
    found = fixed_support_barycenter(histograms, line(3), epsilon=0.1, max_iter=5, tol=None)
    found.histogram[0].backward()
    assert torch.isfinite(histograms.grad).all()
    assert (histograms.grad != 0).any()
    silent = fixed_support_barycenter(histograms, line(3), epsilon=0.1, max_iter=5, tol=None, grad="none")
    assert not silent.histogram.requires_grad
    assert torch.equal(silent.histogram, found.histogram.detach())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_autocast_are_computed_in_float32(dtype):
    histograms = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.25, 0.75]])
    expected = fixed_support_barycenter(histograms, line(3, torch.float32), epsilon=0.1)
    found = fixed_support_barycenter(histograms.to(dtype), line(3, torch.float32).to(dtype), epsilon=0.1)
    assert torch.equal(found.histogram, expected.histogram)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = fixed_support_barycenter(histograms, line(3, torch.float32), epsilon=0.1)
    assert torch.equal(found.histogram, expected.histogram)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"histograms": torch.full((2, 3), -1.0)}, ValueError, "`histograms` must be at least 0"),
        ({"histograms": torch.eye(3)[:2] * torch.tensor([[1.0], [2.0]])}, ValueError, "of the same total mass"),
        ({"histograms": torch.tensor([[0.0] * 3, [1.0] * 3])}, ValueError, "`histograms` must be of positive mass"),
        ({"histograms": torch.zeros(0, 3)}, ValueError, "`histograms` must be at least one"),
        ({"cost": torch.zeros(4, 2)}, ValueError, r"`cost` must be of shape \(N, K\) = \(3, 2\)"),
        ({"cost": torch.zeros(3, 3, 2)}, ValueError, r"`cost` must be of shape \(B, N, K\) = \(2, 3, 2\)"),
        ({"cost": torch.zeros(3, 2).double()}, TypeError, "`cost` must be of the dtype of `histograms`"),
        ({"cost": torch.full((3, 2), torch.inf)}, ValueError, "`cost` must be finite"),
        ({"epsilon": 0.0}, ValueError, "`epsilon` must be a number > 0"),
        ({"epsilon": torch.tensor(-1.0)}, ValueError, "`epsilon` must be above 0"),
        ({"epsilon": torch.ones(2)}, ValueError, "`epsilon` must be of shape"),
        ({"weights": torch.tensor([1.0, -1.0])}, ValueError, "`weights` must be at least 0"),
        ({"max_iter": 0}, ValueError, "`max_iter` must be"),
        ({"grad": "implicit"}, ValueError, "`grad` must be one of"),
    ],
)
def test_wrong_arguments_are_refused(change, error, message):
    given = {"histograms": torch.full((2, 3), 1 / 3), "cost": torch.zeros(3, 2), "epsilon": 0.1, **change}
    with pytest.raises(error, match=message):
        fixed_support_barycenter(given.pop("histograms"), given.pop("cost"), **given)
