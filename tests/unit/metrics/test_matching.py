from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from otseg.metrics import match, mof

LABELS, TARGET = [[2, 2, 0, 0, 1]], [[5, 5, 5, 7, 7]]


@st.composite
def data_sets(draw, n_clusters=4, n_classes=3):
    lengths = draw(st.lists(st.integers(1, 8), min_size=1, max_size=3))
    labels = [draw(st.lists(st.integers(0, n_clusters - 1), min_size=n, max_size=n)) for n in lengths]
    target = [draw(st.lists(st.integers(0, n_classes - 1), min_size=n, max_size=n)) for n in lengths]
    return labels, target


@settings(max_examples=60, deadline=None)
@given(data_sets())
def test_no_injective_mapping_gets_more_frames_right(data):
    labels, target = data
    x, y = np.concatenate(labels), np.concatenate(target)
    best = max(np.mean(np.array(p)[x] == y) for p in permutations([0, 1, 2, -1], 4))
    matching = match(labels, target)
    assert mof(matching.apply(labels), target) == pytest.approx(best)
    assert len(set(matching.mappings[""].values())) == len(matching.mappings[""])


@settings(max_examples=30, deadline=None)
@given(data_sets(), st.randoms())
def test_the_order_of_the_videos_changes_nothing(data, random):
    labels, target = data
    index = list(range(len(labels)))
    random.shuffle(index)
    again = match([labels[i] for i in index], [target[i] for i in index])
    assert match(labels, target).mappings == again.mappings


def test_ties_give_one_mapping():
    results = {tuple(match([[0, 0, 1, 1]], [[3, 4, 3, 4]]).mappings[""].items()) for _ in range(5)}
    assert len(results) == 1
    assert sorted(dict(*results).values()) == [3, 4]


def test_leftovers_under_ignore_equal_no_class_and_stay_apart():
    matching = match([[0, 0, 0, 1, 2, 3]], [[4, 4, 4, 4, 4, 4]])
    assert matching.mappings[""] == {0: 4}
    assert matching.leftovers[""] == (1, 2, 3)
    assert matching.apply([[0, 1, 2, 3, -1, 9]])[0].tolist() == [4, -3, -4, -5, -1, -11]


def test_twice_as_many_clusters_as_classes_get_half_of_the_frames():
    target = [np.repeat(np.arange(4), 10)]
    labels = [np.repeat(np.arange(8), 5)]
    assert mof(match(labels, target, 8).apply(labels), target) == 0.5


def test_leftovers_become_background():
    matching = match(LABELS, TARGET, unmatched="background", background=(7, 9))
    assert matching.apply([[1, 0, 2, -1]])[0].tolist() == [7, 7, 5, -1]


def test_leftovers_are_refused_on_demand():
    with pytest.raises(ValueError, match=r"`labels` must be such that every cluster has a class; got \[1\] without"):
        match(LABELS, TARGET, unmatched="error")
    matching = match([[0, 1]], [[1, 0]], unmatched="error")
    assert matching.apply([[1, 0]])[0].tolist() == [0, 1]
    with pytest.raises(ValueError, match=r"got \[2\] without"):
        matching.apply([[0, 2]])


def test_a_pair_without_a_common_frame_is_no_match():
    matching = match([[0, 0, 0, 0, 1]], [[0, 0, 0, 1, 0]])
    assert matching.mappings[""] == {0: 0}
    assert matching.leftovers[""] == (1,)


def test_ignored_frames_have_no_say_in_the_matching():
    labels, target = [[0, 0, 0, 1]], [[-1, -1, -1, 2]]
    assert match(labels, target, ignore_labels=(-1,)).mappings[""] == {1: 2}


def test_background_is_matched_like_any_class():
    assert match([[0, 1]], [[0, 1]], background=(0,)).mappings[""] == {0: 0, 1: 1}


def test_each_scope_has_its_mappings():
    labels = [[0, 0, 1], [1, 1, 0], [0, 0, 1]]
    target = [[0, 0, 1], [0, 0, 1], [1, 1, 0]]
    activities = ["tea", "milk", "tea"]
    assert match(labels, target, scope="global").keys == ("", "", "")
    by_activity = match(labels, target, scope="activity", activities=activities)
    assert by_activity.keys == ("tea", "milk", "tea")
    assert by_activity.mappings["milk"] == {1: 0, 0: 1}
    assert by_activity.apply([[1]], ["milk"])[0].tolist() == [0]
    by_video = match(labels, target, scope="video")
    assert [list(x) for x in by_video.apply(labels)] == target
    with pytest.raises(ValueError, match=r"must be the 3 matched videos; got 1 sequences"):
        by_video.apply([[0]])
    with pytest.raises(ValueError, match=r"`activities\[0\]` must be one that was matched: 'tea', 'milk'; got 'x'"):
        by_activity.apply([[0]], ["x"])


