"""A folder that is written is read back as it was."""

import pytest
import torch

from otseg.data import Sequence, SequenceDataset, breakfast_like, check_folder, load_folder, make_activity, save_folder


def assert_same(found, expected):
    assert found.names == expected.names
    for one, other in zip(found, expected, strict=True):
        assert one.activity == other.activity
        assert torch.equal(one.features, other.features)
        assert (one.labels is None and other.labels is None) or torch.equal(one.labels, other.labels)


@pytest.mark.parametrize("background", [0.0, 0.3])
def test_round_trip(background, tmp_path, generator):
    data = make_activity(4, 3, 5, n_frames=(30, 40), background=background, generator=generator)
    save_folder(data, tmp_path / "new" / "folder")
    assert check_folder(tmp_path / "new" / "folder") == []
    found = load_folder(tmp_path / "new" / "folder")
    assert found.class_names == tuple(data.class_names)
    assert_same(found, data)


def test_round_trip_with_activities(tmp_path, generator):
    data = breakfast_like("tea", 3, n_features=4, frames_scale=0.1, generator=generator)
    save_folder(data, tmp_path)
    assert (tmp_path / "features" / "tea" / "tea_000.npy").is_file()
    assert_same(load_folder(tmp_path, activity="tea"), data)


def test_without_labels(tmp_path):
    data = SequenceDataset([Sequence(torch.rand(n, 2, dtype=torch.float64).float(), name=f"s{n}") for n in (3, 5)])
    save_folder(data, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["features"]
    assert_same(load_folder(tmp_path, labels=False), data)


def test_what_cannot_be_saved(tmp_path):
    x = torch.rand(3, 2)
    some = SequenceDataset([Sequence(x, torch.zeros(3).long(), "a"), Sequence(x, name="b")], class_names=["c"])
    with pytest.raises(ValueError, match="`dataset` must be sequences that all have labels, or none"):
        save_folder(some, tmp_path / "some")
    unnamed = SequenceDataset([Sequence(x, torch.full((3,), 2), "a")], class_names=["c"])
    with pytest.raises(ValueError, match=r"`labels` must be numbers of class names; got 2\. There are 1"):
        save_folder(unnamed, tmp_path / "unnamed")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(ValueError, match="full: is not empty"):
        save_folder(unnamed, tmp_path / "full")
