"""Temporal transport against TOT's and OPW's published formulas, in the kernel domain, and against POT.

The formulas are written out with numpy in float64, kernels and all; the library computes in the log domain.
"""

import numpy as np
import ot
import pytest
import torch

import otseg
from otseg.priors import GaussianOrder, InverseDifferenceOrder, TranscriptOrder

SIZES = [(24, 5), (7, 7), (6, 9)]


def scores(n, k, seed=0):
    return np.random.default_rng(seed).normal(size=(n, k))


def distance(n, k, first):
    """``|i / N - j / M| / sqrt(1 / N^2 + 1 / M^2)`` with both indices from ``first``."""
    i, j = np.arange(n)[:, None] + first, np.arange(k)[None] + first
    return np.abs(i / n - j / k) / np.sqrt(1 / n**2 + 1 / k**2)


def published_tot(score, prior, epsilon, rounds=3):
    """Q = exp(S / eps) M, rounds of actions to 1 / K and frames to 1 / N, then frames to 1."""
    n, k = score.shape
    q = np.exp(score / epsilon) * prior
    q /= q.sum()
    for _ in range(rounds):
        q *= (1 / k) / q.sum(axis=0)
        q *= (1 / n) / q.sum(axis=1, keepdims=True)
    return q / q.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("n", "k"), SIZES)
@pytest.mark.parametrize(("epsilon", "sigma"), [(0.08, 1.5), (0.07, 0.75), (1.0, 1.0)])
def test_tot_after_three_rounds(n, k, epsilon, sigma):
    score = scores(n, k)
    prior = np.exp(-(distance(n, k, 0) ** 2) / (2 * sigma**2)) / (2 * 3.142 * sigma)
    cost = -torch.from_numpy(score)[None]
    priors = [GaussianOrder(epsilon, sigma, protocol="published")]
    result = otseg.solve(cost, epsilon=epsilon, priors=priors, max_iter=3, tol=None)
    np.testing.assert_allclose(n * result.plan[0].numpy(), published_tot(score, prior, epsilon), atol=1e-12)


def test_ufsa_permutes_the_columns_of_the_prior():
    n, sigma, order = 20, 0.75, [2, 0, 3, 1]
    score, prior = scores(n, 4), np.empty((n, 4))
    i, j = np.arange(n)[:, None] + 0.5, np.arange(4)[None] + 0.5  # midpoints
    prior[:, order] = np.exp(-((i / n - j / 4) ** 2) / (1 / n**2 + 1 / 4**2) / (2 * sigma**2))
    cost = -torch.from_numpy(score)[None]
    priors = [TranscriptOrder(0.1, torch.tensor(order), sigma)]
    result = otseg.solve(cost, epsilon=0.1, priors=priors, max_iter=3, tol=None)
    np.testing.assert_allclose(n * result.plan[0].numpy(), published_tot(score, prior, 0.1), atol=1e-12)


def published_opw(cost, moment, epsilon, sigma, first):
    """OPW's kernel P exp((s - d) / lambda_2), scaled to uniform marginals by plain Sinkhorn."""
    n, k = cost.shape
    i, j = np.arange(n)[:, None] + first, np.arange(k)[None] + first
    gain = moment / ((i / n - j / k) ** 2 + 1)
    prior = np.exp(-(distance(n, k, first) ** 2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))
    kernel = prior * np.exp((gain - cost) / epsilon)
    u = np.ones(n)
    for _ in range(5000):
        v = (1 / k) / (kernel.T @ u)
        u = (1 / n) / (kernel @ v)
    return u[:, None] * kernel * v


@pytest.mark.parametrize(("n", "k"), SIZES)
@pytest.mark.parametrize(("moment", "epsilon", "sigma"), [(1.0, 0.1, 1.0), (5.0, 0.5, 0.7), (0.0, 0.2, 2.0)])
def test_opw(n, k, moment, epsilon, sigma):
    cost = np.random.default_rng(1).random((n, k))
    cost = cost / cost.max()
    # Indices from 1, as published, are the same as midpoints for sequences of equal lengths.
    expected = published_opw(cost, moment, epsilon, sigma, first=1 if n == k else 0.5)
    tensor = torch.from_numpy(cost)[None]
    settings = {"epsilon": epsilon, "sigma": sigma, "moment": moment, "tol": 1e-13, "max_iter": 10_000}
    result = otseg.temporal_ot(tensor, **settings)
    assert result.converged.all()
    np.testing.assert_allclose(result.plan[0].numpy(), expected, atol=1e-10)
    assert float(result.value_linear) == pytest.approx((expected * cost).sum(), abs=1e-10)


