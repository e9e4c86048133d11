from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from otseg.plots._labels import change_points, read_videos, segments


@given(st.lists(st.integers(-2, 3), min_size=1, max_size=30))
def test_segments_rebuild_the_labels(labels):
    found = list(segments(np.array(labels)))
    assert [k for start, stop, k in found for _ in range(start, stop)] == labels
    assert all(one[2] != two[2] for one, two in pairwise(found))
    assert change_points(np.array(labels)) == [start for start, _, _ in found[1:]]


@pytest.mark.parametrize("form", [list, np.array, torch.tensor])
def test_one_video_in_every_form(form):
    videos = read_videos(form([0, 0, 1]), form([1, 1, 1]))
    assert [(p.tolist(), t.tolist()) for p, t in videos] == [([0, 0, 1], [1, 1, 1])]


def test_padding_is_cropped_where_both_lack_a_label():
    labels = torch.tensor([[0, 1, -1, -1], [-1, 1, 2, 2]])
    target = torch.tensor([[0, 1, 1, -1], [0, 0, 0, 0]])
    assert [len(p) for p, _ in read_videos(labels, target)] == [3, 4]
    assert [len(p) for p, _ in read_videos(labels, None)] == [2, 4]


def test_padded_labels_meet_targets_of_their_own_length():
    labels = torch.tensor([[0, 1, -1, -1], [1, 1, 2, 2]])
    videos = read_videos(labels, [[0, 1], [0, 0, 0, 0]])
    assert [(p.tolist(), t.tolist()) for p, t in videos] == [([0, 1], [0, 1]), ([1, 1, 2, 2], [0, 0, 0, 0])]


@pytest.mark.parametrize(
    ("labels", "target", "message"),
    [
        ([0, 1], [0, 1, 1], "`target` must be as long as `labels`; got 3 frames against 2 in sequence 0"),
        ([[0], [1]], [[0]], "`target` must be as many sequences as `labels`; got 1 against 2"),
        ([], None, "`labels` must be a sequence of integers, or one per video; got none"),
        ([[0], []], None, r"`labels\[1\]` must be at least one frame long"),
        (torch.zeros(1, 2, 3, dtype=torch.long), None, r"`labels\[0\]` must be 1-D"),
    ],
)
def test_values_are_refused(labels, target, message):
    with pytest.raises(ValueError, match=message):
        read_videos(labels, target)


@pytest.mark.parametrize(
    ("labels", "message"),
    [([0.5, 1.0], "`labels` must be of integers"), ("ab", "`labels` must be a sequence"), (3, "`labels`")],
)
def test_types_are_refused(labels, message):
    with pytest.raises(TypeError, match=message):
        read_videos(labels, None)
