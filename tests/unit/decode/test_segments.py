import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from otseg.decode import Segment, boundaries, from_segments, merge_short, segments

labelings = st.lists(st.integers(-1, 2), max_size=20).map(lambda x: torch.tensor(x, dtype=torch.int64))


@given(labelings)
def test_round_trip(labels):
    assert torch.equal(from_segments(segments(labels), len(labels)), labels)


@given(labelings)
def test_segments_are_the_maximal_runs(labels):
    found = segments(labels)
    for start, stop, label in found:
        assert 0 <= start < stop <= len(labels)
        assert label >= 0
        assert (labels[start:stop] == label).all()
        assert start == 0 or labels[start - 1] != label
        assert stop == len(labels) or labels[stop] != label
    assert sum(stop - start for start, stop, _ in found) == int((labels >= 0).sum())
    assert found == sorted(found)


@given(labelings)
def test_boundaries_are_the_changes(labels):
    expected = [n for n in range(1, len(labels)) if labels[n] != labels[n - 1]]
    assert boundaries(labels).tolist() == expected


def test_segments_of_plain_numbers_in_any_order():
    assert from_segments([(3, 5, 1), Segment(0, 2, 7)], 6).tolist() == [7, 7, -1, 1, 1, -1]
    assert all(type(part) is int for part in segments(torch.tensor([3], dtype=torch.int32))[0])


@given(labelings, st.integers(0, 5))
def test_merged_labels_have_no_short_segment_that_touches_another(labels, least):
    merged = merge_short(labels, least)
    assert torch.equal(merged < 0, labels < 0)
    found = segments(merged)
    for left, right in itertools.pairwise(found):
        if left.stop == right.start:
            assert min(left.stop - left.start, right.stop - right.start) >= least
    if all(stop - start >= least for start, stop, _ in segments(labels)):
        assert torch.equal(merged, labels)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([0, 0, 0, 1, 2, 2], [0, 0, 0, 0, 2, 2]),  # the longer neighbor
        ([0, 0, 1, 2, 2], [0, 0, 0, 2, 2]),  # the one before, if equal
        ([0, 1, 2, 2], [1, 1, 2, 2]),  # the first of the shortest: 0 goes to 1, which is then long enough
        ([0, 0, 1, 0, 0], [0, 0, 0, 0, 0]),
        ([0, -1, 1, 2, 2], [0, -1, 2, 2, 2]),  # nothing touches 0
        ([1], [1]),
    ],
)
def test_worked_merges(labels, expected):
    before = torch.tensor(labels)
    assert merge_short(before, 2).tolist() == expected
    assert before.tolist() == labels


@pytest.mark.parametrize(
    ("parts", "n", "error", "message"),
    [
        ([(0, 3, 1)], 2, ValueError, r"`segments\[0\]` must be a non-empty range within 0 .. 2; got 0 .. 3"),
        ([(1, 1, 1)], 2, ValueError, r"non-empty range"),
        ([(-1, 1, 1)], 2, ValueError, r"non-empty range"),
        (
            [(0, 2, 1), (1, 3, 1)],
            4,
            ValueError,
            r"`segments\[1\]` must be apart from the segments before it; got 1 .. 3",
        ),
        ([(0, 1, -1)], 2, ValueError, r"`segments\[0\].label` must be at least 0; got -1"),
        ([(0, 1.0, 1)], 2, TypeError, r"`segments\[0\].stop` must be an integer"),
        ([(0, 1)], 2, TypeError, r"`segments\[0\]` must be a triple \(start, stop, label\)"),
        ([], -1, ValueError, r"`n` must be an integer >= 0; got -1"),
    ],
)
def test_bad_segments_are_refused(parts, n, error, message):
    with pytest.raises(error, match=message):
        from_segments(parts, n)


@pytest.mark.parametrize("function", [segments, boundaries, lambda x: merge_short(x, 2)])
@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (
            np.array([0, 1]),
            TypeError,
            r"`labels` must be a tensor of integers.*Convert it with torch.as_tensor.",
        ),
        ([0, 1], TypeError, r"`labels` must be a tensor of integers"),
        (torch.zeros(3), TypeError, r"`labels` must be a tensor of integers"),
        (torch.zeros(1, 3, dtype=torch.long), ValueError, r"`labels` must be of shape \(N,\).*Take one row."),
        (torch.tensor([-2]), ValueError, r"`labels` must be at least -1; got -2"),
    ],
)
def test_bad_labels_are_refused(function, labels, error, message):
    with pytest.raises(error, match=message):
        function(labels)


def test_the_shortest_segment_is_merged_first():
    assert merge_short(torch.tensor([0, 0, 1, 2, 2, 2]), 3).tolist() == [2] * 6


def test_min_length_is_checked():
    with pytest.raises(ValueError, match=r"`min_length` must be an integer >= 0"):
        merge_short(torch.tensor([0]), -1)
