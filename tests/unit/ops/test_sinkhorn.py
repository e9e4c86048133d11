"""Sinkhorn's loop: the op against its reference, padding, repeatability, extreme scores, and the compiler's view."""

import math
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import otseg
from otseg.ops.divergence import log_weight
from otseg.ops.sinkhorn import damping, reference_sweeps, sinkhorn_sweeps, slope
from otseg.ops.softmin import softmin
from tests.strategies import problems

ROOT = Path(__file__).resolve().parents[3]
STATE = otseg.backend_info()["cpu"]
compiled = pytest.mark.skipif(not STATE.startswith("loaded"), reason=f"CPU kernels: {STATE}")
DOUBLE = torch.float64


def arguments(problem, dtype=DOUBLE):
    score = -problem.linear_cost / problem.epsilon[:, None, None]
    slopes = slope(problem.rho_a, problem.epsilon), slope(problem.rho_b, problem.epsilon)
    return [x.to(dtype) for x in (score, problem.a, problem.b, *slopes, torch.zeros_like(problem.a))]


def make(generator, shape=(3, 70, 5), epsilon=0.1, slope_a=0.0, slope_b=0.0, dtype=DOUBLE):
    """Ragged problems with zero masses on both sides and forbidden entries."""
    batch, n, k = shape
    score = -torch.rand(shape, generator=generator, dtype=DOUBLE) / epsilon
    a = torch.rand(batch, n, generator=generator, dtype=DOUBLE) + 0.1
    a = a * (torch.arange(n) < torch.randint(1, n + 1, (batch, 1), generator=generator))
    a = a * ((torch.rand(batch, n, generator=generator) > 0.2) | (torch.arange(n) == 0))
    b = torch.rand(batch, k, generator=generator, dtype=DOUBLE) + 0.1
    b = b * ((torch.rand(batch, k, generator=generator) > 0.3) | (torch.arange(k) == 0))
    forbidden = (torch.rand(shape, generator=generator) < 0.2) & (a > 0).unsqueeze(2) & (b > 0).unsqueeze(1)
    forbidden[:, :, 0] = False  # every row keeps an entry,
    forbidden[:, 0] = False  # and every column
    score = score.masked_fill(forbidden, -math.inf)
    slopes = (torch.full((batch,), value, dtype=DOUBLE) for value in (slope_a, slope_b))
    a, b = a / a.sum(dim=1, keepdim=True), b / b.sum(dim=1, keepdim=True)
    f = torch.randn(batch, n, generator=generator, dtype=DOUBLE)
    return [x.to(dtype) for x in (score, a, b, *slopes, f)]


def assert_same(found, expected, tol):
    size = 1 + max(float(x.abs().max()) for x in expected[:2])
    for x, y in zip(found[:2], expected[:2], strict=True):
        torch.testing.assert_close(x, y, atol=tol * size, rtol=0)
    torch.testing.assert_close(found[3], expected[3], atol=100 * tol * size, rtol=100 * tol * size)


@compiled
@settings(max_examples=60, deadline=None)
@given(problem=problems(), sweeps=st.integers(1, 45), translate=st.booleans())
def test_kernel_is_the_reference(problem, sweeps, translate):
    for dtype, tol in ((DOUBLE, 1e-10), (torch.float32, 1e-5)):
        values = arguments(problem, dtype)
        assert_same(
            torch.ops.otseg.sinkhorn_sweeps(*values, sweeps, None, translate),
            reference_sweeps(*values, sweeps, None, translate),
            tol,
        )


@compiled
@settings(max_examples=40, deadline=None)
@given(problem=problems(), tol=st.sampled_from([1e-2, 1e-4, 1e-7]))
def test_kernel_stops_where_the_reference_does(problem, tol):
    values = arguments(problem)
    found = torch.ops.otseg.sinkhorn_sweeps(*values, 60, tol, True)
    expected = reference_sweeps(*values, 60, tol, True)
    assert_same(found, expected, 1e-10)
    assert torch.equal(found[2], expected[2])


