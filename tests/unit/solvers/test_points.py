"""Transport between points against the dense solver, gradients of the value, annealing, and memory."""

import math
import subprocess
import sys

import hypothesis
import pytest
import torch
from hypothesis import strategies as st
from torch.autograd import gradcheck

import otseg
from otseg.costs import cosine, euclidean
from otseg.solvers import sinkhorn_points

COSTS = ("sqeuclidean", "euclidean", "cosine")
RHO = [(math.inf, math.inf), (math.inf, 0.3), (0.5, 0.2), (0.4, math.inf), (0.0, 0.5), (1.0, 0.0)]


def dense_cost(x, y, cost):
    return cosine(x, y) if cost == "cosine" else euclidean(x, y, squared=cost == "sqeuclidean")


def points(generator, batch=2, n=9, m=6, dtype=torch.float64):
    x = torch.rand(batch, n, 2, generator=generator, dtype=dtype)
    return x, torch.rand(batch, m, 2, generator=generator, dtype=dtype) + 0.3


def masses(mask, generator):
    """Random masses of total 1, some of them 0 although not masked."""
    mass = torch.rand(mask.shape, generator=generator, dtype=torch.float64) + 0.05
    mass = mass * (torch.rand(mask.shape, generator=generator) > 0.3)
    mass[:, 0] += 0.1
    mass = mass * mask
    return mass / mass.sum(dim=1, keepdim=True)


def assert_same(found, dense, mask_y, atol=1e-10):
    """``found`` is what the dense solver says."""
    problem = found.problem
    exact = torch.isinf(problem.rho_a) & torch.isinf(problem.rho_b)
    constant = torch.where(exact, (dense.problem.b * dense.g).sum(dim=1) / dense.problem.b.sum(dim=1), 0)[:, None]
    near = {"atol": atol, "rtol": 1e-9}
    torch.testing.assert_close(found.f, (dense.f + constant) * problem.mask_x, **near)
    torch.testing.assert_close(found.g, ((dense.g - constant) * mask_y), **near)
    torch.testing.assert_close(found.value, dense.value, **near)
    torch.testing.assert_close(found.marginal_a, dense.marginal_a, **near)
    torch.testing.assert_close(found.marginal_b, dense.marginal_b, **near)
    torch.testing.assert_close(found.error, dense.error, atol=atol, rtol=1e-6)
    assert torch.equal(found.n_iter, dense.n_iter)
    assert torch.equal(found.converged, dense.converged)
    y, x = problem.y, problem.x
    torch.testing.assert_close(found.apply(y), dense.plan @ y, **near)
    torch.testing.assert_close(found.apply_transposed(x), dense.plan.mT @ x, **near)
    labels = found.labels()
    received = dense.plan.gather(2, labels.clamp(min=0).unsqueeze(2)).squeeze(2)
    torch.testing.assert_close(received, dense.plan.amax(dim=2), **near)  # ties are broken by rounding
    assert torch.equal(labels == -1, ~problem.mask_x)


@st.composite
def tasks(draw):
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    batch, n, m = (draw(st.integers(1, top)) for top in (3, 12, 8))
    x, y = points(generator, batch, n, m)
    mask_x = torch.rand(batch, n, generator=generator) > 0.3
    mask_y = torch.rand(batch, m, generator=generator) > 0.3
    mask_x[:, 0] = mask_y[:, 0] = True
    values = st.sampled_from([0.0, 0.05, 1.0, 30.0, math.inf])
    rho_a, rho_b = (torch.tensor([draw(values) for _ in range(batch)], dtype=torch.float64) for _ in range(2))
    epsilon = torch.tensor([draw(st.sampled_from([0.03, 0.1, 1.0])) for _ in range(batch)], dtype=torch.float64)
    weighted = draw(st.booleans())
    a, b = (masses(mask, generator) if weighted else None for mask in (mask_x, mask_y))
    options = {"epsilon": epsilon, "rho_a": rho_a, "rho_b": rho_b}
    return x, y, a, b, mask_x, mask_y, options, draw(st.sampled_from(COSTS)), draw(st.sampled_from([300, None]))


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(task=tasks())
def test_same_as_dense(task):
    x, y, a, b, mask_x, mask_y, options, cost, memory = task
    found = sinkhorn_points(
        x, y, a, b, mask_x=mask_x, mask_y=mask_y, cost=cost, memory=memory, max_iter=60, tol=1e-6, **options
    )
    matrix = dense_cost(x, y, cost).masked_fill(~mask_y.unsqueeze(1), 0)
    weights = mask_y.double() / mask_y.sum(dim=1, keepdim=True) if b is None else b
    dense = otseg.sinkhorn(matrix, a, weights, mask=mask_x, max_iter=60, tol=1e-6, grad="none", **options)
    assert_same(found, dense, mask_y, 1e-10)


