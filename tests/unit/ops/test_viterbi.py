"""Viterbi: against all paths, the kernel against its reference to the bit, and the gradient of the score."""

from itertools import pairwise, product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

import otseg
from otseg.ops.viterbi import reference_viterbi, viterbi
from tests.strides import strided

INF = float("inf")
STATE = otseg.backend_info()["cpu"]
compiled = pytest.mark.skipif(not STATE.startswith("loaded"), reason=f"CPU kernels: {STATE}")


def all_paths(scores, transition, initial, final):
    """Every path of one unmasked sequence with its score."""
    for path in product(range(scores.shape[1]), repeat=scores.shape[0]):
        total = initial[path[0]] + final[path[-1]] + sum(scores[n, k] for n, k in enumerate(path))
        yield path, float(total + sum(transition[i, j] for i, j in pairwise(path)))


def numbers(draw, *shape, forbid=False):
    """Small integers (so that ties are frequent and sums exact), some -inf."""
    entry = st.integers(-2, 2) if not forbid else st.one_of(st.integers(-2, 2), st.just(-INF))
    n = int(torch.tensor(shape).prod())
    return torch.tensor(draw(st.lists(entry, min_size=n, max_size=n)), dtype=torch.float64).reshape(shape)


@st.composite
def problems(draw):
    batch, n_frames, n_states = draw(st.integers(1, 2)), draw(st.integers(1, 5)), draw(st.integers(1, 3))
    forbid = draw(st.booleans())
    scores = numbers(draw, batch, n_frames, n_states, forbid=forbid)
    transition = numbers(draw, draw(st.sampled_from([1, batch])), n_states, n_states, forbid=forbid)
    ends = [numbers(draw, batch, n_states, forbid=forbid) if draw(st.booleans()) else None for _ in range(2)]
    mask = numbers(draw, batch, n_frames) > -2 if draw(st.booleans()) else None
    return scores, transition, *ends, mask


@settings(max_examples=200, deadline=None)
@given(problems())
def test_finds_the_best_of_all_paths_and_breaks_ties_to_the_lowest_state_from_the_end(problem):
    scores, transition, initial, final, mask = problem
    paths, values = viterbi(*problem)
    zeros = torch.zeros(scores.shape[0], scores.shape[2], dtype=torch.float64)
    initial, final = (zeros if x is None else x for x in (initial, final))
    mask = torch.ones(scores.shape[:2], dtype=torch.bool) if mask is None else mask
    assert paths.dtype == torch.int64
    for b in range(len(scores)):
        assert (paths[b][~mask[b]] == -1).all()
        found = tuple(paths[b][mask[b]].tolist())
        if not found:
            assert values[b] == 0
            continue
        totals = dict(all_paths(scores[b][mask[b]], transition[b % len(transition)], initial[b], final[b]))
        best = max(totals.values())
        assert values[b] == best
        if best == -INF:
            assert set(found) == {-1}
        else:
            assert found == min((p for p, v in totals.items() if v == best), key=lambda p: p[::-1])


def test_padding_and_the_rest_of_the_batch_change_nothing():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(3, 30, 4, generator=generator)
    transition = torch.randn(3, 4, 4, generator=generator)
    lengths = torch.tensor([30, 17, 1])
    mask = torch.arange(30) < lengths[:, None]
    paths, values = viterbi(scores.where(mask[:, :, None], float("nan")), transition, mask=mask)
    for b, n in enumerate(lengths.tolist()):
        path, value = viterbi(scores[b : b + 1, :n], transition[b : b + 1])
        assert torch.equal(paths[b, :n], path[0])
        assert values[b] == value[0]
        assert (paths[b, n:] == -1).all()


