"""`otseg data check`."""

import numpy as np
import pytest

from otseg.cli._folder import folder_arguments
from otseg.data import LAYOUTS


@pytest.fixture
def folder(otseg_command, tmp_path):
    """A good folder of twelve sequences of 40 frames."""
    arguments = ("--sequences", 12, "--features", 4, "--frames", 40, 40, "--actions", 3)
    otseg_command("data", "make-synthetic", tmp_path / "data", *arguments)
    return tmp_path / "data"


def test_a_good_folder(folder, otseg_command):
    text = otseg_command("data", "check", folder).stdout
    assert text == f"{folder}: no errors, no notes; 12 sequences, 4 features, 3 classes, 1 activities\n"
    found = otseg_command("data", "check", folder, "--json").document
    assert found["ok"] is True
    assert found["findings"] == []
    assert found["contents"] == {"sequences": 12, "features": 4, "classes": 3, "activities": 1}


def test_every_problem_with_files_counts_and_fixes(folder, otseg_command):
    for i in range(11):
        np.save(folder / "features" / f"video_{i:03d}.npy", np.full((40, 4), np.nan, dtype=np.float32))
    (folder / "groundTruth" / "video_011.txt").unlink()
    (folder / "groundTruth" / "other.txt").write_text("action_0\n")
    text = otseg_command("data", "check", folder, exit_code=1).stdout
    lines = text.splitlines()
    assert lines[0] == "error: features (11)"
    assert str(folder / "features" / "video_000.npy") in lines[1]
    assert "Extract these features again" in lines[1]
    assert lines[11] == "  and 1 more: --all names them"
    assert lines[12] == "error: ground truth (1)"
    assert lines[13].endswith("Add it, or read the folder without labels.")
    assert lines[14] == "note: unused files (1)"
    assert lines[-1] == f"{folder}: 12 errors, 1 note"
    assert "video_010.npy" not in text
    assert "video_010.npy" in otseg_command("data", "check", folder, "--all", exit_code=1).stdout
    found = otseg_command("data", "check", folder, "--json", exit_code=1).document
    assert (found["ok"], found["errors"], found["notes"], found["contents"]) == (False, 12, 1, None)
    assert [(f["kind"], f["severity"], f["count"]) for f in found["findings"]] == [
        ("features", "error", 11),
        ("ground truth", "error", 1),
        ("unused files", "note", 1),
    ]
    assert len(found["findings"][0]["details"]) == 11


def test_notes_are_no_errors(folder, otseg_command):
    (folder / "features" / "notes.mat").touch()
    assert otseg_command("data", "check", folder).stdout.startswith("note: unused files (1)\n")


def test_options_reach_the_check(folder, otseg_command):
    path = folder / "features" / "video_000.npy"
    np.save(path, np.load(path)[:-3])
    otseg_command("data", "check", folder, exit_code=1)
    otseg_command("data", "check", folder, "--length-policy", "truncate", "--tolerance", 2, exit_code=1)
    text = otseg_command("data", "check", folder, "--length-policy", "truncate", "--tolerance", 3).stdout
    assert "37 frames, 40 labels (truncate)" in text
    otseg_command("data", "check", folder, "--no-labels")
    otseg_command("data", "check", folder, "--n-features", 5, "--no-labels", exit_code=1)
    otseg_command("data", "check", folder, "--features", "nowhere", exit_code=1)
    assert "must be one of" in otseg_command("data", "check", folder, "--activity", "tea", exit_code=1).stdout


def test_an_empty_folder_is_told_what_belongs_there(tmp_path, otseg_command):
    text = otseg_command("data", "check", tmp_path, exit_code=1).stdout
    assert "features/[<activity>/]<sequence>.npy" in text
    text = otseg_command("data", "check", tmp_path, "--dataset", "desktop-assembly", exit_code=1).stdout
    assert "Desktop Assembly" in text


def test_no_folder(tmp_path, otseg_command):
    assert "does not exist" in otseg_command("data", "check", tmp_path / "nowhere", exit_code=2).stderr
    assert "not one of" in otseg_command("data", "check", tmp_path, "--dataset", "x", exit_code=2).stderr


def test_options_overrule_the_benchmark():
    assert folder_arguments(None, labels=True, n_features=None) == {"labels": True}
    found = folder_arguments("yti", labels=False, n_features=7)
    assert found == LAYOUTS["yti"].arguments() | {"labels": False, "n_features": 7}