def test_float32(generator):
    x, y = points(generator, 1, 200, 150)
    for epsilon in (0.1, 0.003):
        exact = sinkhorn_points(x, y, epsilon=epsilon, tol=None, max_iter=50)
        single = sinkhorn_points(x.float(), y.float(), epsilon=epsilon, tol=None, max_iter=50)
        assert single.value.dtype == torch.float32
        torch.testing.assert_close(single.value, exact.value.float(), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(single.f, exact.f.float(), atol=1e-4, rtol=0)
        torch.testing.assert_close(single.apply(y.float()), exact.apply(y).float(), atol=1e-5, rtol=1e-3)
    half = sinkhorn_points(x.half(), y.half(), epsilon=0.1, tol=None, max_iter=50)
    assert half.value.dtype == torch.float32


@pytest.mark.parametrize("cost", COSTS)
def test_padding_and_neighbors_change_nothing(cost, generator):
    x, y = points(generator, 3)
    lengths = torch.tensor([[9, 4], [3, 6], [5, 1]])
    options = {"cost": cost, "tol": 1e-9, "start": 1.0}
    epsilon = torch.tensor([0.02, 0.3, 2.0], dtype=torch.float64)
    mask_x, mask_y = torch.arange(14) < lengths[:, :1], torch.arange(8) < lengths[:, 1:]
    padded = [torch.full((3, size, 2), math.nan, dtype=torch.float64) for size in (14, 8)]
    padded[0][:, :9], padded[1][:, :6] = x, y
    together = sinkhorn_points(*padded, epsilon=epsilon, mask_x=mask_x, mask_y=mask_y, **options)
    for i, (n, m) in enumerate(lengths.tolist()):
        alone = sinkhorn_points(x[i : i + 1, :n], y[i : i + 1, :m], epsilon=float(epsilon[i]), **options)
        for name in ("f", "g", "value", "marginal_a", "marginal_b", "error"):
            one, other = getattr(alone, name)[0], getattr(together, name)[i]
            torch.testing.assert_close(one, other[: len(one)] if one.dim() else other, atol=1e-10, rtol=0)
        assert int(alone.n_iter) == int(together.n_iter[i])
        assert together.labels()[i].tolist() == alone.labels()[0].tolist() + [-1] * (14 - n)
        values = torch.full((1, 8, 1), 7.0, dtype=torch.float64)
        moved = together.apply(values.expand(3, -1, -1))
        assert (moved[i, n:] == 0).all()
        torch.testing.assert_close(moved[i : i + 1, :n], alone.apply(values[:, :m]), atol=1e-10, rtol=0)


@pytest.mark.parametrize(("rho", "cost"), [*((rho, "sqeuclidean") for rho in RHO), (RHO[0], "euclidean")])
def test_envelope_gradient_is_that_of_converged_values(rho, cost, generator):
    x, y = points(generator, 2, 3, 2)
    logits_a, logits_b = (torch.rand(p.shape[:2], generator=generator, dtype=torch.float64) for p in (x, y))
    epsilon = torch.tensor([0.3, 0.6], dtype=torch.float64)
    rho_a, rho_b = (torch.full((2,), value, dtype=torch.float64) for value in rho)
    balanced = math.isinf(rho[0]) and math.isinf(rho[1])
    finite = [0 < value < math.inf for value in rho]

    def value(x, y, a, b, epsilon, rho_a, rho_b):
        if balanced:  # stay where both masses are equal
            a, b = a.softmax(dim=1), b.softmax(dim=1)
        return sinkhorn_points(
            x, y, a, b, epsilon=epsilon, rho_a=rho_a, rho_b=rho_b, cost=cost, tol=1e-12, max_iter=1000,
            grad="envelope",
        ).value  # fmt: skip

    inputs = [x, y, logits_a + 0.2, logits_b + 0.2, epsilon, rho_a, rho_b]
    wanted = [True] * 5 + finite
    inputs = [t.clone().requires_grad_(on) for t, on in zip(inputs, wanted, strict=True)]
    assert gradcheck(value, inputs, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("rho", RHO[:4])
def test_envelope_gradient_is_that_of_the_unrolled_dense_solver(rho, generator):
    x, y = points(generator, 2, 7, 5)
    mask_x = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])
    a = mask_x.double() / mask_x.sum(dim=1, keepdim=True)
    b = torch.tensor([[0.2, 0.3, 0.1, 0.1, 0.3], [0.5, 0.2, 0.1, 0.1, 0.1]], dtype=torch.float64)
    epsilon = torch.tensor([0.2, 0.4], dtype=torch.float64)
    inputs = [t.clone().requires_grad_() for t in (x, y, a, b, epsilon)]
    weights = torch.tensor([1.0, -2.0], dtype=torch.float64)

    def gradients(value):
        return torch.autograd.grad((weights * value).sum(), inputs)

    x, y, a, b, epsilon = inputs
    options = {"rho_a": rho[0], "rho_b": rho[1], "epsilon": epsilon, "tol": None, "max_iter": 600}
    ours = gradients(sinkhorn_points(x, y, a, b, mask_x=mask_x, grad="envelope", **options).value)
    theirs = gradients(otseg.sinkhorn(euclidean(x, y, squared=True), a, b, mask=mask_x, **options).value)
    if math.isinf(rho[0]) and math.isinf(rho[1]):  # only what keeps both masses equal has a meaning

        def tangent(a, b, epsilon=None):
            shift = ((b * inputs[3]).sum(dim=1) / inputs[3].sum(dim=1))[:, None]
            return torch.where(mask_x, a + shift, 0), b - shift

        ours, theirs = ([*g[:2], *tangent(*g[2:4]), g[4]] for g in (ours, theirs))
    for one, other in zip(ours, theirs, strict=True):
        if one.shape == mask_x.shape:
            one, other = one[mask_x], other[mask_x]
        torch.testing.assert_close(one, other, atol=1e-8, rtol=1e-7)


