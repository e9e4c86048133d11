"""The CUDA kernel of Sinkhorn's loop, run on the CPU (cuda_host.h), against the reference in torch."""

import ctypes
import math

import pytest
import torch

from otseg.ops.sinkhorn import reference_sweeps
from tests.unit.ops.test_sinkhorn import assert_same, make

DOUBLE = torch.float64


@pytest.fixture(scope="session")
def sinkhorn(compile_for_host):
    """The op by the host version; also returns blocks per problem, and whether entries were kept in shared memory."""
    library = compile_for_host("sinkhorn")

    def run(values, max_iter, tol, translate, order=0, threads=64, multiprocessors=4, shared=10**5, resident=2):
        score, *dense = values
        dense = [x.contiguous() for x in dense]
        f, g, error = torch.empty_like(dense[0]), torch.empty_like(dense[1]), torch.empty_like(dense[2])
        n_iter = torch.empty(len(score), dtype=torch.int64)
        machine = (ctypes.c_int64 * 6)(multiprocessors, shared, resident, 0, threads, order)
        sizes = (ctypes.c_int64 * 6)(*score.shape, *score.stride())
        call = library.sinkhorn_double if score.dtype == DOUBLE else library.sinkhorn_float
        inputs = [ctypes.c_void_p(x.data_ptr()) for x in (score, *dense)]
        outputs = [ctypes.c_void_p(x.data_ptr()) for x in (f, g, n_iter, error)]
        tol = ctypes.c_double(-1 if tol is None else tol)
        how = call(machine, sizes, *inputs, ctypes.c_int64(max_iter), tol, int(translate), *outputs)
        return (f, g, n_iter, error), (how // 10, bool(how % 10))

    return run


def bits(dtype):
    return 1e-11 if dtype == DOUBLE else 1e-5


@pytest.mark.parametrize(("shape", "blocks"), [
    ((2, 1, 1), 1), ((2, 1, 7), 1), ((2, 7, 1), 1), ((3, 70, 5), 1), ((2, 300, 16), 3), ((2, 150, 19), 3),
    ((1, 200, 48), 4), ((2, 20, 200), 3), ((1, 3, 300), 1), ((1, 6, 700), 3),
])  # fmt: skip
def test_is_the_reference(sinkhorn, shape, blocks, dtype, generator):
    values = make(generator, shape, 0.05, 0.2, 0.4, dtype)
    found, how = sinkhorn(values, 12, None, True)
    assert how == (blocks, shape[2] <= 256)
    assert_same(found, reference_sweeps(*values, 12, None, True), bits(dtype))


@pytest.mark.parametrize("epsilon", [1.0, 1e-2, 1e-4])
@pytest.mark.parametrize(
    ("slope_a", "slope_b"),
    [(0, 0), (0, 0.3), (0.3, 0), (0.3, 0.7), (0, math.inf), (math.inf, 0), (20, 20), (math.inf, math.inf)],
)
def test_of_extreme_scores(sinkhorn, epsilon, slope_a, slope_b, dtype, generator):
    """The accuracy of the log domain, whatever the ratio of epsilon to the costs."""
    values = make(generator, (1, 150, 5), epsilon, slope_a, slope_b, dtype)
    found, how = sinkhorn(values, 14, None, True)
    assert how[0] == 2
    assert all(torch.isfinite(x).all() for x in found[:2])
    assert_same(found, reference_sweeps(*values, 14, None, True), 1e-12 if dtype == DOUBLE else 2e-6)


@pytest.mark.parametrize("sides", [(1e-20, 0.0), (0.0, 1e-20)])
def test_of_tiny_masses(sinkhorn, sides, dtype, generator):
    values = make(generator, (1, 80, 6), 0.1, *sides, dtype)
    values[1][:, 0], values[2][:, 0] = 1e-30, 1e-25
    assert_same(sinkhorn(values, 12, None, False)[0], reference_sweeps(*values, 12, None, False), bits(dtype))


@pytest.mark.parametrize("slope", [0.0, 0.3])
@pytest.mark.parametrize("shared", [10**5, 5000])
def test_denormal_masses_count_as_0(sinkhorn, slope, shared, dtype, generator):
    values = make(generator, (2, 80, 6), 0.1, slope, slope, dtype)
    (a, b), least = values[1:3], torch.finfo(dtype).smallest_normal
    a[:, :3], b[:, 2], b[1, 4] = 0, 0, 0
    a[:, 3], b[:, 3] = least, least  # which are masses
    expected, how = sinkhorn(values, 12, None, True, shared=shared)
    assert how[1] == (shared == 10**5)
    assert_same(expected, reference_sweeps(*values, 12, None, True), bits(dtype))
    a[:, :3], b[:, 2], b[1, 4] = least / 2, least / 2, least / 1000
    assert same_bits(sinkhorn(values, 12, None, True, shared=shared)[0], expected)


def test_columns_far_below_the_others(sinkhorn, generator):
    """Their entries are at the end of what float32 can hold: their sums must not be trusted."""
    score = torch.rand(1, 40, 3, generator=generator) - torch.tensor([0.0, 102.0, 0.0])
    a, b = torch.full((1, 40), 1 / 40), torch.full((1, 3), 1 / 3)
    values = [score, a, b, torch.zeros(1), torch.full((1,), 20.0), torch.zeros(1, 40)]
    assert_same(sinkhorn(values, 12, None, True)[0], reference_sweeps(*values, 12, None, True), 1e-6)


@pytest.mark.parametrize("tol", [1e-4, 1e-7])
def test_stops_where_the_reference_does(sinkhorn, tol, generator):
    """Per problem: three that need different numbers of sweeps, by one team of blocks after the other."""
    values = make(generator, (3, 150, 5), 0.3, 0.0, 0.2)
    values[0][1] /= 5
    values[0][2] *= 5
    expected = reference_sweeps(*values, 60, tol, True)
    found, how = sinkhorn(values, 60, tol, True, multiprocessors=3, resident=1)
    assert how[0] == 2
    assert_same(found, expected, 1e-11)
    assert torch.equal(found[2], expected[2])
    assert len(set(expected[2].tolist())) > 1


def same_bits(found, expected):
    return all(torch.equal(x, y) for x, y in zip(found, expected, strict=True))


@pytest.mark.parametrize("shape", [(2, 150, 5), (1, 40, 33), (1, 5, 300)])
def test_needs_every_barrier_that_it_has(sinkhorn, shape, dtype, generator):
    """The order of the threads changes no bit: no result depends on who comes first."""
    values = make(generator, shape, 0.02, 0.1, 0.4, dtype)
    values[2][0, 0] = 1e-30  # both paths
    forward, _ = sinkhorn(values, 3, None, True)
    for order in (1, 2, 3):
        assert same_bits(sinkhorn(values, 3, None, True, order)[0], forward)


def test_is_the_same_wherever_entries_are_kept(sinkhorn, dtype, generator):
    values = make(generator, (3, 150, 19), 0.05, 0.1, 0.4, dtype)
    kept, how = sinkhorn(values, 12, None, True)
    assert how == (3, True)
    read, how = sinkhorn(values, 12, None, True, shared=5000)
    assert how == (3, False)
    assert same_bits(read, kept)
    one_by_one, how = sinkhorn(values, 12, None, True, multiprocessors=3, resident=1)  # one team for all problems
    assert how[0] == 3
    assert same_bits(one_by_one, kept)
    wide, _ = sinkhorn(values, 12, None, True, threads=256)
    assert_same(wide, kept, bits(dtype))
    long, how = sinkhorn(values, 12, None, True, multiprocessors=1, shared=5000)  # more rows per block
    assert how == (2, False)
    assert_same(long, kept, bits(dtype))


def test_padding_and_neighbors_change_no_bit(sinkhorn, dtype, generator):
    values = make(generator, (1, 150, 13), 0.05, 0.0, 0.4, dtype)
    alone, _ = sinkhorn(values, 12, 1e-4, True)
    padded = make(generator, (3, 250, 13), 0.02, 0.2, 0.1, dtype)
    padded[0][1, :150], padded[1][1, :150], padded[5][1, :150] = values[0][0], values[1][0], values[5][0]
    padded[0][1, 150:], padded[1][1, 150:] = torch.randn(100, 13, generator=generator).to(dtype) * 1e3, 0
    padded[2][1], padded[3][1], padded[4][1] = values[2][0], values[3][0], values[4][0]
    f, g, n_iter, error = sinkhorn(padded, 12, 1e-4, True)[0]
    assert same_bits((f[1, :150], g[1], n_iter[1], error[1]), [x[0] for x in alone])


def test_takes_any_strides(sinkhorn, generator):
    values = make(generator, (3, 40, 6))
    expected, _ = sinkhorn(values, 12, None, True)
    frames_contiguous = values[0].transpose(1, 2).contiguous().transpose(1, 2)
    assert same_bits(sinkhorn([frames_contiguous, *values[1:]], 12, None, True)[0], expected)
    shared = values[0][:1].expand(3, -1, -1)
    found, _ = sinkhorn([shared, *(x[:1].expand_as(x) for x in values[1:])], 12, None, True)
    assert same_bits(found, [x[:1].expand_as(x) for x in expected])
