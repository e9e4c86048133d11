"""The CUDA kernels that do not iterate, Viterbi and Sinkhorn's implicit gradient, on a GPU: see test_cuda.py.

`python -m benchmarks.gpu` runs this file too, and its small cases once more under compute-sanitizer.
"""

import pytest
import torch

import otseg
from otseg.ops.sinkhorn_gradient import reference_adjoint
from otseg.ops.viterbi import reference_viterbi
from tests.unit.ops import test_sinkhorn_gradient, test_viterbi

STATE = otseg.backend_info()["cuda"]
DOUBLE = torch.float64
pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device"),
    pytest.mark.skipif(not STATE.startswith("loaded"), reason=f"CUDA kernels: {STATE}"),
]
viterbi, adjoint = torch.ops.otseg.viterbi, torch.ops.otseg.sinkhorn_adjoint


def on_gpu(values):
    return [x.cuda() if isinstance(x, torch.Tensor) else x for x in values]


def same_bits(found, expected):
    return all(torch.equal(x, y) for x, y in zip(found, expected, strict=True))


def assert_viterbi(shape, kind, dtype):
    for seed in range(2):
        values = test_viterbi.make(shape, kind, dtype, seed, shared=seed == 1)
        found = [x.cpu() for x in viterbi(*on_gpu(values))]
        test_viterbi.assert_same(found, torch.ops.otseg.viterbi(*values))


def assert_adjoint(shape, dtype, tau_a=1.0, tau_b=0.5):
    values = test_sinkhorn_gradient.make(shape, tau_a, tau_b)
    found = [x.double().cpu() for x in adjoint(*on_gpu([x.to(dtype) for x in values]), True)]
    expected = torch.ops.otseg.sinkhorn_adjoint(*values, True)
    test_sinkhorn_gradient.assert_same(found, expected, 1e-9 if dtype == DOUBLE else 5e-4)


@pytest.mark.parametrize("kind", ["random", "free", "ordered"])
@pytest.mark.parametrize("shape", [(2, 1, 1), (5, 60, 7), (2, 40, 33), (2, 8, 200), (0, 4, 3), (2, 0, 3)], ids=str)
def test_small_viterbi_is_the_reference(shape, kind, dtype):
    """To the bit, like the kernel of the CPU."""
    values = test_viterbi.make(shape, kind, dtype)
    test_viterbi.assert_same(viterbi(*on_gpu(values)), reference_viterbi(*on_gpu(values)))
    assert_viterbi(shape, kind, dtype)


@pytest.mark.parametrize("kind", ["random", "free", "ordered"])
@pytest.mark.parametrize("shape", [(5000, 50, 12), (3, 9000, 48), (1, 300_000, 19), (2, 400, 700), (1, 20, 1500)])
def test_viterbi_is_that_of_the_cpu(shape, kind, dtype):
    assert_viterbi(shape, kind, dtype)


@pytest.mark.parametrize(("tau_a", "tau_b"), [(1, 1), (1, 0.4), (0.6, 0.7), (0, 1)])
@pytest.mark.parametrize("shape", [(2, 1, 1), (2, 1, 7), (3, 70, 5), (2, 90, 70), (1, 5, 40), (0, 4, 3)], ids=str)
def test_small_adjoint_is_the_reference(shape, tau_a, tau_b, dtype):
    values = test_sinkhorn_gradient.make(shape, tau_a, tau_b)
    found = [x.double() for x in adjoint(*on_gpu([x.to(dtype) for x in values]), True)]
    expected = reference_adjoint(*on_gpu(values), True)
    test_sinkhorn_gradient.assert_same(found, expected, 1e-9 if dtype == DOUBLE else 5e-4)


@pytest.mark.parametrize("shape", [(700, 50, 12), (3, 9000, 48), (1, 200_000, 19), (2, 3000, 256), (1, 30, 5000)])
def test_adjoint_is_that_of_the_cpu(shape, dtype):
    assert_adjoint(shape, dtype)


def cases():
    values = on_gpu(test_viterbi.make((3, 700, 9)))
    others = on_gpu(test_sinkhorn_gradient.make((3, 700, 9), 1, 0.5))
    return (viterbi, values), (adjoint, [*others, True])


def test_runs_repeat_bit_for_bit_on_any_strides():
    for op, values in cases():
        expected = op(*values)
        assert all(same_bits(op(*values), expected) for _ in range(5))
        values[0] = values[0].permute(2, 0, 1).contiguous().permute(1, 2, 0)
        assert same_bits(op(*values), expected)


def test_graphs_capture_them_and_nothing_waits_for_the_device():
    for op, values in cases():
        expected, source = op(*values), values[0].clone()
        mode = torch.cuda.get_sync_debug_mode()
        try:
            torch.cuda.set_sync_debug_mode("error")
            op(*values)
        finally:
            torch.cuda.set_sync_debug_mode(mode)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            found = op(*values)
        values[0].zero_()
        graph.replay()
        assert not torch.equal(found[0], expected[0])
        values[0].copy_(source)
        graph.replay()
        assert same_bits(found, expected)


def test_opcheck(dtype):
    tests = ("test_schema", "test_faketensor", "test_aot_dispatch_dynamic")
    values = test_viterbi.make((2, 3, 3), dtype=dtype)
    values[0] = values[0].nan_to_num(0).clamp(min=-9)
    torch.library.opcheck(viterbi.default, tuple(on_gpu(values)), test_utils=tests)
    values = test_sinkhorn_gradient.make((2, 6, 3), dtype=dtype)
    torch.library.opcheck(adjoint.default, (*on_gpu(values), True), test_utils=tests)


def test_wrong_arguments_raise():
    values = on_gpu(test_viterbi.make((2, 6, 3)))
    with pytest.raises(RuntimeError, match="`mask` must be boolean"):
        viterbi(*values[:4], values[4].double())
    with pytest.raises(RuntimeError, match="`initial` must have the device"):
        viterbi(*values[:2], values[2].cpu(), *values[3:])
    values = on_gpu(test_sinkhorn_gradient.make((2, 300, 260)))
    with pytest.raises(RuntimeError, match="at most 256 rows or columns"):
        adjoint(*values, True)
