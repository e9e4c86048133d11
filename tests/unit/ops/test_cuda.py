"""The CUDA kernels on a GPU: against their references, as torch expects of an op, and without waiting for the device.

`python -m benchmarks.gpu` runs this file, and its small cases once more under compute-sanitizer.
"""

import math

import pytest
import torch

import otseg
from otseg.ops.selftest import check_ops
from otseg.ops.sinkhorn import reference_sweeps
from otseg.ops.window_descent import reference_window_descent
from tests.unit.ops import test_sinkhorn, test_window_descent

STATE = otseg.backend_info()["cuda"]
DOUBLE = torch.float64
pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device"),
    pytest.mark.skipif(not STATE.startswith("loaded"), reason=f"CUDA kernels: {STATE}"),
]


def on_gpu(values):
    return [x.cuda() if isinstance(x, torch.Tensor) else x for x in values]


def sinkhorn_inputs(generator, *args, **options):
    return on_gpu(test_sinkhorn.make(generator, *args, **options))


def window_inputs(seed, *args, **options):
    return on_gpu(test_window_descent.arguments(test_window_descent.make(seed, *args, **options)))


def sinkhorn(values, sweeps=20, tol=None, translate=True):
    return torch.ops.otseg.sinkhorn_sweeps(*values, sweeps, tol, translate)


def window(values, n_iter=10, tol=None):
    return torch.ops.otseg.window_descent(*values, n_iter, tol, True)


def assert_same_sinkhorn(found, expected, dtype):
    test_sinkhorn.assert_same(found, expected, 1e-11 if dtype == DOUBLE else 1e-5)


def assert_same_window(found, expected, dtype):
    tol = 1e-9 if dtype == DOUBLE else 5e-4
    torch.testing.assert_close(found[0], expected[0], atol=tol * float(expected[0].max()), rtol=0)
    for x, y in zip((*found[1:5], found[6]), (*expected[1:5], expected[6]), strict=True):
        torch.testing.assert_close(x, y, atol=10 * tol, rtol=10 * tol)


SMALL = [(2, 1, 1), (2, 1, 7), (2, 7, 1), (3, 70, 5), (2, 700, 12), (1, 600, 19), (2, 300, 48), (2, 100, 200)]
LARGE = [(500, 64, 10), (64, 2048, 19), (3, 9000, 48), (1, 200_000, 19), (1, 300, 2048), (40, 3000, 100)]


@pytest.mark.parametrize("shape", SMALL)
def test_small_sinkhorn_is_the_reference(shape, dtype, generator):
    values = sinkhorn_inputs(generator, shape, 0.05, 0.2, 0.4, dtype)
    assert_same_sinkhorn(sinkhorn(values), reference_sweeps(*values, 20, None, True), dtype)


@pytest.mark.parametrize("shape", SMALL)
def test_small_window_is_the_reference(shape, dtype):
    values = window_inputs(7, shape, dtype=dtype)
    assert_same_window(window(values), reference_window_descent(*values, 10, None, True), dtype)


@pytest.mark.parametrize("shape", LARGE)
def test_sinkhorn_is_the_reference(shape, dtype, generator):
    values = sinkhorn_inputs(generator, shape, 0.05, 0.0, 0.4, dtype)
    assert_same_sinkhorn(sinkhorn(values), reference_sweeps(*values, 20, None, True), dtype)


@pytest.mark.parametrize("shape", LARGE)
def test_window_is_the_reference(shape, dtype):
    values = window_inputs(7, shape, dtype=dtype)
    assert_same_window(window(values), reference_window_descent(*values, 10, None, True), dtype)


