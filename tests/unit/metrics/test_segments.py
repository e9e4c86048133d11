import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otseg.metrics import edit, f1


def segments_of(labels, background):
    """MS-TCN: the runs of labels that are not background."""
    found, start = [], 0
    for i in range(1, len(labels) + 1):
        if i == len(labels) or labels[i] != labels[start]:
            if labels[start] not in background:
                found.append((labels[start], start, i))
            start = i
    return found


def mstcn_counts(labels, target, overlap, background):
    """MS-TCN: predictions in order, each takes the best true segment of its label, if still free."""
    predicted, true = segments_of(labels, background), segments_of(target, background)
    hits, tp, fp = [False] * len(true), 0, 0
    for label, start, stop in predicted:
        best, best_iou = None, -1.0
        for j, (true_label, true_start, true_stop) in enumerate(true):
            frames, true_frames = set(range(start, stop)), set(range(true_start, true_stop))
            iou = len(frames & true_frames) / len(frames | true_frames) * (label == true_label)
            if iou > best_iou:
                best, best_iou = j, iou
        if best is not None and best_iou >= overlap and not hits[best]:
            hits[best] = True
            tp += 1
        else:
            fp += 1
    return tp, fp, hits.count(False)


def mstcn_f1(videos, overlap, background=()):
    tp, fp, fn = np.sum([mstcn_counts(*video, overlap, background) for video in videos], axis=0)
    if tp + fp + fn == 0:
        return 1.0
    precision, recall = tp / max(tp + fp, 1), tp / max(tp + fn, 1)
    return 2 * precision * recall / (precision + recall) if tp else 0.0


def levenshtein(x, y):
    if not x or not y:
        return len(x) + len(y)
    return min(levenshtein(x[1:], y) + 1, levenshtein(x, y[1:]) + 1, levenshtein(x[1:], y[1:]) + (x[0] != y[0]))


def mstcn_edit(videos, background=()):
    scores = []
    for labels, target in videos:
        x, y = ([s[0] for s in segments_of(v, background)] for v in (labels, target))
        scores.append(1 - levenshtein(x, y) / max(len(x), len(y)) if x or y else 1.0)
    return np.mean(scores)


@st.composite
def videos(draw, max_segments=5):
    """Runs of random lengths: many overlaps at the thresholds, many repeated actions."""
    found = []
    for _ in range(draw(st.integers(1, 3))):
        runs = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5)), min_size=1, max_size=max_segments)
        x, y = ([label for label, n in draw(runs) for _ in range(n)] for _ in range(2))
        n = min(len(x), len(y))
        found.append((x[:n], y[:n]))
    return found


@settings(max_examples=150, deadline=None)
@given(videos(), st.sampled_from([(), (0,), (0, 2)]), st.sampled_from([0.1, 0.25, 0.5, 0.75, 1.0]))
def test_f1_agrees_with_the_definition(videos, background, overlap):
    labels, target = zip(*videos, strict=True)
    value = f1(labels, target, overlap=overlap, background=background)
    assert value == pytest.approx(mstcn_f1(videos, overlap, background))


@settings(max_examples=80, deadline=None)
@given(videos(), st.sampled_from([(), (1,)]))
def test_edit_agrees_with_the_definition(videos, background):
    labels, target = zip(*videos, strict=True)
    assert edit(labels, target, background=background) == pytest.approx(mstcn_edit(videos, background))


@settings(max_examples=40, deadline=None)
@given(videos())
def test_a_perfect_prediction_scores_one(videos):
    target = [y for _, y in videos]
    for background in ((), (0,), (0, 1, 2)):
        assert f1(target, target, overlap=[0.1, 1.0], background=background) == (1.0, 1.0)
        assert edit(target, target, background=background) == 1.0


def test_an_overlap_at_the_threshold_counts():
    labels, target = [[1] + [0] * 9], [[1] * 10]
    assert f1(labels, target, overlap=0.1) == pytest.approx(2 / 3)  # 1 TP, 1 FP
    assert f1(labels, target, overlap=0.11) == 0.0


def test_a_true_segment_is_found_once():
    labels, target = [[0, 0, 1, 0, 0]], [[0] * 5]
    assert f1(labels, target, overlap=0.4) == pytest.approx(2 * 1 / (3 + 1))


def test_counts_are_summed_over_videos_not_averaged():
    labels, target = [[0, 1, 0, 1], [2, 2]], [[0, 1, 0, 1], [0, 0]]
    assert f1(labels, target) == pytest.approx(2 * 4 / (5 + 5))


def test_segments_end_with_their_video():
    target = [[0, 0, 1], [1, 0, 0]]
    assert f1([[0, 0, 1], [1, 1, 1]], target) == pytest.approx(2 * 2 / (3 + 4))
    assert edit([[1, 1], [1, 1]], [[1, 1], [1, 1]]) == 1.0


def test_ignored_frames_cut_segments_and_are_not_background():
    labels, target = [[0, 0, 0, 0, 0]], [[0, 0, -1, 0, 0]]
    assert f1(labels, target, overlap=1.0, ignore_labels=(-1,)) == 1.0
    assert edit(labels, target, ignore_labels=(-1,)) == 1.0
    # As background, the frame stays, and the prediction is one segment too long.
    assert f1(labels, [[0, 0, 9, 0, 0]], overlap=0.25, background=(9,)) == pytest.approx(2 / 3)
    assert edit(labels, [[0, 0, 9, 0, 0]], background=(9,)) == 0.5
    # A video of ignored frames only is no part of the data set.
    assert edit([[0], [0]], [[0], [-1]], ignore_labels=(-1,)) == 1.0


def test_no_prediction_is_no_segment_and_no_class_is_a_false_one():
    target = [[0, 0, 0, 0]]
    assert f1([[0, 0, 0, -1]], target) == 1.0
    assert f1([[0, 0, 0, -2]], target) == pytest.approx(2 / 3)
    assert f1([[0, 0, -2, -3]], target) == 0.5
    assert edit([[0, 0, 0, -1]], target) == 1.0
    assert edit([[0, 0, -2, -3]], target) == pytest.approx(1 / 3)
    assert f1([[-1, -1, -1, -1]], target) == edit([[-1, -1, -1, -1]], target) == 0.0


@pytest.mark.parametrize(
    ("overlap", "error", "message"),
    [
        (0, ValueError, "> 0"),
        (1.5, ValueError, "<= 1"),
        ([], ValueError, "a number or several"),
        ("x", TypeError, "a number"),
    ],
)
def test_bad_overlaps_are_refused(overlap, error, message):
    with pytest.raises(error, match=rf"`overlap` must be .*{message}"):
        f1([[0]], [[0]], overlap=overlap)


def test_bad_sequences_are_refused():
    with pytest.raises(ValueError, match=r"`labels\[0\]` must be as long as `target\[0\]`; got 1 frames against 2"):
        f1([[0]], [[0, 0]])
    with pytest.raises(TypeError, match=r"`background` must be a sequence of integers; got 0 \(int\). Write \(0,\)."):
        edit([[0]], [[0]], background=0)