def test_the_score_is_differentiable_and_counts_the_path():
    scores = torch.randn(2, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    path, value = viterbi(scores, torch.zeros(1, 3, 3, dtype=torch.float64))
    value.sum().backward()
    assert torch.equal(scores.grad, torch.nn.functional.one_hot(path, 3).double())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(dtype):
    scores = torch.full((1, 5000, 2), 1.0, dtype=dtype)
    _, value = viterbi(scores, torch.zeros(1, 2, 2, dtype=dtype))
    assert value.dtype == torch.float32
    assert value.item() == 5000


def test_no_frames():
    path, value = viterbi(torch.zeros(2, 0, 3), torch.zeros(1, 3, 3))
    assert path.shape == (2, 0)
    assert value.tolist() == [0, 0]


@pytest.mark.parametrize("shape", [(0, 4, 3), (2, 0, 3)], ids=str)
def test_gradients_of_nothing(shape):
    leaves = [torch.randn(s, requires_grad=True) for s in (shape, (1, 3, 3), (shape[0], 3), (shape[0], 3))]
    for x, leaf in zip(torch.autograd.grad(viterbi(*leaves)[1].sum(), leaves), leaves, strict=True):
        assert torch.equal(x, torch.zeros_like(leaf))


def chains(kind, batch, k, generator):
    """Transitions: random, a price for switching, or a transcript (every state is followed by itself or the next)."""
    random = torch.randint(-3, 4, (batch, k, k), generator=generator).double()
    if kind == "free":
        return torch.where(torch.eye(k).bool(), random[:, :, :1], -1.5)
    if kind == "ordered":
        jump = torch.arange(k) - torch.arange(k)[:, None]
        return random.masked_fill((jump < 0) | (jump > 1), -INF)
    return random


def make(shape, kind="random", dtype=torch.float64, seed=0, shared=False):
    """Ragged problems whose integer scores tie often, some forbidden; rubbish on masked frames."""
    generator = torch.Generator().manual_seed(seed)
    batch, n_frames, k = shape
    scores = torch.randint(-2, 3, shape, generator=generator).double()
    scores[torch.rand(shape, generator=generator) < 0.05] = -INF
    mask = torch.rand(batch, n_frames, generator=generator) < torch.rand(batch, 1, generator=generator) + 0.3
    scores = scores.masked_fill(~mask.unsqueeze(2), float("nan"))
    ends = (torch.randint(-2, 3, (batch, k), generator=generator).double() for _ in range(2))
    transition = chains(kind, 1 if shared else batch, k, generator)
    return [*(x.to(dtype) for x in (scores, transition, *ends)), mask]


def assert_same(found, expected):
    """To the bit: both add the same numbers in the same order."""
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])


@compiled
@settings(max_examples=100, deadline=None)
@given(problems())
def test_kernel_is_the_reference_on_small_problems(problem):
    assert_same(torch.ops.otseg.viterbi(*problem), reference_viterbi(*problem))


@compiled
@pytest.mark.parametrize("kind", ["random", "free", "ordered"])
@pytest.mark.parametrize(
    "shape",
    [(2, 1, 1), (2, 9, 1), (3, 9, 2), (5, 60, 7), (2, 40, 33), (2, 8, 200), (2, 6, 300), (1, 900, 5), (0, 4, 3),
     (2, 0, 3)],
    ids=str,
)  # fmt: skip
def test_kernel_is_the_reference(shape, kind, dtype):
    for seed in range(2):
        values = make(shape, kind, dtype, seed, shared=seed == 1)
        assert_same(torch.ops.otseg.viterbi(*values), reference_viterbi(*values))
        plain = *values[:2], None, None, values[4]
        assert_same(torch.ops.otseg.viterbi(*plain), reference_viterbi(*plain))


@compiled
@pytest.mark.parametrize("kind", ["random", "free"])
def test_ties_that_rounding_makes(kind, dtype):
    """Sums so large that different scores round to the same one."""
    generator = torch.Generator().manual_seed(5)
    scores = torch.randint(-3, 4, (3, 200, 11), generator=generator).to(dtype)
    scores[:, 0] += 2.0**24 if dtype == torch.float32 else 2.0**53
    transition = chains(kind, 3, 11, generator).to(dtype) / 2
    values = scores, transition, None, None, None
    assert_same(torch.ops.otseg.viterbi(*values), reference_viterbi(*values))


@compiled
@pytest.mark.parametrize("kind", ["random", "free"])
def test_kernel_with_any_strides_and_threads(kind):
    scores, transition, initial, final, mask = make((6, 700, 9), kind)
    expected = reference_viterbi(scores, transition, initial, final, mask)
    strided = (
        scores.permute(2, 0, 1).contiguous().permute(1, 2, 0),
        transition.mT.contiguous().mT,
        initial.repeat_interleave(2, dim=1)[:, ::2],
        final.mT.contiguous().mT,
        mask.mT.contiguous().mT,
    )
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            assert_same(torch.ops.otseg.viterbi(*strided), expected)
    finally:
        torch.set_num_threads(threads)
    one = (x[:1].expand(4, *x.shape[1:]) for x in (scores, transition, initial, final, mask))
    found = torch.ops.otseg.viterbi(*one)
    assert_same(found, [x[:1].expand_as(y) for x, y in zip(expected, found, strict=True)])