@pytest.mark.parametrize(("n", "k"), SIZES)
@pytest.mark.parametrize("sigma", [0.5, 2.0])
def test_pot_on_the_equivalent_cost(n, k, sigma):
    generator = np.random.default_rng(2)
    cost, a, b = generator.random((n, k)), generator.random(n) + 0.1, generator.random(k) + 0.1
    a, b, epsilon = a / a.sum(), b / b.sum(), 0.1
    whole = cost + epsilon * distance(n, k, 0.5) ** 2 / (2 * sigma**2)
    expected = ot.sinkhorn(a, b, whole, epsilon, method="sinkhorn_log", numItermax=100_000, stopThr=1e-13)
    tensors = [torch.from_numpy(x)[None] for x in (cost, a, b)]
    result = otseg.temporal_ot(*tensors, epsilon=epsilon, sigma=sigma, tol=1e-13, max_iter=100_000)
    np.testing.assert_allclose(result.plan[0].numpy(), expected, atol=1e-9)


def test_pot_unbalanced_on_the_equivalent_cost():
    generator = np.random.default_rng(3)
    cost, a, b = generator.random((9, 4)), np.full(9, 1 / 9), np.full(4, 1 / 4)
    place = (np.arange(9)[:, None] + 0.5) / 9 - (np.arange(4)[None] + 0.5) / 4
    whole = cost + 0.1 * distance(9, 4, 0.5) ** 2 / 2 - 0.3 / (place**2 + 1)
    options = {"method": "sinkhorn", "reg_type": "kl", "numItermax": 100_000, "stopThr": 1e-14}
    expected = ot.unbalanced.sinkhorn_unbalanced(a, b, whole, 0.1, (np.inf, 0.2), **options)
    settings = {"epsilon": 0.1, "sigma": 1.0, "moment": 0.3, "rho_b": 0.2, "tol": 1e-13, "max_iter": 100_000}
    result = otseg.temporal_ot(torch.from_numpy(cost)[None], **settings)
    np.testing.assert_allclose(result.plan[0].numpy(), expected, atol=1e-8)


def test_no_underflow_where_the_published_kernel_has_one():
    """OPW's authors warn of kernels below 1e-100; in the log domain there is none."""
    n, k, sigma = 60, 12, 0.25
    prior = np.exp(-(distance(n, k, 1) ** 2) / (2 * sigma**2))
    assert (prior == 0).any()
    for dtype in (torch.float32, torch.float64):
        cost = torch.from_numpy(scores(n, k)).to(dtype)[None]
        result = otseg.temporal_ot(cost, epsilon=0.1, sigma=sigma, moment=50.0, max_iter=5000)
        assert torch.isfinite(result.plan).all()
        assert result.converged.all()
        assert abs(float(result.plan.sum()) - 1) < 1e-3


def test_beside_gromov_structure_the_objective_is_the_sum():
    """Dense value of smoothness, order and transport terms at the plan of mirror descent."""
    n, k, epsilon, rho = 30, 4, 0.08, 0.2
    cost = np.random.default_rng(4).random((n, k))
    priors = [
        otseg.priors.TemporalSmoothness(0.3, 3),
        GaussianOrder(epsilon, 0.8),
        InverseDifferenceOrder(0.2),
        TranscriptOrder(0.05, torch.tensor([1, 0, 3, 2]), 0.75),
    ]
    solver = otseg.solvers.mirror_descent
    tensor = torch.from_numpy(cost)[None]
    settings = {"epsilon": epsilon, "rho_b": rho, "priors": priors, "solver": solver}
    result = otseg.solve(tensor, max_iter=2000, tol=1e-8, **settings)
    assert result.converged.all()
    plan = result.plan[0].numpy()
    i = np.arange(n)
    gap = np.abs(i[:, None] - i)
    band, other = ((gap > 0) & (gap <= 3)) * n / 3, 1 - np.eye(k)
    place = (i[:, None] + 0.5) / n - (np.arange(k)[None] + 0.5) / k
    square = place**2 / (1 / n**2 + 1 / k**2)
    order = epsilon * square / (2 * 0.8**2) - 0.2 / (place**2 + 1)
    order[:, [1, 0, 3, 2]] += 0.05 * square / (2 * 0.75**2)
    column = plan.sum(axis=0)
    value = ((cost + order) * plan).sum() + 0.15 * ((band @ plan @ other) * plan).sum()
    value += epsilon * (plan * np.log(plan * n * k)).sum() + rho * (column * np.log(column * k)).sum()
    assert float(result.value) == pytest.approx(value, abs=1e-9)
    # Stationary: the gradient is constant along every row.
    gradient = cost + order + 0.3 * band @ plan @ other + epsilon * np.log(plan) + rho * np.log(column)
    np.testing.assert_allclose(gradient, np.broadcast_to(gradient[:, :1], gradient.shape), atol=1e-5)
