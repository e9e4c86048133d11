import os
import tracemalloc

import joblib
import numpy as np
import pytest
import torch

from otseg.estimators.frames import Frames, read_frames

X = np.arange(12.0).reshape(6, 2)


@pytest.mark.parametrize("value", [X, X.astype(np.float32), torch.from_numpy(X), torch.from_numpy(X).float()])
def test_memory_is_shared_until_a_recording_is_read(value):
    array = read_frames("X", value)
    assert np.shares_memory(array, value.numpy() if isinstance(value, torch.Tensor) else value)
    copy = Frames(array, "a").read().features
    assert copy.dtype == torch.float32
    copy.zero_()
    assert array.sum() == X.sum()


def test_memory_maps_stay_on_disk(tmp_path):
    n, d = 400_000, 16
    np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.float64, shape=(n, d))[-1] = 1.0  # 51 MB
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    tracemalloc.start()
    array = read_frames("X", mapped)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(array, np.memmap)
    assert isinstance(array[5:10], np.memmap)
    assert peak < mapped.nbytes / 1.5
    assert Frames(array[-2:], "a").read().features.sum() == d


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int32])
def test_dtypes(dtype):
    features = Frames(read_frames("X", torch.from_numpy(X).to(dtype)), "a").read().features
    np.testing.assert_array_equal(features, X.astype(np.float32))


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (np.where(X == 7, np.nan, X), ValueError, "`X` must be finite; got NaN at frame 3, feature 1. Fill gaps"),
        (np.where(X == 7, -np.inf, X), ValueError, "got inf at frame 3, feature 1"),
        (np.where(X == 7, 1e300, X), ValueError, r"got 1e\+300, too large for float32, at frame 3, feature 1"),
        (X[:, 0], ValueError, "`X` must be of shape .* Reshape your data"),
        (X[:0], ValueError, "at least one frame"),
        (X[:, :0], ValueError, "at least one feature"),
        (1j * X, ValueError, "Complex data not supported"),
        (X.astype("timedelta64[s]"), TypeError, "times are no features"),
        ([["walk", 1.0]], ValueError, "`X` must be numeric; got dtype .*walk.*Leave out columns of text"),
        ("a.npy", TypeError, "must be an array; got a path"),
        (os.curdir, TypeError, "Read the file, or give the path of its folder"),
    ],
)
def test_what_is_no_recording_is_refused(value, error, message):
    with pytest.raises(error, match=message):
        read_frames("X", value)


def test_what_is_not_finite_is_found_in_every_block(monkeypatch):
    monkeypatch.setattr("otseg.estimators.frames._BLOCK", 4)
    for row in range(6):
        wrong = X.copy()
        wrong[row, 1] = np.nan
        with pytest.raises(ValueError, match=f"NaN at frame {row}, feature 1"):
            read_frames("X", wrong)
    assert read_frames("X", X) is X


def test_data_frames():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["acc", "gyr"])
    np.testing.assert_array_equal(read_frames("X", frame), X)
    nullable = frame.astype("Int64")
    np.testing.assert_array_equal(read_frames("X", nullable), X)
    mixed = frame.assign(moving=[True, False] * 3)
    np.testing.assert_array_equal(read_frames("X", mixed)[:, 2], [1, 0] * 3)
    nullable.loc[4, "gyr"] = pandas.NA
    with pytest.raises(ValueError, match="NaN at frame 4, feature 'gyr'"):
        read_frames("X", nullable)
    with pytest.raises((TypeError, ValueError), match=r"got the columns 'who' .*make a column of times the index"):
        read_frames("X", frame.assign(who="Ann"))
    times = pandas.date_range("2024-01-01", periods=6, freq="s")
    with pytest.raises(TypeError, match=r"got the columns 'time' \(datetime64"):
        read_frames("X", frame.assign(time=times))
    with pytest.raises(ValueError, match=r"series\.to_frame"):
        read_frames("X", frame["acc"])


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_times_must_not_go_back(zone):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, index=pandas.date_range("2024-01-01", periods=6, freq="s", tz=zone))
    np.testing.assert_array_equal(read_frames("X", frame), X)
    read_frames("X", frame.iloc[[0, 1, 1, 2]])  # two frames at one time
    with pytest.raises(ValueError, match=r"temporal order; got a time before the last one at row 2\. Sort it"):
        read_frames("X", frame.iloc[[0, 3, 1, 2]])
    read_frames("X", frame.reset_index(drop=True).iloc[[0, 3, 1, 2]])  # other numbers mean nothing


def test_a_memory_map_goes_to_another_process_as_its_name(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((50_000, 8)))
    frames = Frames(read_frames("X", np.load(tmp_path / "x.npy", mmap_mode="r")), "a")
    with joblib.parallel_config("loky", n_jobs=2):
        (found,) = joblib.Parallel()([joblib.delayed(_kind)(frames)])
    assert found == "memmap"


def _kind(frames):
    return type(frames.array).__name__
