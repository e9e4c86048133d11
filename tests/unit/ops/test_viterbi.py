from itertools import pairwise, product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from otseg.ops.viterbi import viterbi

INF = float("inf")


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


def test_compiles_without_graph_breaks():
    torch.compiler.reset()
    scores = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(2))
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    arguments = (scores, torch.zeros(1, 3, 3), None, None, mask)
    compiled = torch.compile(viterbi, fullgraph=True, backend="eager")
    for a, b in zip(compiled(*arguments), viterbi(*arguments), strict=True):
        assert torch.equal(a, b)


def test_no_frames():
    path, value = viterbi(torch.zeros(2, 0, 3), torch.zeros(1, 3, 3))
    assert path.shape == (2, 0)
    assert value.tolist() == [0, 0]
