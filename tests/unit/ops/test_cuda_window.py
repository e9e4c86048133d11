"""The CUDA kernel of window_descent, run on the CPU (cuda_host.h), against the reference in torch."""

import ctypes
import math

import pytest
import torch

from otseg.ops.window_descent import reference_window_descent
from tests.unit.ops.test_window_descent import arguments, make

DOUBLE = torch.float64


@pytest.fixture(scope="session")
def window(compile_for_host):
    """The op by the host version; also returns the number of blocks of a problem."""
    library = compile_for_host("window")

    def run(values, max_iter, tol, trace, order=0, threads=64, multiprocessors=6, resident=1):
        cost, *dense, half_width, curvature, init, step = values
        batch, n, k = cost.shape
        inputs = [cost, *(x.contiguous() for x in (*dense, curvature)), init, step]
        outputs = [cost.new_empty(*shape) for shape in ((batch, n, k), (batch, n), (batch, k), (batch,), (batch,))]
        outputs.append(cost.new_empty(batch, max_iter + 1 if trace else 0))
        n_iter = torch.empty(batch, dtype=torch.int64)
        machine = (ctypes.c_int64 * 4)(multiprocessors, resident, threads, order)
        sizes = (ctypes.c_int64 * 9)(*cost.shape, *cost.stride(), *((0, 0, 0) if init is None else init.stride()))
        pointers = [
            (ctypes.c_void_p * len(xs))(*(None if x is None else x.data_ptr() for x in xs)) for xs in (inputs, outputs)
        ]
        call = library.window_double if cost.dtype == DOUBLE else library.window_float
        width, count = (ctypes.c_void_p(x.data_ptr()) for x in (half_width.contiguous(), n_iter))
        options = ctypes.c_int64(max_iter), ctypes.c_double(-1 if tol is None else tol), int(trace)
        blocks = call(machine, sizes, pointers[0], width, *options, pointers[1], count)
        plan, f, g, objective, error, history = outputs
        return (plan, f, g, objective, error, n_iter, history), blocks

    return run


def assert_same(found, expected, dtype):
    tol = 1e-10 if dtype == DOUBLE else 2e-4
    size = float(expected[0].max())
    torch.testing.assert_close(found[0], expected[0], atol=tol * size, rtol=0)
    for x, y in zip(found[1:4], expected[1:4], strict=True):
        torch.testing.assert_close(x, y, atol=tol, rtol=tol)
    torch.testing.assert_close(found[4], expected[4], atol=10 * tol, rtol=10 * tol)
    torch.testing.assert_close(found[6], expected[6], atol=tol, rtol=tol)


@pytest.mark.parametrize("radius", [1, 0.04, 1.0])
@pytest.mark.parametrize(
    "shape", [(2, 1, 1), (2, 1, 7), (2, 7, 1), (3, 70, 5), (2, 300, 12), (1, 200, 48), (1, 9, 300)]
)
def test_is_the_reference(window, shape, radius, dtype):
    values = arguments(make(7, shape, radius=radius, dtype=dtype))
    found, _ = window(values, 6, None, True)
    assert_same(found, reference_window_descent(*values, 6, None, True), dtype)


@pytest.mark.parametrize("epsilon", [1e-3, 0.07, 50.0])
@pytest.mark.parametrize(("rho_a", "rho_b"), [(math.inf, 0.0), (0.0, 0.1), (0.05, 3.0), (2.0, 0.01)])
def test_marginals_of_every_kind(window, epsilon, rho_a, rho_b, generator):
    values = arguments(make(3, (2, 90, 5), epsilon=epsilon, rho_a=rho_a, rho_b=rho_b))
    found, blocks = window(values, 12, None, True)
    assert blocks == 1
    assert_same(found, reference_window_descent(*values, 12, None, True), DOUBLE)
    # It also rejects steps here: an iteration that leaves the objective where it was.
    assert (found[6].diff(dim=1) <= 1e-12).all()


@pytest.mark.parametrize("rho_a", [math.inf, 0.5])
def test_marginals_of_any_mass(window, rho_a, dtype):
    values = list(arguments(make(4, (2, 150, 5), rho_a=rho_a, dtype=dtype)))
    values[1], values[2] = 3 * values[1], 0.7 * values[2]
    for n_iter in (0, 6):
        expected = reference_window_descent(*values, n_iter, None, True)
        assert_same(window(values, n_iter, None, True)[0], expected, dtype)


