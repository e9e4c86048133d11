import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from otseg.data.csv_file import NOT_FEATURES
from otseg.data.files import features_shape, read_features


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


@given(
    hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.floats(-1e6, 1e6, width=32)),
    st.sampled_from(",;\t"),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
)
def test_numbers_come_back(tmp_path_factory, x, delimiter, named, newline):
    lines = [delimiter.join(f"{value:.9e}" for value in row) for row in x.tolist()]
    names = [delimiter.join(f"sensor {i}" for i in range(x.shape[1]))] if named else []
    path = write(tmp_path_factory.mktemp("csv") / "a.csv", newline.join(names + lines) + newline)
    assert features_shape(path) == x.shape
    found = read_features(path)
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found.numpy(), x)


@pytest.mark.parametrize("name", ["time", "Time", "Time (s)", "time_ms", "timestamp [us]", "Date", "index", '""', ""])
def test_columns_of_time_are_no_features(tmp_path, name):
    text = f"{name},x,y\n2024-01-01 10:00,1,2\n2024-01-01 10:01,3,4\n"
    path = write(tmp_path / "log.csv", text)
    assert features_shape(path) == (2, 2)
    assert read_features(path).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("name", ["times", "time_on_feet", "index_finger", "date of birth", "°C", "1", "runtime (s)"])
def test_other_columns_are(name):
    assert not NOT_FEATURES.fullmatch(name)


def test_what_programs_write(tmp_path):
    text = '\ufeff"acc, x";temp\n1.5;2\n\n-3;4e2\n'  # a byte order mark, quotes with a delimiter in them, a blank line
    path = write(tmp_path / "log.csv", text)
    assert features_shape(path) == (2, 2)
    assert read_features(path).tolist() == [[1.5, 2], [-3, 400]]
    write(path, ",x,y\n0,1.5,3\n1,2.5,4\n")  # as pandas does, with its index
    assert read_features(path).tolist() == [[1.5, 3], [2.5, 4]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("time,x\n", "has no frame under the names"),
        ("time,date\n1,2\n", "has no column of features, only 'time', 'date'"),
        ("x,y\n1,2\n3\n", "line 3: 1 cells, but 2 in the first line"),
        ("x,y\n1,2\n\n3,\n", "line 4, column 'y' is empty. Fill gaps"),
        ("1,2\n3,walk\n", "line 2, column 2: 'walk' is not a number. Leave out columns of text"),
        ("x;y\n1,5;2\n", "line 2, column 'x': '1,5' is not a number. Write decimals with a point"),
        ("when,x\n10:00,1\n", "line 2, column 'when': '10:00' is not a number. Leave out columns of text, and give"),
        ("x,y\n1,nan\n", "feature 1 of frame 0 is nan"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
    path = write(tmp_path / "log.csv", text)
    with pytest.raises(ValueError, match=re.escape(f"{path}: ") + ".*" + re.escape(message)):
        read_features(path)


def test_other_encodings_are_refused(tmp_path):
    path = write(tmp_path / "log.csv", "°C,x\n1,2\n", "latin-1")
    for read in (read_features, features_shape):
        with pytest.raises(ValueError, match="is not a text file in UTF-8"):
            read(path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_features(tmp_path / "nowhere.csv")
