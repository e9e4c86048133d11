from itertools import combinations, pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from otseg.decode import order_by_time, segments, viterbi


def random_scores(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def alignments(order, n):
    """All labels of n frames that run through every step of the transcript."""
    for cuts in combinations(range(1, n), len(order) - 1):
        bounds = [0, *cuts, n]
        yield [a for a, i, j in zip(order, bounds[:-1], bounds[1:], strict=True) for _ in range(i, j)]


def total(scores, labels):
    return float(sum(scores[n, k] for n, k in enumerate(labels)))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_ordered_is_the_best_of_all_alignments(data):
    n, seed = data.draw(st.integers(1, 7)), data.draw(st.integers(0, 99))
    order = data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=n))
    probability = data.draw(st.sampled_from([0.1, 0.5, 0.9]))
    scores = random_scores(1, n, 3, seed=seed)
    labels = viterbi(scores, transitions="ordered", order=order, self_probability=probability)[0].tolist()
    assert labels in list(alignments(order, n))
    assert total(scores[0], labels) == pytest.approx(max(total(scores[0], x) for x in alignments(order, n)))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 3), st.integers(0, 99), st.sampled_from([0.1, 0.5, 0.9]))
def test_free_is_the_most_probable_path_of_the_chain(n, n_actions, seed, p):
    scores = random_scores(1, n, n_actions, seed=seed)

    def probability(labels):
        switch = np.log((1 - p) / max(n_actions - 1, 1))
        return total(scores[0], labels) + sum(np.log(p) if i == j else switch for i, j in pairwise(labels))

    best = max(product(range(n_actions), repeat=n), key=probability)
    assert viterbi(scores, self_probability=p)[0].tolist() == list(best)


def test_uniform_transitions_give_the_argmax_and_stickier_ones_fewer_segments():
    scores = random_scores(2, 50, 4)
    assert torch.equal(viterbi(scores, self_probability=0.25), scores.argmax(dim=2))
    counts = [len(segments(viterbi(scores, self_probability=p)[0])) for p in (0.25, 0.9, 0.99, 1 - 1e-9)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[1] > counts[-1] == 1


def test_repeated_actions_are_steps_of_their_own():
    scores = torch.full((1, 7, 2), -5.0)
    for n, k in enumerate([0, 0, 1, 1, 0, 0, 1]):
        scores[0, n, k] = 0.0
    assert viterbi(scores, transitions="ordered", order=[0, 1, 0, 1])[0].tolist() == [0, 0, 1, 1, 0, 0, 1]
    assert viterbi(scores, transitions="ordered", order=[0, 1, 0])[0].tolist() in ([0, 0, 1, 1, 0, 0, 0],)


def test_as_many_frames_as_steps_leave_one_path():
    order = [2, 0, 2, 1]
    assert viterbi(random_scores(1, 4, 3), transitions="ordered", order=order)[0].tolist() == order


@pytest.mark.parametrize("transitions", ["free", "ordered"])
def test_padding_changes_nothing(transitions):
    scores = random_scores(2, 20, 3)
    orders = [[0, 1, 2, 0], [2, 1]] if transitions == "ordered" else [None, None]
    padded = torch.tensor([[0, 1, 2, 0], [2, 1, -1, -1]]) if transitions == "ordered" else None
    mask = torch.arange(20) < torch.tensor([[20], [9]])
    labels = viterbi(scores.where(mask[:, :, None], float("nan")), mask=mask, transitions=transitions, order=padded)
    for b, n in enumerate((20, 9)):
        alone = viterbi(scores[b : b + 1, :n], transitions=transitions, order=orders[b])
        assert torch.equal(labels[b, :n], alone[0])
        assert (labels[b, n:] == -1).all()


def test_forbidden_actions_are_avoided_or_leave_no_path():
    scores = torch.zeros(1, 3, 2)
    scores[0, 1, 0] = float("-inf")
    assert viterbi(scores, self_probability=0.99)[0].tolist() == [1, 1, 1]
    assert viterbi(scores, transitions="ordered", order=[0])[0].tolist() == [-1, -1, -1]


def test_half_precision():
    scores = random_scores(1, 12, 3)
    for options in ({}, {"transitions": "ordered", "order": [1, 0, 2]}):
        assert torch.equal(viterbi(scores.half(), **options), viterbi(scores.half().double(), **options))


def test_order_as_array_tensor_or_list():
    scores = random_scores(1, 6, 3)
    expected = viterbi(scores, transitions="ordered", order=[1, 2])
    for order in (np.array([1, 2]), torch.tensor([1, 2]), torch.tensor([[1, 2]]), (1, 2)):
        assert torch.equal(viterbi(scores, transitions="ordered", order=order), expected)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"scores": torch.zeros(3, 2)}, ValueError, r"`scores` must be of shape \(B, N, K\)"),
        ({"scores": torch.zeros(1, 3, 2).long()}, TypeError, r"`scores` must be a floating-point tensor"),
        ({"scores": torch.zeros(1, 0, 2)}, ValueError, r"at least one sequence, frame and action"),
        ({"scores": torch.full((1, 3, 2), float("nan"))}, ValueError, r"`scores` must be numbers or -inf"),
        ({"scores": torch.full((1, 3, 2), float("inf"))}, ValueError, r"`scores` must be numbers or -inf"),
        ({"mask": torch.ones(1, 3)}, TypeError, r"`mask` must be a boolean tensor"),
        ({"mask": torch.ones(1, 2).bool()}, ValueError, r"`mask` must be of shape \(B, N\) = \(1, 3\)"),
        ({"transitions": "left"}, ValueError, r"`transitions` must be one of 'free', 'ordered'; got 'left'"),
        (
            {"self_probability": 1.0},
            ValueError,
            r"`self_probability` must be between 0 and 1, exclusive; got 1.0",
        ),
        ({"self_probability": "x"}, TypeError, r"`self_probability` must be a number"),
        ({"order": [0]}, ValueError, r"`order` must be None for free transitions"),
        (
            {"transitions": "ordered"},
            ValueError,
            r"`order` must be given for ordered transitions.*order_by_time",
        ),
        (
            {"transitions": "ordered", "order": [0, 1, 0, 1]},
            ValueError,
            r"got 4 steps for the 3 frames of sequence 0",
        ),
        ({"transitions": "ordered", "order": []}, ValueError, r"`order` must be of shape \(L,\) or \(B, L\)"),
        ({"transitions": "ordered", "order": torch.zeros(2, 2).long()}, ValueError, r"with B = 1"),
        ({"transitions": "ordered", "order": [2]}, ValueError, r"`order` must be actions from 0 to 1"),
        ({"transitions": "ordered", "order": [0, -1, 1]}, ValueError, r"-1 only after the end"),
        ({"transitions": "ordered", "order": [-1]}, ValueError, r"-1 only after the end"),
        ({"transitions": "ordered", "order": [0.5]}, TypeError, r"`order` must be a sequence of integers"),
        (
            {"transitions": "ordered", "order": torch.zeros(1)},
            TypeError,
            r"`order` must be a sequence of integers",
        ),
    ],
)
def test_bad_input_is_refused(arguments, error, message):
    arguments = {"scores": torch.zeros(1, 3, 2), **arguments}
    with pytest.raises(error, match=message):
        viterbi(arguments.pop("scores"), **arguments)


