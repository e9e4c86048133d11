import sys

import numpy as np
import pytest
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


def test_missing_pandas_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install 'otseg\[pandas\]'"):
        to_segment_table([0, 1])