@compiled
@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 4), st.sampled_from([1, 2, 3, 31, 64, 65, 130]), st.sampled_from([1, 2, 3, 8, 9, 16, 17, 33, 130]),
    st.sampled_from(["random", "free", "ordered"]), st.sampled_from([1e-30, 1.0, 1e30]), st.integers(0, 2**31),
)  # fmt: skip
def test_any_sizes_strides_and_values(batch, n_frames, k, kind, size, seed):
    generator = torch.Generator().manual_seed(seed)
    for dtype in (torch.float32, torch.float64):
        scores, *others, mask = make((batch, n_frames, k), kind, dtype, seed, shared=seed % 2 == 0)
        values = [strided(x, generator) for x in (scores * size, *others, mask)]
        assert_same(torch.ops.otseg.viterbi(*values), reference_viterbi(*values))


@compiled
def test_scores_that_are_no_numbers_are_not_fatal():
    for k in (3, 300):
        for kind in ("random", "free"):
            scores, transition, *_ = make((1, 12, k), kind)
            _, path = torch.ops.otseg.viterbi(torch.full_like(scores, float("nan")), transition, None, None, None)
            assert (path == -1).all()


@compiled
def test_wrong_arguments_raise():
    values = make((2, 6, 3))
    for index, wrong, message in (
        (0, values[0][0], "`scores` must be of shape"),
        (0, values[0].half(), "`scores` must be float32 or float64"),
        (1, values[1][:, 1:], "`transition` has the wrong shape"),
        (1, values[1].float(), "`transition` must have the device and the dtype of `scores`"),
        (2, values[2][:1], "`initial` has the wrong shape"),
        (3, values[3].float(), "`final` must have the device and the dtype of `scores`"),
        (4, values[4].double(), "`mask` must be boolean"),
    ):
        with pytest.raises(RuntimeError, match=message):
            torch.ops.otseg.viterbi(*values[:index], wrong, *values[index + 1 :])


@pytest.mark.parametrize("kind", ["random", "free", "ordered"])
def test_the_gradient_counts_what_the_path_visits(kind):
    """Against the definition, ties, gaps and sequences without a frame or a path included."""
    values = make((4, 12, 3), kind, seed=3)
    values[4][3] = False
    leaves = [x.requires_grad_() for x in values[:4]]
    weight = torch.tensor([1.0, -2.0, 3.0, 5.0], dtype=torch.float64)
    path, value = viterbi(*values)
    found = torch.autograd.grad((value.where(value > -INF, 0) * weight).sum(), leaves)
    expected = [torch.zeros_like(x) for x in leaves]
    for b in range(4):
        frames = (path[b] >= 0).nonzero()[:, 0].tolist()
        states = path[b][frames].tolist()
        for n, k in zip(frames, states, strict=True):
            expected[0][b, n, k] += weight[b]
        for i, j in pairwise(states):
            expected[1][b, i, j] += weight[b]
        if states:
            expected[2][b, states[0]] += weight[b]
            expected[3][b, states[-1]] += weight[b]
    for x, y in zip(found, expected, strict=True):
        assert torch.equal(x, y)


def test_gradients_against_finite_differences():
    generator = torch.Generator().manual_seed(4)
    shapes = (3, 5, 3), (1, 3, 3), (3, 3), (3, 3)
    leaves = [torch.randn(s, generator=generator, dtype=torch.float64, requires_grad=True) for s in shapes]
    mask = torch.tensor([[True] * 5, [False, True, False, True, True], [True] + [False] * 4])
    assert gradcheck(lambda *x: viterbi(*x, mask)[1], leaves)
    assert gradgradcheck(lambda *x: viterbi(*x, mask)[1] ** 2, leaves)
    each = torch.func.vmap(torch.func.grad(lambda s: viterbi(s[None], leaves[1])[1].sum()))(leaves[0])
    (together,) = torch.autograd.grad(viterbi(*leaves[:2])[1].sum(), leaves[0])
    assert torch.equal(each, together)


def test_opcheck(dtype):
    values = make((2, 3, 3), dtype=dtype)
    values[0] = torch.where(values[0].isnan(), 0, values[0]).clamp(min=-9.0)  # finite: opcheck compares gradients
    torch.library.opcheck(torch.ops.otseg.viterbi.default, tuple(values))
    leaves = [x.requires_grad_() for x in values[:4]]
    torch.library.opcheck(torch.ops.otseg.viterbi.default, (*leaves, values[4]))
    torch.library.opcheck(torch.ops.otseg.viterbi.default, (*leaves[:2], None, None, None))


def test_compiles_without_graph_breaks(dtype):
    torch.compiler.reset()
    values = make((2, 7, 3), dtype=dtype)
    values[0].requires_grad_()
    compiled = torch.compile(viterbi, fullgraph=True, backend="aot_eager")
    found, expected = (f(*values) for f in (compiled, viterbi))
    assert_same(found, expected)
    assert torch.equal(*(torch.autograd.grad(x[1].sum(), values[0])[0] for x in (found, expected)))
