"""The CUDA kernel of Viterbi decoding, run on the CPU (cuda_host.h), against the reference in torch: the same bits."""

import ctypes

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otseg.ops.viterbi import reference_viterbi
from tests.strides import strided
from tests.unit.ops.test_viterbi import assert_same, chains, make, problems

INF = float("inf")
DOUBLE = torch.float64


@pytest.fixture(scope="session")
def viterbi(compile_for_host):
    """The op by the host version; with `how`, also the number of blocks, and whether transitions were kept."""
    library = compile_for_host("viterbi")

    def run(values, order=0, multiprocessors=4, shared=10**5, how=False):
        scores, transition, *dense = values
        initial, final, mask = (None if x is None else x.contiguous() for x in dense)
        path, value = torch.full(scores.shape[:2], 77), scores.new_full(scores.shape[:1], 77)
        machine = (ctypes.c_int64 * 3)(multiprocessors, shared, order)
        chain = (0 if len(transition) == 1 else transition.stride(0), *transition.stride()[1:])
        sizes = (ctypes.c_int64 * 9)(*scores.shape, *scores.stride(), *chain)
        inputs = (ctypes.c_void_p * 4)(
            *(None if x is None else x.data_ptr() for x in (scores, transition, initial, final))
        )
        pointers = [ctypes.c_void_p(None if x is None else x.data_ptr()) for x in (mask, path, value)]
        call = library.viterbi_double if scores.dtype == DOUBLE else library.viterbi_float
        found = call(machine, sizes, inputs, *pointers)
        return ((value, path), (found // 10, bool(found % 10))) if how else (value, path)

    return run


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(problem=problems())
def test_is_the_reference_on_small_problems(viterbi, problem):
    assert_same(viterbi(problem), reference_viterbi(*problem))


@pytest.mark.parametrize("kind", ["random", "free", "ordered"])
@pytest.mark.parametrize(
    ("shape", "kept"),
    [((2, 1, 1), False), ((2, 9, 1), False), ((3, 9, 2), False), ((5, 60, 7), False), ((2, 30, 32), False),
     ((2, 40, 33), True), ((2, 8, 100), True), ((1, 4, 200), False), ((1, 3, 300), False), ((1, 2, 1030), False)],
    ids=str,
)  # fmt: skip
def test_is_the_reference(viterbi, shape, kept, kind, dtype):
    for seed in range(2):
        values = make(shape, kind, dtype, seed, shared=seed == 1)
        found, how = viterbi(values, how=True)
        assert how == (min(4, shape[0]), kept)
        assert_same(found, reference_viterbi(*values))
    plain = values[0].nan_to_num(0), values[1], None, None, None
    assert_same(viterbi(plain), reference_viterbi(*plain))


@pytest.mark.parametrize("k", [5, 40])
def test_long_sequences_come_back_in_tiles(viterbi, k, dtype):
    """More back-pointers than a tile holds, and no boundary of tiles at a multiple of 16 bytes."""
    values = make((2, 2100, k), dtype=dtype)
    assert_same(viterbi(values), reference_viterbi(*values))
    values[4] = values[4].roll(1111, dims=1) & (torch.arange(2100) > 1300)  # whole tiles without a frame
    values[0] = values[0].nan_to_num(0)
    assert_same(viterbi(values), reference_viterbi(*values))


@pytest.mark.parametrize("k", [11, 45])
@pytest.mark.parametrize("kind", ["random", "free"])
def test_ties_that_rounding_makes(viterbi, kind, k, dtype):
    """Sums so large that different scores round to the same one."""
    generator = torch.Generator().manual_seed(5)
    scores = torch.randint(-3, 4, (3, 100, k), generator=generator).to(dtype)
    scores[:, 0] += 2.0**24 if dtype == torch.float32 else 2.0**53
    values = scores, chains(kind, 3, k, generator).to(dtype) / 2, None, None, None
    assert_same(viterbi(values), reference_viterbi(*values))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batch=st.integers(0, 4), n=st.sampled_from([0, 1, 2, 7, 8, 9, 31, 65]),
    k=st.sampled_from([1, 2, 3, 4, 5, 31, 32, 33, 64, 65]), kind=st.sampled_from(["random", "free", "ordered"]),
    size=st.sampled_from([1e-30, 1.0, 1e30]), order=st.integers(0, 9), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_any_sizes_strides_values_and_order_of_threads(viterbi, batch, n, k, kind, size, order, seed):
    generator = torch.Generator().manual_seed(seed)
    for dtype in (torch.float32, torch.float64):
        scores, transition, *others = make((batch, n, k), kind, dtype, seed, shared=seed % 2 == 0)
        values = [strided(x, generator) for x in (scores * size, transition, *others)]
        shared = [10**5, 10**4][seed % 2]  # transitions are kept, or read again and again
        assert_same(viterbi(values, order, 2, shared), reference_viterbi(*values))


@pytest.mark.parametrize("kind", ["random", "free"])
@pytest.mark.parametrize("shape", [(5, 60, 7), (3, 40, 100)], ids=str)
def test_one_block_takes_one_sequence_after_the_other(viterbi, shape, kind):
    """Its chain is read anew where it is another one; the order of the threads changes nothing."""
    values = make(shape, kind)
    expected = reference_viterbi(*values)
    for order in range(5):
        found, how = viterbi(values, order, multiprocessors=1, how=True)
        assert how[0] == 1
        assert_same(found, expected)


@pytest.mark.parametrize("k", [3, 40])
def test_leaving_pays_where_staying_is_dear(viterbi, k, dtype):
    """The state that is best everywhere else is reached from the second best."""
    generator = torch.Generator().manual_seed(2)
    scores = torch.randint(0, 2, (2, 30, k), generator=generator).to(dtype)
    transition = torch.where(torch.eye(k).bool(), -50.0, 0.0).to(dtype)[None]
    for forbidden in (False, True):
        if forbidden:
            scores[:, 4:9, 1:] = -INF  # one state only, which must not stay
            transition = transition.where(transition == 0, -INF)
        values = scores, transition, None, None, None
        assert_same(viterbi(values), reference_viterbi(*values))


def test_scores_that_are_no_numbers_are_not_fatal(viterbi):
    for k in (3, 100):
        for kind in ("random", "free"):
            scores, transition, *_ = make((1, 12, k), kind)
            _, path = viterbi((torch.full_like(scores, float("nan")), transition, None, None, None))
            assert (path == -1).all()