@pytest.mark.parametrize("epsilon", [1.0, 1e-2, 1e-4])
@pytest.mark.parametrize(
    ("slope_a", "slope_b"),
    [(0, 0), (0, 0.3), (0.3, 0), (0.3, 0.7), (0, math.inf), (math.inf, 0), (20, 20), (math.inf, math.inf)],
)
def test_extreme_scores(epsilon, slope_a, slope_b, dtype, generator):
    values = sinkhorn_inputs(generator, (3, 900, 5), epsilon, slope_a, slope_b, dtype)
    assert_same_sinkhorn(sinkhorn(values), reference_sweeps(*values, 20, None, True), dtype)


@pytest.mark.parametrize("epsilon", [1e-3, 50.0])
@pytest.mark.parametrize(("rho_a", "rho_b"), [(math.inf, 0.0), (0.0, 0.1), (0.05, 3.0)])
@pytest.mark.parametrize("radius", [1, 1.0])
def test_extreme_windows(epsilon, rho_a, rho_b, radius):
    values = window_inputs(3, (2, 900, 5), epsilon=epsilon, rho_a=rho_a, rho_b=rho_b, radius=radius)
    assert_same_window(window(values), reference_window_descent(*values, 10, None, True), DOUBLE)


@pytest.mark.parametrize("shape", [(5, 70, 5), (5, 3000, 19)])
def test_stop_where_the_references_do(shape, generator):
    values = sinkhorn_inputs(generator, shape, 0.3, 0.0, 0.2)
    found, expected = sinkhorn(values, 60, 1e-6), reference_sweeps(*values, 60, 1e-6, True)
    assert_same_sinkhorn(found, expected, DOUBLE)
    assert torch.equal(found[2], expected[2])
    values = window_inputs(5, shape)
    found, expected = window(values, 45, 1e-3), reference_window_descent(*values, 45, 1e-3, True)
    assert_same_window(found, expected, DOUBLE)
    assert torch.equal(found[5], expected[5])


def test_empty_batch(dtype, generator):
    values = [x[:0] if isinstance(x, torch.Tensor) else x for x in sinkhorn_inputs(generator, dtype=dtype)]
    assert [len(x) for x in sinkhorn(values)] == [0] * 4
    values = [x[:0] if isinstance(x, torch.Tensor) else x for x in window_inputs(0, dtype=dtype)]
    assert [len(x) for x in window(values)] == [0] * 7


def test_any_strides(generator):
    values = sinkhorn_inputs(generator, (3, 700, 6))
    expected = sinkhorn(values)
    values[0] = values[0].permute(2, 0, 1).contiguous().permute(1, 2, 0)
    values[5] = values[5].repeat_interleave(2, dim=1)[:, ::2]
    assert all(torch.equal(x, y) for x, y in zip(sinkhorn(values), expected, strict=True))
    values = window_inputs(3, (3, 700, 6))
    expected = window(values)
    values[0] = values[0].permute(2, 0, 1).contiguous().permute(1, 2, 0)
    assert all(torch.equal(x, y) for x, y in zip(window(values), expected, strict=True))


@pytest.mark.parametrize("shape", [(3, 70, 5), (3, 3000, 19), (1, 60_000, 48)])
def test_runs_repeat_bit_for_bit(shape, dtype, generator):
    values = sinkhorn_inputs(generator, shape, 0.02, 0.1, 0.4, dtype)
    first = sinkhorn(values)
    assert all(torch.equal(x, y) for _ in range(5) for x, y in zip(sinkhorn(values), first, strict=True))
    values = window_inputs(2, shape, dtype=dtype)
    first = window(values)
    assert all(torch.equal(x, y) for _ in range(5) for x, y in zip(window(values), first, strict=True))


@pytest.mark.parametrize("shape", [(3, 70, 5), (3, 3000, 19), (1, 60_000, 19)])
def test_graphs_capture_them(shape, generator):
    """One block per problem, a cluster, and a cooperative launch."""
    for values, run in ((sinkhorn_inputs(generator, shape), sinkhorn), (window_inputs(2, shape), window)):
        expected = run(values)
        source = values[0].clone()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            found = run(values)
        values[0].zero_()
        graph.replay()
        assert not torch.equal(found[1], expected[1])
        values[0].copy_(source)
        graph.replay()
        assert all(torch.equal(x, y) for x, y in zip(found, expected, strict=True))