def test_a_global_mapping_holds_for_other_videos():
    assert match([[0, 1]], [[3, 2]]).apply([[1, 1], [0]])[0].tolist() == [2, 2]


def test_protocol_names_every_rule():
    matching = match([[0]], [[0]], scope="video", ignore_labels=(-1, 5), background=(2,))
    assert matching.protocol == "scope=video, unmatched=ignore, ignore_labels=[-1, 5], background=[2]"


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor, lambda x: np.array(x, dtype=np.uint8)])
def test_arrays_tensors_and_lists_are_read_alike(kind):
    matching = match([kind(x) for x in LABELS], [kind(x) for x in TARGET])
    assert matching.mappings[""] == {0: 7, 2: 5}
    assert matching.apply(kind([[2, 1]]))[0].dtype == np.int64


def test_input_is_not_written_to():
    labels = np.array([0, 1, 1])
    match([labels], [[1, 0, 0]]).apply([labels])
    assert labels.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"labels": []},
            ValueError,
            r"`labels` must be a list of 1-D integer sequences, one per video; got none",
        ),
        ({"labels": [[0], [1]]}, ValueError, r"as many sequences as `target`; got 2 against 1"),
        (
            {"labels": [[0, 1]]},
            ValueError,
            r"`labels\[0\]` must be as long as `target\[0\]`; got 2 frames against 3",
        ),
        (
            {"labels": [[0, 1, -2]]},
            ValueError,
            r"`labels\[0\]` must be cluster ids of at least 0 .*; got -2",
        ),
        ({"labels": [[0.0, 1.0, 1.0]]}, TypeError, r"`labels\[0\]` must be of integers; got an array"),
        ({"labels": [[[0, 1, 1]]]}, ValueError, r"`labels\[0\]` must be 1-D"),
        ({"labels": [[]]}, ValueError, r"`labels\[0\]` must be at least one frame long"),
        ({"labels": [0, 1, 1]}, ValueError, r"Wrap a single video in a list"),
        ({"labels": torch.tensor([0, 1, 1])}, ValueError, r"Wrap a single video in a list"),
        ({"labels": torch.tensor(0)}, TypeError, r"a list of 1-D integer sequences"),
        ({"labels": "012"}, TypeError, r"a list of 1-D integer sequences"),
        ({"labels": None}, TypeError, r"a list of 1-D integer sequences"),
        (
            {"target": [[0, 0, -1]]},
            ValueError,
            r"`target\[0\]` must be at least 0; got \[-1\]. Name the label in",
        ),
        ({"ignore_labels": (0, 1)}, ValueError, r"such that some frames are left; got \(0, 1\)"),
        ({"ignore_labels": -1}, TypeError, r"`ignore_labels` must be a sequence of integers.*Write \(-1,\)"),
        ({"background": ("SIL",)}, TypeError, r"`background` must be a sequence of integers"),
        (
            {"scope": "dataset"},
            ValueError,
            r"`scope` must be one of 'global', 'activity', 'video'; got 'dataset'",
        ),
        ({"unmatched": "drop"}, ValueError, r"`unmatched` must be one of"),
        ({"unmatched": "background"}, ValueError, r"`background` must be given"),
        ({"scope": "activity"}, ValueError, r"`activities` must be given in activity scope"),
        ({"activities": ["a", "b"]}, ValueError, r"`activities` must be one name per video \(1\); got 2"),
        ({"activities": "a"}, TypeError, r"`activities` must be a list of strings"),
        ({"n_actions": 1}, ValueError, r"`labels` must be below `n_actions` \(1\); got 1"),
        ({"n_actions": 0}, ValueError, r"`n_actions` must be an integer >= 1"),
    ],
)
def test_bad_input_is_refused_at_the_door(arguments, error, message):
    arguments = {"labels": [[0, 1, 1]], "target": [[0, 0, 1]], **arguments}
    with pytest.raises(error, match=message):
        match(arguments.pop("labels"), arguments.pop("target"), **arguments)
