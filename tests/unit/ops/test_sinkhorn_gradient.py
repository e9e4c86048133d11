"""The op of the implicit gradient: the kernel against its reference. tests/gradcheck has finite differences."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import otseg
from otseg.ops.divergence import log_weight
from otseg.ops.sinkhorn import damping, slope
from otseg.ops.sinkhorn_gradient import implicit_potentials, reference_adjoint
from tests.strategies import problems
from tests.strides import strided

STATE = otseg.backend_info()["cpu"]
compiled = pytest.mark.skipif(not STATE.startswith("loaded"), reason=f"CPU kernels: {STATE}")
DOUBLE = torch.float64
adjoint = torch.ops.otseg.sinkhorn_adjoint


def make(shape, tau_a=1.0, tau_b=1.0, dtype=DOUBLE, generator=None):
    """Potentials that are not far from solved, zero masses, forbidden entries, and gradients."""
    generator = generator or torch.Generator().manual_seed(0)
    batch, n, k = shape

    def random(*shape):
        return torch.rand(shape, generator=generator, dtype=DOUBLE)

    score = -4 * random(batch, n, k)
    forbidden = random(batch, n, k) < 0.1
    forbidden[:, :, 0] = forbidden[:, 0] = False
    score = score.masked_fill(forbidden, -math.inf)
    a, b = ((random(batch, size) + 0.1) * ((random(batch, size) > 0.2) | (torch.arange(size) == 0)) for size in (n, k))
    log_a, log_b = (log_weight(x / x.sum(dim=1, keepdim=True)) for x in (a, b))
    taus = [torch.full((batch,), tau, dtype=DOUBLE) for tau in (tau_a, tau_b)]
    g = 0.3 * random(batch, k)
    f = -tau_a * (score + (g + log_b).unsqueeze(1)).logsumexp(dim=2)
    gradients = [random(batch, size) - 0.5 for size in (n, k)]
    gradients[1] -= (gradients[0].sum(dim=1) + gradients[1].sum(dim=1))[:, None] / k  # a constant changes nothing
    return [x.to(dtype) for x in (score, log_a, log_b, *taus, f, g, *gradients)]


def assert_same(found, expected, tol):
    for x, y in zip(found, expected, strict=True):
        torch.testing.assert_close(x, y, atol=tol * (1 + float(y.abs().max() if y.numel() else 0)), rtol=0)


@compiled
@settings(max_examples=80, deadline=None)
@given(problem=problems(), seed=st.integers(0, 99))
def test_kernel_is_the_reference(problem, seed):
    result = otseg.solvers.sinkhorn(problem, max_iter=300, tol=None, grad="none")
    generator = torch.Generator().manual_seed(seed)
    scale = problem.epsilon[:, None]
    taus = [damping(slope(rho, problem.epsilon)) for rho in (problem.rho_a, problem.rho_b)]
    logs = log_weight(problem.a), log_weight(problem.b)
    # As from a change of the plan, and of sum 0: the system then has a solution where both sides are exact.
    flow = torch.randn(problem.cost.shape, generator=generator, dtype=DOUBLE) * result.plan
    score = -problem.linear_cost / scale.unsqueeze(2)
    grad_f, grad_g = flow.sum(dim=2), flow.sum(dim=1)
    total = grad_f.sum(dim=1, keepdim=True) + grad_g.sum(dim=1, keepdim=True)
    gradients = grad_f, grad_g - total / problem.b.shape[1]
    values = score, *logs, *taus, result.f / scale, result.g / scale, *gradients
    assert_same(adjoint(*values, True), reference_adjoint(*values, True), 1e-7)


@compiled
@pytest.mark.parametrize(("tau_a", "tau_b"), [(1, 1), (1, 0.4), (0.3, 1), (0.6, 0.7), (1, 0), (0, 1), (0, 0)])
@pytest.mark.parametrize(
    "shape", [(2, 1, 1), (2, 1, 7), (2, 9, 1), (3, 5, 8), (3, 70, 5), (1, 2300, 11), (1, 90, 70), (0, 4, 3)], ids=str
)
def test_shapes(shape, tau_a, tau_b, dtype):
    values = make(shape, tau_a, tau_b)
    expected = reference_adjoint(*values, True)
    found = adjoint(*(x.to(dtype) for x in values), True)
    assert all(x.dtype == dtype for x in found)
    assert_same([x.double() for x in found], expected, 1e-9 if dtype == DOUBLE else 2e-4)
    unwanted = adjoint(*values, False)
    assert_same(unwanted, reference_adjoint(*values, False), 1e-9)
    assert not any(x.any() for x in unwanted[3:])


@compiled
def test_padding_neighbors_and_threads_change_no_bit(dtype):
    generator = torch.Generator().manual_seed(1)
    alone = make((1, 3000, 9), 1, 0.5, dtype, generator)
    others = make((9, 5000, 9), 1, 0.5, dtype, generator)
    for i, value in enumerate(alone):
        if value.dim() == 1 or value.shape[1] == 9:
            others[i][4] = value[0]
        else:
            others[i][4, :3000] = value[0]
    others[1][4, 3000:] = -math.inf  # no mass
    others[7][4, 3000:] = 0  # and no gradient
    threads = torch.get_num_threads()
    expected = adjoint(*alone, True)
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            assert all(torch.equal(x, y) for x, y in zip(adjoint(*alone, True), expected, strict=True))
            for padded in ([x[3:6] for x in others], others):  # the frames of each, and the batch, are shared
                index = len(padded[0]) // 2
                found = [x[index] for x in adjoint(*padded, True)]
                found = [x[:3000] if x.dim() and len(x) == 5000 else x for x in found]
                assert all(torch.equal(x, y[0]) for x, y in zip(found, expected, strict=True))
    finally:
        torch.set_num_threads(threads)


@compiled
@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 4), st.sampled_from([1, 2, 3, 31, 64, 65, 130]), st.sampled_from([1, 2, 3, 8, 9, 16, 17, 33, 70]),
    st.sampled_from([0.0, 0.5, 0.95]), st.sampled_from([1e-6, 1.0, 30.0]), st.integers(0, 2**31),
)  # fmt: skip
def test_any_sizes_strides_and_values(batch, n, k, tau, size, seed):
    """Far from solved too: the formula holds for any potentials."""
    generator = torch.Generator().manual_seed(seed)
    score, *others = make((batch, n, k), 1, tau, DOUBLE, generator)
    for dtype, tol in ((DOUBLE, 1e-10), (torch.float32, 1e-3)):
        values = [strided(x.to(dtype), generator) for x in (score * size, *others)]
        expected = reference_adjoint(*(x.double() for x in values), True)
        assert_same([x.double() for x in adjoint(*values, True)], expected, tol)


@compiled
@pytest.mark.parametrize("shape", [(3, 40, 6), (3, 6, 40)], ids=str)
def test_any_strides(shape):
    values = make(shape)
    expected = adjoint(*values, True)
    score = values[0].transpose(1, 2).contiguous().transpose(1, 2)
    strided = [score, *(x.repeat_interleave(2, dim=-1)[..., ::2] for x in values[1:])]
    found = adjoint(*strided, True)
    assert all(torch.equal(x, y) for x, y in zip(found, expected, strict=True))
    assert found[0].is_contiguous()
    shared = adjoint(*(x[:1].expand_as(x) for x in values), True)
    assert all(torch.equal(x, y[:1].expand_as(y)) for x, y in zip(shared, expected, strict=True))


@compiled
def test_first_derivatives_run_the_kernel_and_second_ones_the_formula(monkeypatch):
    called = []
    monkeypatch.setattr(
        otseg.ops.sinkhorn_gradient, "reference_adjoint", lambda *x: called.append(x) or reference_adjoint(*x)
    )
    score, log_a, log_b, tau_a, tau_b, f, g, grad_f, grad_g = make((2, 6, 3), 1, 0.5)
    score.requires_grad_()

    def gradient(**options):
        found = implicit_potentials(score, log_a, log_b, tau_a, tau_b, f, g)
        return torch.autograd.grad(found, score, (grad_f, grad_g), **options)[0]

    once = gradient()
    assert not called
    again = gradient(create_graph=True)
    assert len(called) == 1
    assert again.requires_grad
    torch.testing.assert_close(once, again.detach(), atol=1e-12, rtol=0)


@pytest.mark.parametrize("shape", [(2, 6, 3), (2, 3, 6)], ids=str)
def test_opcheck(shape, dtype):
    values = make(shape, dtype=dtype)
    tests = ("test_schema", "test_faketensor", "test_aot_dispatch_dynamic")
    torch.library.opcheck(torch.ops.otseg.sinkhorn_adjoint.default, (*values, True), test_utils=tests)


@compiled
def test_wrong_arguments_raise():
    values = make((2, 6, 3))
    for index, wrong, message in (
        (0, values[0][0], "`score` must be of shape"),
        (0, values[0].half(), "`score` must be float32 or float64"),
        (1, values[1][:, 1:], "`log_a` has the wrong shape"),
        (2, values[2].float(), "`log_b` must have the device and the dtype of `score`"),
        (4, values[4][:1], "`tau_b` has the wrong shape"),
        (8, values[8][:, 1:], "`grad_g` has the wrong shape"),
    ):
        with pytest.raises(RuntimeError, match=message):
            adjoint(*values[:index], wrong, *values[index + 1 :], True)