@compiled
@pytest.mark.parametrize("epsilon", [1.0, 1e-2, 1e-4])
@pytest.mark.parametrize(
    ("slope_a", "slope_b"),
    [(0, 0), (0, 0.3), (0.3, 0), (0.3, 0.7), (0, math.inf), (math.inf, 0), (20, 20), (math.inf, math.inf)],
)
def test_extreme_scores(epsilon, slope_a, slope_b, dtype, generator):
    """The accuracy of the log domain, whatever the ratio of epsilon to the costs."""
    values = make(generator, epsilon=epsilon, slope_a=slope_a, slope_b=slope_b, dtype=dtype)
    expected = reference_sweeps(*values, 30, None, True)
    found = torch.ops.otseg.sinkhorn_sweeps(*values, 30, None, True)
    assert all(torch.isfinite(x).all() for x in found[:2])
    assert_same(found, expected, 1e-12 if dtype == DOUBLE else 1e-6)


@compiled
@pytest.mark.parametrize(
    "shape", [(2, 1, 1), (2, 1, 7), (2, 7, 1), (1, 65, 200), (1, 3000, 9), (1, 300, 64), (0, 4, 3)]
)
def test_shapes(shape, dtype, generator):
    values = make(generator, shape, 0.05, 0.0, 0.4, dtype)
    found = torch.ops.otseg.sinkhorn_sweeps(*values, 20, None, True)
    assert [x.shape for x in found] == [(shape[0], shape[1]), (shape[0], shape[2]), (shape[0],), (shape[0],)]
    if shape[0]:
        assert_same(found, reference_sweeps(*values, 20, None, True), 1e-11 if dtype == DOUBLE else 1e-5)


@compiled
@pytest.mark.parametrize("sides", [(1e-20, 0.0), (0.0, 1e-20), (1e-20, 1e-20)])
def test_tiny_masses(sides, dtype, generator):
    values = make(generator, (2, 80, 6), 0.1, *sides, dtype)
    values[1][:, 0], values[2][:, 0] = 1e-30, 1e-25
    expected = reference_sweeps(*values, 30, None, False)
    found = torch.ops.otseg.sinkhorn_sweeps(*values, 30, None, False)
    assert_same(found, expected, 1e-11 if dtype == DOUBLE else 1e-5)


@pytest.mark.parametrize("op", [torch.ops.otseg.sinkhorn_sweeps, reference_sweeps])
@pytest.mark.parametrize("slope", [0.0, 0.3])
def test_denormal_masses_count_as_0(op, slope, dtype, generator):
    values = make(generator, (2, 80, 6), 0.1, slope, slope, dtype)
    (a, b), least = values[1:3], torch.finfo(dtype).smallest_normal
    a[:, :3], b[:, 2] = 0, 0
    expected = op(*values, 12, None, True)
    a[:, :3], b[:, 2] = least / 2, least / 1000
    found = op(*values, 12, None, True)
    assert all(torch.equal(x, y) for x, y in zip(found, expected, strict=True))


@compiled
def test_padding_neighbors_and_threads_change_no_bit(dtype, generator):
    """One problem alone, padded with rubbish, and between others; with one thread and with two."""
    values = make(generator, (1, 1500, 13), 0.02, 0.0, 0.4, dtype)
    alone = torch.ops.otseg.sinkhorn_sweeps(*values, 30, 1e-4, True)
    others = make(generator, (9, 1700, 13), 0.02, 0.2, 0.1, dtype)
    padded = [x.clone() for x in others]
    padded[0][4, :1500], padded[1][4, :1500], padded[5][4, :1500] = values[0][0], values[1][0], values[5][0]
    padded[0][4, 1500:], padded[1][4, 1500:] = torch.randn(200, 13, generator=generator).to(dtype) * 1e3, 0
    padded[2][4], padded[3][4], padded[4][4] = values[2][0], values[3][0], values[4][0]
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            again = torch.ops.otseg.sinkhorn_sweeps(*values, 30, 1e-4, True)
            batch = torch.ops.otseg.sinkhorn_sweeps(*padded, 30, 1e-4, True)
            assert all(torch.equal(x, y) for x, y in zip(alone, again, strict=True))
            f, g, n_iter, error = batch
            assert torch.equal(f[4, :1500], alone[0][0])
            assert torch.equal(g[4], alone[1][0])
            assert torch.equal(n_iter[4], alone[2][0])
            assert torch.equal(error[4], alone[3][0])
    finally:
        torch.set_num_threads(threads)