def test_a_transcript_longer_than_the_real_frames_is_refused():
    mask = torch.tensor([[True] * 4, [True] + [False] * 3])
    with pytest.raises(ValueError, match=r"got 2 steps for the 1 frames of sequence 1"):
        viterbi(torch.zeros(2, 4, 2), mask=mask, transitions="ordered", order=[0, 1])


def test_actions_are_ordered_by_mean_relative_time():
    # Relative times: action 1 at .25 and .05, ..., .45; action 0 at .75; action 2 at .55, ..., .95.
    short, long = torch.tensor([[1, 0]]), torch.tensor([[1] * 5 + [2] * 5])
    padded = torch.cat([torch.nn.functional.pad(short, (0, 8), value=-1), long])
    assert order_by_time(padded).tolist() == [1, 0, 2]  # .75 twice: the lower action first
    assert order_by_time(short).tolist() == [1, 0]


def test_a_mask_sets_the_length_and_unlabeled_frames_take_time():
    labels = torch.tensor([[-1, -1, 3, 1, 1, 0]])
    mask = torch.tensor([[True, True, True, True, False, False]])
    assert order_by_time(labels, mask).tolist() == [3, 1]


def test_plans_weigh_frames_by_their_mass():
    plan = torch.tensor([[[0.9, 0.1], [0.0, 0.3], [0.1, 0.6]]])
    assert order_by_time(plan).tolist() == [0, 1]
    assert order_by_time(plan.flip(1)).tolist() == [1, 0]
    mask = torch.tensor([[True, True, False]])
    assert order_by_time(plan.where(mask[:, :, None], float("nan")), mask).tolist() == [0, 1]
    labels = torch.tensor([[2, 2, 0, 1], [2, 0, 1, -1]])
    one_hot = torch.nn.functional.one_hot(labels.clamp(min=0), 5).double()
    assert torch.equal(order_by_time(one_hot, labels >= 0), order_by_time(labels))


def test_order_by_time_is_a_transcript_for_viterbi():
    labels = torch.tensor([[1, 1, 0, 2, 2]])
    scores = torch.nn.functional.one_hot(labels, 3).double()
    assert torch.equal(viterbi(scores, transitions="ordered", order=order_by_time(scores)), labels)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        ([[0, 1]], TypeError, r"`x` must be a tensor"),
        (torch.tensor([0, 1]), ValueError, r"`x` must be labels \(B, N\) or plans \(B, N, K\)"),
        (torch.tensor([[-1, -1]]), ValueError, r"such that some action occurs; got none"),
        (torch.zeros(0, 3, dtype=torch.long), ValueError, r"such that some action occurs; got none"),
        (torch.zeros(1, 2, 2), ValueError, r"such that some action occurs; got none"),
        (-torch.ones(1, 2, 2), ValueError, r"mass at least 0"),
        (torch.full((1, 2, 2), float("nan")), ValueError, r"`x` must be finite"),
    ],
)
def test_order_by_time_refuses_bad_input(x, error, message):
    with pytest.raises(error, match=message):
        order_by_time(x)
