import re
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from otseg.data.files import features_shape, read_features, read_groups, read_labels, read_mapping


def refuses(call, path, *words, error=ValueError):
    """The call fails with an error that names the file and holds all the words."""
    with pytest.raises(error, match=re.escape(str(path))) as caught:
        call(path)
    for word in words:
        assert word in str(caught.value)


def write(path, text):
    path.write_text(text)
    return path


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.floats(-1e6, 1e6, width=32)))
def test_array_and_text_hold_the_same(tmp_path_factory, x):
    folder = tmp_path_factory.mktemp("files")
    np.save(folder / "a.npy", x)
    np.savetxt(folder / "a.txt", x, fmt="%.9e")
    for path in (folder / "a.npy", folder / "a.txt"):
        assert features_shape(path) == x.shape
        found = read_features(path)
        assert found.dtype == torch.float32
        np.testing.assert_array_equal(found.numpy(), x)
        np.testing.assert_array_equal(read_features(path, transposed=True).numpy(), x.T)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, np.uint8, bool])
def test_other_dtypes_become_float32(tmp_path, dtype):
    path = tmp_path / "a.npy"
    np.save(path, np.array([[0, 1], [1, 1]], dtype=dtype))
    assert read_features(path).tolist() == [[0, 1], [1, 1]]


def test_features_do_not_share_memory_with_the_file(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.ones((2, 2), dtype=np.float32))
    x = read_features(path)
    x[:] = 5
    assert (read_features(path) == 1).all()


def test_blank_lines_in_text_features(tmp_path):
    path = write(tmp_path / "a.txt", "\n1 2\n\n3\t4\n\n")
    assert features_shape(path) == (2, 2)
    assert read_features(path).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 2\n3 4\n5\n", ["line 3: 1 numbers, but 2 before", "cut off"]),
        ("1 2\n\n3 x\n", ["line 3: 'x' is not a number"]),
        ("1,2\n", ["line 1: '1,2' is not a number", "white space"]),
        ("", ["is empty"]),
        (" \n\n", ["is empty"]),
        ("1 2\nnan 4\n5 nan\n", ["feature 0 of frame 1 is nan", "2 such values in 2 frames"]),
        ("1 2\n3 inf\n", ["feature 1 of frame 1 is inf"]),
        ("1 2\n3 1e60\n", ["feature 1 of frame 1 is inf"]),
    ],
)
def test_bad_text_features(tmp_path, text, words):
    refuses(read_features, write(tmp_path / "a.txt", text), *words)


@pytest.mark.parametrize("read", [read_features, features_shape])
def test_bad_arrays(tmp_path, read):
    good = tmp_path / "good.npy"
    np.save(good, np.ones((100, 8), dtype=np.float32))
    path = tmp_path / "bad.npy"
    for n in (1, 20, 200, len(good.read_bytes()) - 4):
        path.write_bytes(good.read_bytes()[:n])
        refuses(read, path, "not a readable array", "Copy it again")
    path.write_bytes(b"")
    refuses(read, path, "is empty")
    path.write_text("1 2 3\n")
    refuses(read, path, "not a readable array")
    np.save(path, np.array([[{}]], dtype=object), allow_pickle=True)
    refuses(read, path, "not a readable array", "np.save(path, array.astype(np.float32))")
    np.save(path, np.array([["a"]]))
    refuses(read, path, "must hold real numbers")
    np.save(path, np.ones((2, 2), dtype=np.complex64))
    refuses(read, path, "must hold real numbers")
    for shape in ((3,), (1, 3, 2), (0, 3), (3, 0)):
        np.save(path, np.ones(shape))
        refuses(read, path, f"must have shape (frames, features), and has {shape}")
    refuses(read, tmp_path / "none.npy", "does not exist", error=FileNotFoundError)
    refuses(read, tmp_path / "none.txt", "does not exist", error=FileNotFoundError)


def test_a_pickle_is_never_opened(tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(b"cos\nsystem\n(S'touch " + str(tmp_path / "executed").encode() + b"'\ntR.")
    refuses(read_features, path, "not a readable array")
    assert not (tmp_path / "executed").exists()


def test_values_that_are_not_finite(tmp_path):
    path = tmp_path / "a.npy"
    x = np.ones((5, 3))
    x[3, 1] = np.nan
    x[4] = -np.inf
    np.save(path, x)
    refuses(read_features, path, "feature 1 of frame 3 is nan", "4 such values in 2 frames")
    np.save(path, np.full((2, 2), 1e300))  # finite, but not in float32
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refuses(read_features, path, "feature 0 of frame 0 is inf")


def test_mapping_numbers_classes_in_the_order_of_ids(tmp_path):
    path = write(tmp_path / "m.txt", "7 stir\n-1 background\n2 take cup\n\n")
    with pytest.raises(ValueError, match="line 4"):
        read_mapping(write(tmp_path / "gap.txt", "7 stir\n-1 background\n2 take cup\n\n9 x\n"))
    assert read_mapping(path) == {"background": -1, "take cup": 0, "stir": 1}
    assert list(read_mapping(path)) == ["background", "take cup", "stir"]
    assert read_mapping(write(path, "\ufeff0\ta\r\n1\tb\r\n")) == {"a": 0, "b": 1}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 a\n1 a\n", ["line 2: name 'a' appears twice"]),
        ("0 a\n1 b\n0 c\n", ["line 3: id 0 appears twice", "label_map="]),
        ("0 a\nb\n", ["line 2: 'b' is not of the form '<id> <name>'"]),
        ("0 a\n1\n", ["line 2: '1' is not of the form"]),
        ("a 0\n", ["line 1: 'a 0' is not of the form"]),
        ("0 a\n--1 b\n", ["line 2: '--1 b' is not of the form"]),
        ("", ["is empty"]),
    ],
)
def test_bad_mappings(tmp_path, text, words):
    refuses(read_mapping, write(tmp_path / "m.txt", text), *words)


def test_missing_or_binary_text(tmp_path):
    refuses(read_mapping, tmp_path / "none", "does not exist", error=FileNotFoundError)
    path = tmp_path / "m.txt"
    path.write_bytes(b"0 a\n1 \xff\xfe\n")
    refuses(read_mapping, path, "not a text file in UTF-8")


def test_groups(tmp_path):
    path = write(tmp_path / "m.txt", "1 mix\n0 cut_a\n0 cut_b\n-1 junk\n")
    groups = read_groups(path)
    assert groups == {"mix": "mix", "cut_a": "cut_a+cut_b", "cut_b": "cut_a+cut_b", "junk": None}
    assert list(groups) == ["junk", "cut_a", "cut_b", "mix"]
    refuses(read_groups, write(path, "0 a\n1 a\n"), "line 2: name 'a' appears twice")


def test_labels(tmp_path):
    path = write(tmp_path / "v", "a\nb\r\n b \nbg\n\n\n")
    assert read_labels(path, {"a": 0, "b": 1, "bg": -1}).tolist() == [0, 1, 1, -1]
    assert read_labels(path, {"a": 0, "b": 1, "bg": -1}).dtype == torch.int64


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\nb\nc\nc\n", ["line 3: label 'c' is not in the mapping (2 such lines)", "Known are a, b."]),
        ("a\n\nb\n", ["line 2: label '' is not in the mapping"]),
        ("\na\n", ["line 1: label ''"]),
        ("", ["is empty"]),
    ],
)
def test_bad_labels(tmp_path, text, words):
    refuses(lambda path: read_labels(path, {"a": 0, "b": 1}), write(tmp_path / "v", text), *words)