@compiled
def test_any_strides(generator):
    values = make(generator, (3, 40, 6))
    expected = torch.ops.otseg.sinkhorn_sweeps(*values, 15, None, True)
    strided = [values[0].permute(2, 0, 1).contiguous().permute(1, 2, 0), *values[1:3]]
    strided = [*strided, *values[3:5], values[5].repeat_interleave(2, dim=1)[:, ::2]]
    shared = torch.ops.otseg.sinkhorn_sweeps(*strided, 15, None, True)
    assert all(torch.equal(x, y) for x, y in zip(shared, expected, strict=True))
    one = [values[0][:1].expand(3, -1, -1), *(x[:1].expand_as(x) for x in values[1:])]
    found = torch.ops.otseg.sinkhorn_sweeps(*one, 15, None, True)
    assert all(torch.equal(x, y[:1].expand_as(x)) for x, y in zip(found, expected, strict=True))


def test_fixed_point():
    """Against the definition, whichever backend runs: a converged problem satisfies both of its equations."""
    values = make(torch.Generator().manual_seed(3), epsilon=0.3, slope_b=0.2)
    score, a, b, slope_a, slope_b, _ = values
    f, g, n_iter, error = sinkhorn_sweeps(*values, 2000, 1e-13, True)
    assert (n_iter < 2000).all()
    assert (error < 1e-13).all()
    f_again = damping(slope_a)[:, None] * softmin(score, g, log_weight(b), 2)
    g_again = damping(slope_b)[:, None] * softmin(score, f, log_weight(a), 1)
    torch.testing.assert_close(f_again, f, atol=1e-11, rtol=0)
    torch.testing.assert_close(torch.where(b > 0, g_again, 0), torch.where(b > 0, g, 0), atol=1e-11, rtol=0)


def test_recorded_calls_run_the_reference(generator):
    values = make(generator, (2, 6, 3))
    values[0].requires_grad_()
    f, g, _, _ = sinkhorn_sweeps(*values, 5, None, True)
    assert f.requires_grad
    assert g.requires_grad
    half = [x.detach().bfloat16() for x in values]
    assert sinkhorn_sweeps(*half, 5, None, True)[0].dtype == torch.bfloat16


@pytest.mark.parametrize("tol", [None, 1e-3])
def test_opcheck(tol, dtype, generator):
    values = make(generator, (2, 6, 3), dtype=dtype)
    tests = ("test_schema", "test_faketensor", "test_aot_dispatch_dynamic")
    torch.library.opcheck(torch.ops.otseg.sinkhorn_sweeps.default, (*values, 12, tol, True), test_utils=tests)


@compiled
def test_compiled_with_a_stopping_test(generator):
    """One graph, although the number of sweeps depends on values."""
    values = make(generator, (2, 9, 3))
    torch._dynamo.reset()
    with torch.no_grad():
        found = torch.compile(sinkhorn_sweeps, fullgraph=True, backend="aot_eager")(*values, 50, 1e-6, True)
        expected = sinkhorn_sweeps(*values, 50, 1e-6, True)
    assert all(torch.equal(x, y) for x, y in zip(found, expected, strict=True))


@compiled
def test_wrong_arguments_raise(generator):
    values = make(generator, (2, 6, 3))
    for index, wrong, message in (
        (0, values[0][0], "`score` must be of shape"),
        (0, values[0].half(), "`score` must be float32 or float64"),
        (1, values[1][:, 1:], "`a` has the wrong shape"),
        (2, values[2].float(), "`b` must have the device and the dtype"),
        (4, values[4][:1], "`slope_b` has the wrong shape"),
    ):
        changed = [*values[:index], wrong, *values[index + 1 :]]
        with pytest.raises(RuntimeError, match=message):
            torch.ops.otseg.sinkhorn_sweeps(*changed, 5, None, True)
    with pytest.raises(RuntimeError, match="`max_iter` must be at least 1"):
        torch.ops.otseg.sinkhorn_sweeps(*values, 0, None, True)


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
def test_exp_and_log_to_a_few_ulp(tmp_path):
    """The vector functions of simd.h against libm in long double, on every instruction set that this CPU has."""
    source = Path(__file__).with_name("simd_accuracy.cpp")
    command = ["c++", "-std=c++20", "-O2", "-ffp-contract=fast", f"-I{ROOT / 'otseg_cuda' / 'csrc' / 'cpu'}"]
    subprocess.run([*command, str(source), "-o", str(tmp_path / "accuracy")], check=True)
    out = subprocess.run([tmp_path / "accuracy"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(out) >= 4
    for line in out:
        name, worst = line.rsplit(maxsplit=1)
        assert float(worst) < 2.5, f"{name}: {worst} ulp"
