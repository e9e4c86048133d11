import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from otseg.estimators import from_change_points, from_segment_table, to_change_points, to_segment_table

LABELS = st.lists(st.integers(-1, 3), min_size=1, max_size=30)


@given(LABELS, st.sampled_from(["ruptures", "aeon"]))
def test_change_points_and_back(labels, convention):
    points = to_change_points(np.array(labels), convention)
    starts = [n for n in range(1, len(labels)) if labels[n] != labels[n - 1]]
    assert points == (starts if convention == "aeon" else [*starts, len(labels)])
    actions = [labels[n] for n in [0, *starts]]
    back = from_change_points(points, len(labels), actions=actions, convention=convention)
    assert back.tolist() == labels
    numbered = from_change_points(points, len(labels), convention=convention)
    assert to_change_points(numbered, convention) == points


@pytest.mark.parametrize("convention", ["ruptures", "aeon"])
def test_no_frames(convention):
    labels = np.zeros(0, dtype=np.int64)
    assert to_change_points(labels, convention) == []
    assert len(from_change_points([], 0, convention=convention)) == 0


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([3, 2],), {}, "strictly ascending"),
        (([0, 2],), {}, "strictly ascending"),
        (([2, 4], 5), {}, "the last is n = 5; got 4"),
        (([2, 5], 5), {"convention": "aeon"}, "strictly ascending"),
        (([2, 4],), {"actions": [1]}, "one for each of 2 segments"),
        (([2],), {"convention": "claspy"}, "one of 'ruptures'"),
    ],
)
def test_wrong_change_points_are_refused(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        from_change_points(*arguments, **options)


def test_ruptures_own_partitions():
    ruptures = pytest.importorskip("ruptures")
    from ruptures.metrics import hausdorff

    signal, truth = ruptures.pw_constant(200, 2, 3, noise_std=0.1, seed=1)
    labels = from_change_points(truth, 200)
    assert to_change_points(labels) == truth
    assert all(len(np.unique(labels[start:stop])) == 1 for start, stop in zip([0, *truth], truth, strict=False))
    for found in (
        ruptures.Binseg("l2").fit(signal).predict(n_bkps=3),
        ruptures.Window(width=20, model="l2").fit(signal).predict(n_bkps=3),  # these are integers of NumPy
    ):
        again = to_change_points(from_change_points(found, 200))
        assert again == found
        assert hausdorff(again, found) == 0  # refuses partitions that do not end alike


def test_aeon_in_its_own_examples():
    # aeon.segmentation.base.BaseSegmenter (1.6): the docstrings of to_clusters and of the class; in BinSegmenter, a
    # signal that changes at frames 100 and 160 gives [100, 160]
    assert from_change_points([2, 8], 10, convention="aeon").tolist() == [0, 0, 1, 1, 1, 1, 1, 1, 2, 2]
    assert to_change_points([0, 0, 0, 0, 1, 1, 1, 1, 2, 2], "aeon") == [4, 8]
    assert to_change_points([0] * 9 + [1], "aeon") == [9]  # "the last point forms a single segment"
    assert to_change_points([0] * 5, "aeon") == []


@pytest.mark.parametrize("labels", [torch.tensor([1, 1, 0]), np.array([1, 1, 0], dtype=np.uint16), (1, 1, 0)])
def test_labels_of_any_kind(labels):
    assert to_change_points(labels) == [2, 3]


def test_numbers_that_are_not_whole_are_refused():
    with pytest.raises(TypeError, match="`labels` must be integers"):
        to_change_points([0.0, 1.5])
    with pytest.raises(TypeError, match=r"`change_points` must be of whole numbers; got 2\.5"):
        from_change_points([2.5, 4])
    with pytest.raises(TypeError, match="`actions` must be of whole numbers; got 'walk'"):
        from_change_points([2, 4], actions=["walk", "run"])


def test_aeon_needs_the_number_of_frames():
    with pytest.raises(TypeError, match="do not tell the number of frames"):
        from_change_points([2], convention="aeon")


def test_table_of_segments():
    pytest.importorskip("pandas")
    table = to_segment_table({"a": [1, 1, -1, 0], "b": [2, 2]}, frame_rate=4)
    assert list(table["recording"]) == ["a", "a", "b"]
    assert table[["start", "stop", "action"]].values.tolist() == [[0, 2, 1], [3, 4, 0], [0, 2, 2]]
    assert list(table["start_seconds"]) == [0.0, 0.75, 0.0]
    assert list(table["stop_seconds"]) == [0.5, 1.0, 0.5]
    assert list(to_segment_table([[1, 1], [0]])["recording"]) == [0, 1]
    assert list(to_segment_table(np.array([1, 1, 0]))["stop"]) == [2, 3]


@given(st.lists(LABELS, min_size=1, max_size=4))
def test_table_and_back(labels):
    pytest.importorskip("pandas")
    lengths = {i: len(x) for i, x in enumerate(labels)}
    back = from_segment_table(to_segment_table(labels)[::-1], lengths)
    assert [back[i].tolist() for i in lengths] == labels


def test_wrong_tables_are_refused():
    pandas = pytest.importorskip("pandas")
    row = {"recording": ["a", "a"], "start": [0, 1], "stop": [2, 3], "action": [0, 1]}
    with pytest.raises(ValueError, match="apart from the segments before"):
        from_segment_table(pandas.DataFrame(row))
    with pytest.raises(ValueError, match="the column 'stop'"):
        from_segment_table(pandas.DataFrame(row).drop(columns="stop"))
    with pytest.raises(ValueError, match="none for 'a'"):
        from_segment_table(pandas.DataFrame(row), {"b": 3})


def test_tables_may_keep_whole_numbers_as_floats_but_no_others():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"recording": ["a"], "start": [1.0], "stop": [3.0], "action": [2.0]})
    assert from_segment_table(table)["a"].tolist() == [-1, 2, 2]
    for column, value in (("action", "walk"), ("stop", 2.5), ("start", float("nan"))):
        wrong = table.astype({column: object})
        wrong.loc[0, column] = value
        with pytest.raises(TypeError, match="`table` must be of whole numbers"):
            from_segment_table(wrong)


def test_missing_pandas_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install 'otseg\[pandas\]'"):
        to_segment_table([0, 1])
