import numpy as np

from otseg.data import check_folder, load_folder


def by_kind(findings):
    return {finding.kind: finding for finding in findings}


def test_a_good_folder_has_no_findings(folder):
    assert check_folder(folder.root) == []
    assert check_folder(folder.root, labels=False) == []
    load_folder(folder.root)


def test_every_problem_is_listed(folder):
    folder.video("c", ["pour"] * 3, value=float("nan"))
    folder.video("d", ["pour"] * 3, n_frames=5)
    folder.video("e", ["chop"] * 3)
    folder.video("f", ["pour"] * 3, n_features=9)
    folder.video("g", ["pour"] * 3, value=0.0)
    folder.video("h", ["pour"] * 3)
    folder.video("i", ["pour"] * 3)
    folder.video("j", ["pour"] * 9, transposed=True)
    (folder.root / "groundTruth" / "h").unlink()
    (folder.root / "features" / "i.npy").write_bytes(b"\x93NUMPY")
    folder.write("groundTruth/z", "pour\n")
    folder.write("features/z.mat", "1")
    found = by_kind(check_folder(folder.root))
    named = {kind: [line.split(": ")[0].split("/")[-1] for line in f.details] for kind, f in found.items()}
    assert named == {
        "features": ["c.npy", "i.npy"],
        "length": ["d.npy"],
        "labels": ["e"],
        "number of features": ["f.npy", "j.npy"],
        "ground truth": ["h"],
        "zero rows": ["g.npy"],
        "unused files": ["z.mat", "z"],
    }
    notes = {kind for kind, finding in found.items() if finding.severity == "note"}
    assert notes == {"zero rows", "unused files"}
    severities = [finding.severity for finding in check_folder(folder.root)]
    assert severities == sorted(severities)
    assert "3 of 3 frames are all zero" in found["zero rows"].details[0]
    assert "length_policy=" in found["length"].details[0]


def test_length_policies_turn_errors_into_notes(folder):
    folder.video("d", ["pour"] * 3, n_frames=5)
    (finding,) = check_folder(folder.root, length_policy="truncate", tolerance=2)
    assert (finding.kind, finding.severity) == ("length", "note")
    assert "5 frames, 3 labels (truncate)" in finding.details[0]
    (finding,) = check_folder(folder.root, length_policy="truncate", tolerance=1)
    assert finding.severity == "error"


def test_missing_parts(folder, tmp_path):
    (finding,) = check_folder(tmp_path / "nowhere", labels=False)
    assert finding.kind == "folder"
    (folder.root / "mapping" / "mapping.txt").unlink()
    (finding,) = check_folder(folder.root)
    assert (finding.kind, len(finding.details)) == ("mapping", 1)
    assert "mapping.txt" in finding.details[0]


def test_label_map_and_declared_actions(folder):
    (finding,) = check_folder(folder.root, label_map={"take": "x"})
    assert (finding.kind, finding.severity) == ("label map", "error")
    (finding,) = check_folder(folder.root, actions={"": 4})
    assert finding.details == ["all sequences: 3 actions occur, 4 are declared"]
    groups = {"take": "x", "pour": "x", "stir": "y"}
    assert check_folder(folder.root, actions={"": 2}, label_map=groups) == []


def test_only_one_activity(folder):
    folder.video("c", ["chop"] * 3, activity="tea")
    folder.video("d", ["pour"] * 3, activity="milk")
    (finding,) = check_folder(folder.root, activity="tea")
    assert finding.kind == "labels"
    assert check_folder(folder.root, activity="milk") == []


def test_transposed_files_that_are_declared(folder):
    folder.video("c", ["pour"] * 7, transposed=True)
    assert check_folder(folder.root, n_features=4) == []


def test_a_transposed_first_file_does_not_blame_the_others(folder):
    folder.video("A", ["pour"] * 7, transposed=True)
    (finding,) = check_folder(folder.root)
    assert finding.kind == "number of features"
    (detail,) = finding.details
    assert "A.npy: has shape (4, 7) and 7 labels" in detail


def test_text_of_a_finding(folder):
    for i in range(7):
        np.save(folder.video(f"v{i}", ["pour"] * 3), np.zeros((3, 4), dtype=np.float32))
    (finding,) = check_folder(folder.root)
    lines = str(finding).splitlines()
    assert lines[0] == "note: zero rows (7)"
    assert lines[-1] == "  and 2 more"
    assert len(lines) == 7


def test_progress_sees_every_sequence(folder):
    seen = []

    def progress(items):
        seen.extend(items)
        return items

    check_folder(folder.root, progress=progress)
    assert [name for _, name, _ in seen] == ["a", "b"]