def test_masses_of_zero_have_their_one_sided_derivative(generator):
    x, y = points(generator, 1, 4, 3)
    a = torch.tensor([[0.5, 0.0, 0.2, 0.3]], dtype=torch.float64)
    b = torch.tensor([[0.4, 0.0, 0.3]], dtype=torch.float64)
    options = {"epsilon": 0.2, "rho_a": 0.5, "rho_b": 0.7, "tol": 1e-14, "max_iter": 5000, "grad": "envelope"}
    inputs = a.clone().requires_grad_(), b.clone().requires_grad_()
    base = sinkhorn_points(x, y, *inputs, **options).value
    grads = torch.autograd.grad(base.sum(), inputs)
    for grad, side in zip(grads, (0, 1), strict=True):
        moved = [a.clone(), b.clone()]
        moved[side][0, 1] = 1e-7
        slope = (sinkhorn_points(x, y, *moved, **options).value - base.detach()) / 1e-7
        torch.testing.assert_close(grad[:, 1], slope, atol=1e-5, rtol=0)


def test_only_the_value_is_recorded_and_only_if_asked_for(generator):
    x, y = (p.requires_grad_() for p in points(generator))
    plain = sinkhorn_points(x, y, epsilon=0.1)
    assert not plain.value.requires_grad
    result = sinkhorn_points(x, y, epsilon=0.1, grad="envelope")
    assert result.value.requires_grad
    assert torch.equal(result.value, plain.value)
    for constant in (result.f, result.g, result.marginal_a, result.marginal_b, result.error):
        assert not constant.requires_grad
    z = torch.rand(2, 6, 1, dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(result.apply(z).sum(), z)
    torch.testing.assert_close(grad[..., 0], result.marginal_b, atol=1e-12, rtol=0)


def test_annealing_reaches_the_same_solution(generator):
    x, y = points(generator, 2, 30, 20)
    epsilon = torch.tensor([3e-3, 10.0], dtype=torch.float64)
    options = {"epsilon": epsilon, "tol": 1e-7, "max_iter": 10_000}
    cold, warm = sinkhorn_points(x, y, **options), sinkhorn_points(x, y, start=2.0, **options)
    assert cold.converged.all()
    assert warm.converged.all()
    torch.testing.assert_close(warm.apply(y), cold.apply(y), atol=1e-6, rtol=0)
    assert int(warm.n_iter[1]) == int(cold.n_iter[1])  # its epsilon is above the start: nothing to anneal
    assert torch.equal(warm.f[1], cold.f[1])
    again = sinkhorn_points(x, y, init=warm, **options)
    assert (again.n_iter <= 10).all()
    pair = sinkhorn_points(x, y, init=(warm.f, warm.g), **options)
    assert torch.equal(pair.f, again.f)


def test_annealing_needs_fewer_sweeps(generator):
    x, y = points(generator, 1, 60, 60)
    cold, warm = (sinkhorn_points(x, y, epsilon=1e-3, tol=1e-3, max_iter=5000, start=start) for start in (None, 2.0))
    assert cold.converged.all()
    assert warm.converged.all()
    assert int(warm.n_iter) < 0.7 * int(cold.n_iter)


def test_one_dimensional_transport_is_sorting(generator):
    x, y = (p[..., :1] for p in points(generator, 1, 15, 15))
    result = sinkhorn_points(x, y, epsilon=1e-4, start=1.0, max_iter=1000, tol=1e-3)
    exact = (x.sort(dim=1).values - y.sort(dim=1).values).square().mean()
    value = result.value - result.problem.epsilon * math.log(15)  # the entropy of a permutation
    torch.testing.assert_close(value[0], exact, atol=2e-4, rtol=0)
    rank = x[0, :, 0].argsort().argsort()
    assert torch.equal(result.labels()[0], y[0, :, 0].argsort()[rank])


def test_translating_both_sets_changes_nothing(generator):
    x, y = points(generator)
    shift = torch.tensor([1000.0, -300.0], dtype=torch.float64)
    one, other = (sinkhorn_points(x + s, y + s, epsilon=0.05, tol=None, max_iter=20) for s in (0, shift))
    torch.testing.assert_close(one.f, other.f, atol=1e-9, rtol=0)


@pytest.mark.parametrize("rho", RHO)
def test_one_point_each(rho):
    x, y = torch.zeros(1, 1, 2), torch.ones(1, 1, 2)
    found = sinkhorn_points(x, y, epsilon=0.5, rho_a=rho[0], rho_b=rho[1])
    dense = otseg.sinkhorn(torch.full((1, 1, 1), 2.0), epsilon=0.5, rho_a=rho[0], rho_b=rho[1], grad="none")
    torch.testing.assert_close(found.value, dense.value)
    torch.testing.assert_close(found.marginal_a, dense.marginal_a)


def test_memory():
    """16000 x 10000 points: the cost would take 610 MiB, and so would the plan."""
    pytest.importorskip("resource", reason="the peak memory of a process is read through the module resource")
    code = """
import resource, torch
from otseg.solvers import sinkhorn_points
torch.set_num_threads(1)
def work(n, m):
    x, y = torch.rand(1, n, 2, requires_grad=True), torch.rand(1, m, 2)
    result = sinkhorn_points(x, y, epsilon=0.01, max_iter=1, tol=None, grad="envelope")
    result.value.sum().backward()
    return result.apply(y), result.labels()
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
work(1000, 1000)
before = peak()
work(16000, 10000)
print(peak() - before)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(found) < 60
