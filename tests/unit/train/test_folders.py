import pytest

from otseg.train import new_folder, next_folder


def test_next_folder_counts_on(tmp_path):
    assert next_folder(tmp_path / "runs") == tmp_path / "runs" / "0001"
    for name in ("0001", "0007", "notes"):
        (tmp_path / name).mkdir()
    assert next_folder(tmp_path) == tmp_path / "0008"


def test_new_folder_takes_an_absent_or_empty_one(tmp_path):
    assert new_folder(tmp_path / "a" / "b").is_dir()
    assert new_folder(tmp_path / "a" / "b").is_dir()


def test_new_folder_refuses_what_is_in_use(tmp_path):
    (tmp_path / "results.txt").write_text("precious")
    with pytest.raises(ValueError, match="the folder is not empty"):
        new_folder(tmp_path)
    with pytest.raises(ValueError, match="a file is in the place"):
        new_folder(tmp_path / "results.txt")
