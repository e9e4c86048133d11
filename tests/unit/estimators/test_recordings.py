import numpy as np
import pytest
import scipy.sparse

from otseg.estimators.recordings import read_recordings

X = np.arange(12.0).reshape(6, 2)


def test_long_arrays_are_split_and_joined():
    recordings = read_recordings(X, np.array([2, 4]))
    assert recordings.n_frames == (2, 4)
    np.testing.assert_array_equal(recordings.dataset[1].features, X[2:])
    np.testing.assert_array_equal(recordings.restore([X[:2, 0], X[2:, 0]]), X[:, 0])


def test_rows_as_lists_are_one_recording_and_the_input_is_left_alone():
    assert read_recordings(X.tolist()).form == "long"
    x = X.copy()
    read_recordings([x]).dataset[0].features.zero_()
    np.testing.assert_array_equal(x, X)


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
        (X, [7, -1], ValueError, r"`lengths\[1\]`"),
        (np.where(X == 7, np.nan, X), [2, 4], ValueError, r"`X\[2:6\]` must be finite; got NaN at frame 1"),
        (scipy.sparse.csr_array(X), [6], TypeError, "dense"),
        (3.0, [1], ValueError, "the sum 0"),
        (["a.npy"], None, TypeError, r"`X\[0\]` must be an array; got a path"),
        ({"a": X}, None, TypeError, r"(?s)`X` must be an array; got .*dict.*Give a list of arrays"),
        (None, None, TypeError, "`X` must be an array"),
        ([None], None, TypeError, r"`X\[0\]` must be an array"),
        (__file__, None, NotADirectoryError, "is no folder. Read a single file"),
        ("no such folder", None, FileNotFoundError, "there is no such folder"),
    ],
)
def test_what_cannot_be_read_is_refused(value, lengths, error, message):
    with pytest.raises(error, match=message):
        read_recordings(value, lengths)


def test_what_weighs_and_what_is_in_memory(tmp_path):
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for given, in_memory, item_bytes in (
        ([X, X[:2]], True, 64),
        ([X, mapped], False, 96),
        (mapped, False, 96),
        (tmp_path, False, 0),
    ):
        recordings = read_recordings(given)
        assert (recordings.in_memory, recordings.item_bytes) == (in_memory, item_bytes)
    assert not read_recordings(mapped, [2, 4]).in_memory


def test_data_frames_keep_their_columns_and_times_start_again_in_each_recording():
    pandas = pytest.importorskip("pandas")
    times = pandas.to_datetime(["2024-01-03", "2024-01-04", "2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"])
    frame = pandas.DataFrame(X, columns=["a", "b"], index=times)
    recordings = read_recordings(frame, [2, 4])
    assert recordings.columns == ("a", "b")
    np.testing.assert_array_equal(recordings.dataset[1].features, X[2:])
    with pytest.raises(ValueError, match="temporal order"):
        read_recordings(frame)
    assert read_recordings([frame[:2], frame[2:]]).columns == ("a", "b")
    assert read_recordings(frame.iloc[2:]).columns == ("a", "b")


def test_folders(tmp_path):
    with pytest.raises(ValueError, match=r"no file of features in the folder \(\.npy or \.csv or \.txt\)\. Save each"):
        read_recordings(tmp_path)
    np.save(tmp_path / "b.npy", X)
    (tmp_path / "sub").mkdir()
    np.savetxt(tmp_path / "sub" / "a.txt", X[:3])
    (tmp_path / "sub" / "c.csv").write_text("time,a,b\n0,1,2\n1,3,4\n")
    np.save(tmp_path / ".hidden.npy", X[:, 0])
    recordings = read_recordings(str(tmp_path))
    assert recordings.dataset.names == ("b", "sub/a", "sub/c")
    assert recordings.n_frames == (6, 3, 2)
    np.testing.assert_array_equal(recordings.dataset[2].features, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(recordings.dataset[1].features, X[:3])
    assert list(recordings.restore([X[:, 0], X[:3, 0], X[:2, 0]])) == ["b", "sub/a", "sub/c"]


def test_files_are_found_from_another_working_folder(tmp_path, monkeypatch):
    (tmp_path / "logs").mkdir()
    np.save(tmp_path / "logs" / "a.npy", X)
    monkeypatch.chdir(tmp_path)
    recordings = read_recordings("logs")
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(recordings.dataset[0].features, X)


def test_folders_that_do_not_fit_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", X)
    np.save(tmp_path / "c.npy", X[:, :1])
    with pytest.raises(ValueError, match=r"c\.npy: 1 features, and 2 in a\.npy"):
        read_recordings(tmp_path)
    np.save(tmp_path / "c.npy", X)
    np.savetxt(tmp_path / "c.txt", X)
    with pytest.raises(ValueError, match=r"c\.txt: has the name of another recording, c\.npy"):
        read_recordings(tmp_path)
    (tmp_path / "groundTruth").mkdir()
    with pytest.raises(ValueError, match="Give its sub-folder of features"):
        read_recordings(tmp_path)