@pytest.mark.parametrize("rho_a", [math.inf, 0.02])
def test_denormal_masses_count_as_0(window, rho_a, dtype):
    values = list(arguments(make(4, (2, 150, 5), rho_a=rho_a, rho_b=0.3, dtype=dtype)))
    (a, b), least = values[1:3], torch.finfo(dtype).smallest_normal
    a[:, :3], a[:, 140:], b[:, 2] = 0, 0, 0
    expected, _ = window(values, 6, None, True)
    assert_same(expected, reference_window_descent(*values, 6, None, True), dtype)
    a[:, :3], a[:, 140:], b[:, 2] = least / 2, least / 1000, least / 2
    assert same_bits(window(values, 6, None, True)[0], expected)


def test_start_and_fixed_step(window, dtype, generator):
    values = list(arguments(make(3, (2, 150, 5), dtype=dtype)))
    density = torch.randn(2, 5, 150, generator=generator, dtype=dtype).transpose(1, 2)  # frames contiguous
    log_b = values[2].log().unsqueeze(1)
    values[9] = density - (density + log_b).logsumexp(dim=2, keepdim=True)
    assert_same(window(values, 5, None, False)[0], reference_window_descent(*values, 5, None, False), dtype)
    values[10] = torch.tensor([0.5, 3.0], dtype=dtype)
    assert_same(window(values, 5, None, True)[0], reference_window_descent(*values, 5, None, True), dtype)
    assert_same(window(values, 0, None, True)[0], reference_window_descent(*values, 0, None, True), dtype)


def test_stops_where_the_reference_does(window):
    """Per problem, one after the other by one team; what is frozen repeats its objective in the trace."""
    values = list(arguments(make(5, (3, 150, 5))))
    values[3] = torch.tensor([0.05, 0.3, 5.0], dtype=DOUBLE)
    expected = reference_window_descent(*values, 45, 1e-3, True)
    found, blocks = window(values, 45, 1e-3, True, multiprocessors=2)
    assert blocks == 2
    assert_same(found, expected, DOUBLE)
    assert torch.equal(found[5], expected[5])
    assert len(set(expected[5].tolist())) > 1


def same_bits(found, expected):
    return all(torch.equal(x, y) for x, y in zip(found, expected, strict=True))


@pytest.mark.parametrize("shape", [(2, 150, 5), (1, 130, 40), (1, 5, 300)])
def test_needs_every_barrier_that_it_has(window, shape, dtype):
    """The order of the threads changes no bit: no result depends on who comes first."""
    values = arguments(make(2, shape, radius=0.3, dtype=dtype))
    forward, _ = window(values, 11, 1e-6, True)
    for order in (1, 2, 3):
        assert same_bits(window(values, 11, 1e-6, True, order)[0], forward)


def test_many_blocks_share_the_offsets(window):
    """More totals than a block adds up alone: the other path, on a long sequence of few frames per block."""
    values = arguments(make(2, (1, 500, 200), radius=0.3))
    found, blocks = window(values, 2, None, False, threads=32, multiprocessors=200)
    assert blocks == 125
    assert blocks * 201 > 4096
    assert_same(found, reference_window_descent(*values, 2, None, False), DOUBLE)


def test_padding_and_neighbors_change_no_bit(window, dtype, generator):
    alone = list(arguments(make(11, (1, 150, 13), dtype=dtype)))
    batch = list(arguments(make(12, (3, 250, 13), dtype=dtype)))
    batch[0] = batch[0].clone()
    batch[0][1, :150], batch[0][1, 150:] = alone[0][0], torch.randn(100, 13, generator=generator).to(dtype)
    batch[1][1] = 0
    batch[1][1, :150] = alone[1][0]
    for index in range(2, 9):
        batch[index] = batch[index].clone()
        batch[index][1] = alone[index][0]
    expected, _ = window(alone, 6, None, True)
    found, _ = window(batch, 6, None, True)
    assert torch.equal(found[0][1, :150], expected[0][0])
    assert torch.equal(found[1][1, :150], expected[1][0])
    assert same_bits([x[1] for x in found[2:]], [x[0] for x in expected[2:]])


def test_any_strides(window):
    values = list(arguments(make(3, (3, 40, 6))))
    expected, _ = window(values, 5, None, True)
    values[0] = values[0].permute(2, 0, 1).contiguous().permute(1, 2, 0)
    assert same_bits(window(values, 5, None, True)[0], expected)
    values[0] = values[0][:1].expand(3, -1, -1)
    expected = reference_window_descent(*values, 5, None, True)
    assert_same(window(values, 5, None, True)[0], expected, DOUBLE)
