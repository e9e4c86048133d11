"""The CUDA kernels of Sinkhorn's implicit gradient, run on the CPU (cuda_host.h), against the reference in torch."""

import ctypes
import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otseg.ops.sinkhorn_gradient import reference_adjoint
from tests.strides import strided
from tests.unit.ops.test_sinkhorn_gradient import assert_same, make

DOUBLE = torch.float64


@pytest.fixture(scope="session")
def adjoint(compile_for_host):
    """The op by the host version; with `how`, also the number of chunks, and whether the matrix was kept."""
    library = compile_for_host("adjoint")

    def run(values, wants_tau=True, order=0, shared=10**5, how=False):
        score, *others = values
        dense = [x.contiguous() for x in others]
        out = [torch.full(x.shape, 77.0, dtype=x.dtype) for x in values[:5]]
        inputs, outputs = [score, *dense], out
        sizes, strides, out_strides = list(score.shape), list(score.stride()), list(out[0].stride())
        if score.shape[1] < score.shape[2]:  # as the op does: rows are the larger side
            for x in (sizes, strides, out_strides):
                x[1], x[2] = x[2], x[1]
            inputs = [score, *(dense[i ^ 1] for i in range(8))]
            outputs = [out[i] for i in (0, 2, 1, 4, 3)]
        machine = (ctypes.c_int64 * 2)(shared, order)
        pointers = [(ctypes.c_void_p * len(xs))(*(x.data_ptr() for x in xs)) for xs in (inputs, outputs)]
        call = library.adjoint_double if score.dtype == DOUBLE else library.adjoint_float
        found = call(machine, (ctypes.c_int64 * 9)(*sizes, *strides, *out_strides), pointers[0], wants_tau, pointers[1])
        return (out, (found // 10, bool(found % 10))) if how else out

    return run


def same_bits(found, expected):
    return all(torch.equal(x, y) for x, y in zip(found, expected, strict=True))


@pytest.mark.parametrize(("tau_a", "tau_b"), [(1, 1), (1, 0.4), (0.3, 1), (0.6, 0.7), (1, 0), (0, 1), (0, 0)])
@pytest.mark.parametrize(
    ("shape", "chunks"),
    [((2, 1, 1), 1), ((2, 1, 7), 1), ((2, 9, 1), 1), ((3, 5, 8), 1), ((3, 70, 5), 1), ((1, 300, 11), 3),
     ((1, 90, 70), 1), ((0, 4, 3), 1)],
    ids=str,
)  # fmt: skip
def test_is_the_reference(adjoint, shape, chunks, tau_a, tau_b, dtype):
    values = make(shape, tau_a, tau_b)
    expected = reference_adjoint(*values, True)
    found, how = adjoint([x.to(dtype) for x in values], how=True)
    assert how == (chunks, True)
    assert_same([x.double() for x in found], expected, 1e-9 if dtype == DOUBLE else 2e-4)


def test_gradients_of_tau_are_0_where_they_are_not_wanted(adjoint):
    values = make((2, 9, 4), 0.6, 0.7)
    expected = adjoint(values)
    found = adjoint(values, wants_tau=False)
    assert same_bits(found[:3], expected[:3])
    assert all((x == 0).all() for x in found[3:])
    assert all(x.all() for x in expected[3:])


@pytest.mark.parametrize("shape", [(1, 130, 20), (1, 40, 130), (1, 260, 256)], ids=str)
def test_of_more_columns(adjoint, shape):
    """Squares of every size, and the matrix in global memory."""
    values = make(shape, 1.0, 0.8)
    found, how = adjoint(values, shared=10**4 if shape[1] > 100 else 10**6, how=True)
    assert how == ((2, True) if shape[2] == 20 else (1, shape[1] == 40))
    assert_same(found, reference_adjoint(*values, True), 1e-9)


@pytest.mark.parametrize("tau", [1.0, 0.7])
def test_a_pivot_that_is_not_on_the_diagonal(adjoint, tau):
    """Columns that pull on each other: 1 - A^T B is far from diagonal."""
    values = make((1, 12, 12), tau, 1.0)
    values[0] = torch.where(torch.eye(12).roll(1, 0).bool(), 6.0, -6.0).to(DOUBLE)[None]
    assert_same(adjoint(values), reference_adjoint(*values, True), 1e-9)


def test_of_masses_that_are_0_and_scores_that_are_extreme(adjoint, dtype):
    """A frame and an action without mass, columns that only one frame reaches, and scores of every size."""
    values = make((2, 40, 5), 1.0, 0.5)
    values[0] = values[0] * 300
    values[0][:, 1:, 2] = -math.inf
    values[1][:, 7], values[2][:, 4] = -math.inf, -math.inf
    expected = reference_adjoint(*values, True)
    found = adjoint([x.to(dtype) for x in values])
    assert_same([x.double() for x in found], expected, 1e-9 if dtype == DOUBLE else 1e-3)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batch=st.integers(0, 3), n=st.sampled_from([1, 2, 3, 31, 64, 65, 130]),
    k=st.sampled_from([1, 2, 3, 8, 9, 16, 17, 33]), tau=st.sampled_from([0.0, 0.5, 0.95]),
    size=st.sampled_from([1e-6, 1.0, 30.0]), order=st.integers(0, 9), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_any_sizes_strides_values_and_order_of_threads(adjoint, batch, n, k, tau, size, order, seed):
    generator = torch.Generator().manual_seed(seed)
    score, *others = make((batch, n, k), 1, tau, DOUBLE, generator)
    for dtype, tol in ((DOUBLE, 1e-10), (torch.float32, 1e-3)):
        values = [strided(x.to(dtype), generator) for x in (score * size, *others)]
        expected = reference_adjoint(*(x.double() for x in values), True)
        found = adjoint(values, order=order)
        assert_same([x.double() for x in found], expected, tol)
        assert same_bits(adjoint([x.contiguous() for x in values]), found)


@pytest.mark.parametrize("shape", [(2, 150, 9), (1, 20, 70)], ids=str)
def test_needs_every_barrier_that_it_has(adjoint, shape, dtype):
    """The order of the threads changes no bit: no result depends on who comes first."""
    values = make(shape, 1.0, 0.5, dtype)
    expected = adjoint(values)
    for order in (1, 2, 3, 4):
        assert same_bits(adjoint(values, order=order), expected)
        assert same_bits(adjoint(values, order=order, shared=0), adjoint(values, shared=0))


def test_padding_and_neighbors_change_no_bit(adjoint, dtype):
    generator = torch.Generator().manual_seed(1)
    alone = make((1, 200, 9), 1, 0.5, dtype, generator)
    padded = make((3, 420, 9), 1, 0.5, dtype, generator)
    for i, value in enumerate(alone):
        if value.dim() == 1 or value.shape[1] == 9:
            padded[i][1] = value[0]
        else:
            padded[i][1, :200] = value[0]
    padded[1][1, 200:] = -math.inf  # no mass
    padded[7][1, 200:] = 0  # and no gradient
    expected, how = adjoint(alone, how=True)
    assert how[0] == 2
    found, how = adjoint(padded, how=True)
    assert how[0] == 4
    found = [x[1] for x in found]
    found = [x[:200] if x.dim() and len(x) == 420 else x for x in found]
    assert same_bits(found, [x[0] for x in expected])