@pytest.mark.parametrize("tol", [None, 1e-3])
def test_nothing_waits_for_the_device(tol, generator):
    values, other = sinkhorn_inputs(generator), window_inputs(2)
    sinkhorn(values, tol=tol), window(other, tol=tol)
    mode = torch.cuda.get_sync_debug_mode()
    try:
        torch.cuda.set_sync_debug_mode("error")
        sinkhorn(values, tol=tol), window(other, tol=tol)
    finally:
        torch.cuda.set_sync_debug_mode(mode)


def test_they_run_on_the_current_stream(generator):
    values, other = sinkhorn_inputs(generator), window_inputs(2)
    expected = sinkhorn(values), window(other)
    stream = torch.cuda.Stream()
    scores = torch.zeros_like(values[0]), torch.zeros_like(other[0])
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(50_000_000)  # a kernel on another stream would see zeros
        for score, source in zip(scores, (values[0], other[0]), strict=True):
            score.copy_(source)
        found = sinkhorn([scores[0], *values[1:]]), window([scores[1], *other[1:]])
    stream.synchronize()
    for some, others in zip(found, expected, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(some, others, strict=True))


@pytest.mark.parametrize("tol", [None, 1e-3])
def test_opcheck(tol, dtype, generator):
    tests = ("test_schema", "test_faketensor", "test_aot_dispatch_dynamic")
    values = sinkhorn_inputs(generator, (2, 6, 3), dtype=dtype)
    torch.library.opcheck(torch.ops.otseg.sinkhorn_sweeps.default, (*values, 12, tol, True), test_utils=tests)
    values = window_inputs(2, (2, 6, 3), dtype=dtype)
    torch.library.opcheck(torch.ops.otseg.window_descent.default, (*values, 12, tol, True), test_utils=tests)


def test_doctor_agrees():
    checks = {check.op: check for check in check_ops("cuda")}
    assert checks["sinkhorn_sweeps"].kernel
    assert checks["window_descent"].kernel
    assert checks["viterbi"].kernel
    assert checks["sinkhorn_adjoint"].kernel
    assert all(check.ok for check in checks.values()), [check.found for check in checks.values()]


def test_solvers_give_what_they_give_on_the_cpu(generator):
    cost = torch.rand(3, 400, 7, generator=generator, dtype=DOUBLE)
    mask = torch.arange(400) < torch.tensor([400, 100, 250])[:, None]
    for door, options in (
        (otseg.sinkhorn, {"epsilon": 0.1, "rho_b": 0.3}),
        (otseg.gromov_ot, {"epsilon": 0.07, "alpha": 0.4, "radius": 0.04, "rho_b": 0.1}),
    ):
        expected = door(cost, mask=mask, grad="none", **options)
        found = door(cost.cuda(), mask=mask.cuda(), grad="none", **options)
        torch.testing.assert_close(found.plan.cpu(), expected.plan, atol=1e-12, rtol=1e-8)


def test_wrong_arguments_raise(generator):
    values = sinkhorn_inputs(generator, (2, 6, 3))
    for index, wrong, message in (
        (0, values[0][0], "`score` must be of shape"),
        (0, values[0].half(), "`score` must be float32 or float64"),
        (1, values[1][:, 1:], "`a` has the wrong shape"),
        (2, values[2].cpu(), "`b` must have the device and the dtype of `score`"),
    ):
        changed = [*values[:index], wrong, *values[index + 1 :]]
        with pytest.raises(RuntimeError, match=message):
            sinkhorn(changed)
    values = window_inputs(2, (2, 6, 3))
    with pytest.raises(RuntimeError, match="`half_width` must be int64"):
        window([*values[:7], values[7].int(), *values[8:]])
