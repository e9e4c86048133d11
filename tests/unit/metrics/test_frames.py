import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, jaccard_score

from otseg.metrics import miou, mof

pairs = st.lists(st.tuples(st.integers(-3, 4), st.integers(0, 4)), min_size=1, max_size=20)


@settings(max_examples=80, deadline=None)
@given(pairs, st.integers(0, 19))
def test_agree_with_scikit_learn(pairs, cut):
    x, y = map(np.array, zip(*pairs, strict=True))
    cut = min(cut, len(x) - 1)
    split = ([x[:cut], x[cut:]], [y[:cut], y[cut:]]) if cut else ([x], [y])
    assert mof(*split) == pytest.approx(accuracy_score(y, x))
    # scikit-learn divides by the classes named in labels: those of the ground truth
    assert miou(*split) == pytest.approx(jaccard_score(y, x, labels=np.unique(y), average="macro", zero_division=0))


def test_ignored_frames_are_dropped_before_everything():
    labels, target = [[0, 0, 1, 1]], [[-1, 0, 0, 1]]
    assert mof(labels, target, ignore_labels=(-1,)) == pytest.approx(2 / 3)
    assert miou(labels, target, ignore_labels=(-1,)) == 0.5  # class 0: 1 / 2, class 1: 1 / 2
    assert mof(labels, [[2, 0, 0, 1]], ignore_labels=(2,)) == pytest.approx(2 / 3)


def test_miou_divides_by_true_classes_and_not_by_predicted_ones():
    assert miou([[0, 0, 7, 8]], [[0, 0, 0, 0]]) == 0.5


def test_videos_count_by_their_frames():
    assert mof([[0], torch.ones(3, dtype=torch.long)], [[1], [1, 1, 1]]) == 0.75


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"`labels\[1\]` must be as long as `target\[1\]`; got 1 frames against 2"):
        mof([[0], [0]], [[0], [0, 0]])
    with pytest.raises(ValueError, match=r"some frames are left"):
        miou([[0]], [[0]], ignore_labels=(0,))
    with pytest.raises(TypeError, match=r"`labels\[0\]` must be of integers"):
        mof([np.array([True])], [[1]])
