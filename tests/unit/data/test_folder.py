import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from otseg.data.folder import find_sequences, fit_labels, ground_truth_file, is_transposed


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("1\n")


def test_sub_folders_are_activities(tmp_path):
    touch(tmp_path, "tea/z.npy", "tea/y.txt", "coffee/x.npy", ".hidden.npy", "tea/._z.npy", "tea/notes.md")
    found = [(path.name, name, activity) for path, name, activity in find_sequences(tmp_path)]
    assert found == [("x.npy", "x", "coffee"), ("y.txt", "y", "tea"), ("z.npy", "z", "tea")]
    assert [name for _, name, _ in find_sequences(tmp_path, "tea")] == ["y", "z"]
    with pytest.raises(ValueError, match="one of 'coffee', 'tea'; got 'milk'"):
        find_sequences(tmp_path, "milk")


def test_flat_folders(tmp_path):
    touch(tmp_path, "P03_cam01_P03_coffee.npy", "2020-04-19_14-03.25.npy")
    assert [name for _, name, _ in find_sequences(tmp_path)] == [
        "2020-04-19_14-03.25",
        "P03_cam01_P03_coffee",
    ]
    with pytest.raises(ValueError, match=r"2020-04-19_14-03\.25\.npy: its name holds no activity"):
        find_sequences(tmp_path, activity_pattern=r"_(?P<activity>[a-z]+)$")
    (tmp_path / "2020-04-19_14-03.25.npy").unlink()
    ((_, _, activity),) = find_sequences(tmp_path, activity_pattern=r"_(?P<activity>[a-z]+)$")
    assert activity == "coffee"


def test_what_cannot_be_found(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: does not exist"):
        find_sequences(tmp_path / "nowhere")
    touch(tmp_path, "a.mat")
    with pytest.raises(FileNotFoundError, match=re.escape(f"{tmp_path}: holds no files of features")):
        find_sequences(tmp_path)
    touch(tmp_path, "x/a.npy", "y/a.txt")
    with pytest.raises(ValueError, match=r"a\.txt: has the name of another sequence, .*a\.npy"):
        find_sequences(tmp_path)
    touch(tmp_path, "plain/a.csv")
    with pytest.raises(FileNotFoundError, match=r"plain itself, pass features='\.' \(--features \.\)"):
        find_sequences(tmp_path / "plain" / "features")


@pytest.mark.parametrize("place", ["v", "v.txt", "tea/v", "tea/v.txt"])
def test_ground_truth_places(tmp_path, place):
    touch(tmp_path, place)
    assert ground_truth_file(tmp_path, "v", "tea") == tmp_path / place


def test_missing_ground_truth(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"v: ground truth of sequence 'v' is missing"):
        ground_truth_file(tmp_path, "v", "")


def test_orientation(tmp_path):
    path, other = tmp_path / "v.npy", tmp_path / "u.npy"
    assert not is_transposed(path, (50, 8), 8)
    assert is_transposed(path, (8, 50), 8)
    assert not is_transposed(path, (8, 8), 8)
    assert not is_transposed(path, (50, 8), None, (other, 8), 50)
    assert not is_transposed(path, (50, 50), None, None, 50)
    with pytest.raises(ValueError, match=r"v\.npy: has shape \(50, 9\), and neither number is the declared"):
        is_transposed(path, (50, 9), 8)
    with pytest.raises(ValueError, match=r"v\.npy: has shape \(8, 50\) and 50 labels.*Pass n_features=8"):
        is_transposed(path, (8, 50), None, None, 50)
    with pytest.raises(ValueError, match=r"v\.npy: has 9 features per frame, but .*u\.npy has 8"):
        is_transposed(path, (50, 9), None, (other, 8), 50)


@given(n_labels=st.integers(1, 60), n_frames=st.integers(1, 60))
def test_resampled_labels_are_the_nearest_in_time(tmp_path_factory, n_labels, n_frames):
    labels = torch.arange(n_labels)
    found = fit_labels(tmp_path_factory.getbasetemp(), labels, n_frames, "resample", 0)
    for frame, label in enumerate(found.tolist()):
        middle = (frame + 0.5) / n_frames  # of the frame, as a fraction of the sequence
        distance = [abs((i + 0.5) / n_labels - middle) for i in range(n_labels)]
        assert distance[label] <= min(distance) + 1e-12


def test_truncate_and_error(tmp_path):
    path, labels = tmp_path / "v.npy", torch.arange(10)
    assert fit_labels(path, labels, 8, "truncate", 2).tolist() == list(range(8))
    assert fit_labels(path, labels, 12, "truncate", 2).tolist() == list(range(10))
    for n_frames in (7, 13):
        message = rf"v\.npy: has {n_frames} frames, but 10 labels, more than tolerance=2 apart"
        with pytest.raises(ValueError, match=message):
            fit_labels(path, labels, n_frames, "truncate", 2)
    with pytest.raises(ValueError, match=r"v\.npy: has 9 frames, but 10 labels.*length_policy='truncate'"):
        fit_labels(path, labels, 9, "error", 2)
