import numpy as np
import pytest
import scipy.sparse
import torch

from otseg.estimators.recordings import read_recordings

X = np.arange(12.0).reshape(6, 2)


def test_long_arrays_are_split_and_joined():
    recordings = read_recordings(X, np.array([2, 4]))
    assert recordings.n_frames == (2, 4)
    np.testing.assert_array_equal(recordings.dataset[1].features, X[2:])
    np.testing.assert_array_equal(recordings.restore([X[:2, 0], X[2:, 0]]), X[:, 0])


def test_rows_as_lists_are_one_recording_and_the_input_is_left_alone():
    assert read_recordings(X.tolist()).form == "long"
    x = torch.from_numpy(X).float()
    read_recordings([x]).dataset[0].features.zero_()
    assert x.sum() == X.sum()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int32])
def test_dtypes(dtype):
    features = read_recordings([torch.from_numpy(X).to(dtype)]).dataset[0].features
    np.testing.assert_array_equal(features, X.astype(np.float32))


@pytest.mark.parametrize(
    ("value", "lengths", "error", "message"),
    [
        ([], None, ValueError, "at least one recording"),
        ([X, X[:, :1]], None, ValueError, r"`X\[1\]` must be of 2 features"),
        ([X, X[:0]], None, ValueError, r"`X\[1\]` must be at least one frame"),
        ([X, np.where(X == 7, np.nan, X)], None, ValueError, r"`X\[1\]` must be finite; got NaN at frame 3, feature 1"),
        (1e300 * X, None, ValueError, "`X` must be finite"),
        (X[:, 0], None, ValueError, r"Reshape your data"),
        (X, [2, 3], ValueError, "the sum 6"),
        (X, [6, 0], ValueError, r"`lengths\[1\]`"),
        (X, [2.5, 3.5], TypeError, r"`lengths\[0\]`"),
        ([X], [6], ValueError, "None where `X` is a list"),
        (scipy.sparse.csr_array(X), None, TypeError, "dense"),
        (1j * X, None, ValueError, "Complex data not supported"),
        ("no such folder", None, FileNotFoundError, "there is no such folder"),
    ],
)
def test_what_cannot_be_read_is_refused(value, lengths, error, message):
    with pytest.raises(error, match=message):
        read_recordings(value, lengths)


def test_folders(tmp_path):
    with pytest.raises(ValueError, match=r"no .npy file"):
        read_recordings(tmp_path)
    np.save(tmp_path / "b.npy", X)
    np.save(tmp_path / "a.npy", X[:3])
    recordings = read_recordings(str(tmp_path))
    assert recordings.dataset.names == ("a", "b")
    assert recordings.n_frames == (3, 6)
    np.save(tmp_path / "c.npy", X[:, :1])
    with pytest.raises(ValueError, match=r"1 features, and 2 in a\.npy"):
        read_recordings(tmp_path)
