import warnings

import numpy as np
import pytest

from otseg.estimators.columns import as_tables, column_names, common_names, require_names

pandas = pytest.importorskip("pandas")


def table(*columns):
    return pandas.DataFrame(np.zeros((2, len(columns))), columns=list(columns))


def test_names_are_those_of_columns_that_have_some():
    assert column_names("X", table("a", "b")) == ("a", "b")
    assert column_names("X", table(0, 1)) is None
    assert column_names("X", np.zeros((2, 2))) is None
    with pytest.raises(TypeError, match=r"`X` must be of columns whose names are all strings.*got \['int', 'str'\]"):
        column_names("X", table("a", 0))


def test_recordings_agree_in_their_names():
    assert common_names([table("a", "b"), table("a", "b")]) == ("a", "b")
    assert common_names([table("a", "b"), np.zeros((2, 2))]) is None
    assert common_names([np.zeros((2, 2))]) is None
    with pytest.raises(
        ValueError, match=r"`X\[2\]` must be with the columns of X\[1\], \['a', 'b'\]; got \['b', 'a'\]"
    ):
        common_names([np.zeros((2, 2)), table("a", "b"), table("b", "a")])


def names(*values):
    return np.array(values, dtype=object)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (("b", "a"), "Feature names must be in the same order as they were in fit"),
        (("a", "c"), "unseen at fit time:\n- c\nFeature names seen at fit time, yet now missing:\n- b\n"),
        (("a",), "others. The feature names should match .*\nFeature names seen at fit time, yet now missing:\n- b\n"),
        (("a", "b", *"stuvwxyz"), "unseen at fit time:\n- s\n- t\n- u\n- v\n- w\n- \\.\\.\\.\n"),
    ],
)
def test_other_names_than_in_training_are_refused(found, message):
    with pytest.raises(ValueError, match=message):
        require_names(found, names("a", "b"))


def test_names_on_one_side_only_are_warned_of():
    with pytest.warns(UserWarning, match="X has feature names, but OTSegmenter was fitted without"):
        require_names(("a",), None)
    with pytest.warns(UserWarning, match="X does not have valid feature names, but OTSegmenter was fitted with"):
        require_names(None, names("a"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        require_names(None, None)
        require_names(("a", "b"), names("a", "b"))


def test_tables_keep_the_form_and_the_index():
    values = np.arange(4.0).reshape(2, 2)
    frame = table("a", "b").set_axis(["x", "y"])
    assert as_tables("default", ["e0", "e1"], [values], [frame])[0] is values
    first, second = as_tables("pandas", ["e0", "e1"], [values, values], [frame, values])
    pandas.testing.assert_frame_equal(first, pandas.DataFrame(values, columns=["e0", "e1"], index=["x", "y"]))
    assert list(second.index) == [0, 1]
    assert list(as_tables("pandas", ["e0", "e1"], values, frame).index) == ["x", "y"]
    assert list(as_tables("pandas", ["e0", "e1"], {"log": values}, "folder")) == ["log"]
    with pytest.raises(ValueError, match="`transform` must be one of 'default', 'pandas'; got 'polars'"):
        as_tables("polars", ["e0", "e1"], values, values)
