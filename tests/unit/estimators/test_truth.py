import numpy as np
import pytest
import torch

from otseg.estimators.recordings import read_recordings
from otseg.estimators.truth import read_truth

X = [np.zeros((3, 2)), np.zeros((2, 2))]
LISTED, LONG = read_recordings(X), read_recordings(np.concatenate(X), [3, 2])


def lists(arrays):
    assert all(array.dtype == np.int64 for array in arrays)
    return [array.tolist() for array in arrays]


@pytest.mark.parametrize("kind", [np.array, torch.tensor, tuple, lambda x: np.array(x, dtype=np.uint8)])
def test_integers_stay_what_they_are(kind):
    assert lists(read_truth([kind([5, 5, 0]), kind([2, 5])], LISTED)) == [[5, 5, 0], [2, 5]]
    assert lists(read_truth(kind([5, 5, 0, 2, 5]), LONG)) == [[5, 5, 0], [2, 5]]


def test_names_have_one_numbering_in_all_recordings():
    truth = [["walk", None, "run"], np.array(["run", "walk"])]
    assert lists(read_truth(truth, LISTED)) == [[0, -1, 1], [1, 0]]
    assert lists(read_truth({"1": ["b", "c"], "0": ["a", "a", "b"]}, LISTED)) == [[0, 0, 1], [1, 2]]
    assert lists(read_truth(np.array(["walk", "walk", "run", "run", "walk"]), LONG)) == [[0, 0, 1], [1, 0]]


def test_numbers_with_gaps():
    assert lists(read_truth([[3.0, np.nan, 1.0], np.array([1.0, 3.0])], LISTED)) == [[0, -1, 1], [1, 0]]
    objects = np.array([np.float64(3), None, np.int64(1)], dtype=object)
    assert lists(read_truth([objects, [True, False]], LISTED)) == [[0, -1, 1], [1, 2]]


def test_series():
    pandas = pytest.importorskip("pandas")
    truth = [
        pandas.Series(["walk", pandas.NA, "run"], index=[7, 8, 9]),
        pandas.Series(["run", "walk"], dtype="category"),
    ]
    assert lists(read_truth(truth, LISTED)) == [[0, -1, 1], [1, 0]]
    assert lists(read_truth([pandas.Series([1, pandas.NA, 2], dtype="Int64"), [2, 1]], LISTED)) == [[0, -1, 1], [1, 0]]


@pytest.mark.parametrize(
    ("y", "recordings", "message"),
    [
        ([[0, 0, 0]], LISTED, "`y` must be labels of 2 recordings; got 1"),
        ([[0, 0, 0], [0]], LISTED, r"`y\[1\]` must be of shape \(N,\) = \(2,\); got shape \(1,\)"),
        ([0, 0, 0, 0, 0], LISTED, "`y` must be labels of 2 recordings; got 5"),
        ([0, 0], LISTED, r"`y\[0\]` must be of shape"),
        ([0, 0, 0, 0], LONG, r"`y` must be of shape \(N,\) = \(5,\), as `X`; got shape \(4,\)"),
        ({"0": [0, 0, 0]}, LISTED, r"labels of every recording; got none for \['1'\]"),
        (None, LISTED, "`y` must be a list of labels"),
        ("walk", LISTED, "`y` must be a list of labels"),
    ],
)
def test_labels_that_do_not_fit_are_refused(y, recordings, message):
    with pytest.raises(ValueError, match=message):
        read_truth(y, recordings)
