import logging
import pickle

import numpy as np
import pytest
import torch

from otseg.data import LengthMismatch, load_folder


def test_load(folder):
    data = load_folder(folder.root)
    assert data.names == ("a", "b")
    assert data.class_names == ("take", "pour", "stir")
    assert data.n_features == 4
    assert data.n_actions == 3
    assert data.mismatches == []
    assert data[1].labels.tolist() == [-1, 2, 2, 0, 0]
    assert torch.equal(data[0].features, torch.arange(1.0, 25.0).reshape(6, 4))
    assert load_folder(str(folder.root))[0].name == "a"


def test_features_are_read_when_asked(folder):
    data = load_folder(folder.root)
    np.save(folder.root / "features" / "a.npy", np.full((6, 4), 9, dtype=np.float32))
    assert (data[0].features == 9).all()
    loaded = data.load()
    (folder.root / "features" / "a.npy").unlink()
    assert (loaded[0].features == 9).all()
    with pytest.raises(FileNotFoundError, match=r"a\.npy: does not exist"):
        _ = data[0]


def test_without_labels(folder):
    data = load_folder(folder.root, labels=False, ground_truth="none", mapping="none", actions={"": 3})
    assert data[0].labels is None
    assert data[0].n_frames == 6
    assert data.class_names == ()
    assert data.n_actions == 3


def test_other_ground_truth(folder):
    folder.write("groundTruth_phases/a.txt", "x\n" * 6)
    folder.write("groundTruth_phases/b.txt", "y\n" * 5)
    folder.write("mapping/phases.txt", "0 y\n1 x\n")
    data = load_folder(folder.root, ground_truth="groundTruth_phases", mapping="mapping/phases.txt")
    assert data[0].labels.tolist() == [1] * 6
    assert data.class_names == ("y", "x")


def test_activities(folder):
    folder.video("c", ["pour", "stir"], activity="tea")
    folder.video("d", ["pour", "pour"], activity="tea")
    data = load_folder(folder.root)
    assert data.activities == ("", "tea")
    tea = load_folder(folder.root, activity="tea")
    assert tea.names == data.subset("tea").names == ("c", "d")
    assert tea.n_actions == 2


def test_transposed_files_need_a_declared_number(folder):
    folder.video("c", ["pour"] * 7, transposed=True)
    with pytest.raises(ValueError, match=r"c\.npy: has shape \(4, 7\) and 7 labels.*Pass n_features=4"):
        load_folder(folder.root)
    data = load_folder(folder.root, n_features=4)
    assert data[2].features.shape == (7, 4)
    assert torch.equal(data[2].features, torch.arange(1.0, 29.0).reshape(7, 4))
    with pytest.raises(ValueError, match=r"a\.npy: has shape \(6, 4\), and neither"):
        load_folder(folder.root, n_features=5)


def test_different_numbers_of_features(folder):
    folder.video("c", ["pour"] * 7, n_features=3)
    with pytest.raises(ValueError, match=r"c\.npy: has 3 features per frame, but .*a\.npy has 4"):
        load_folder(folder.root)


def test_lengths_that_differ(folder, caplog):
    folder.video("c", ["take"] * 4 + ["pour"] * 4, n_frames=7)
    folder.video("d", ["take"] * 4 + ["pour"] * 4, n_frames=10)
    with pytest.raises(ValueError, match=r"c\.npy: has 7 frames, but 8 labels.*length_policy="):
        load_folder(folder.root)
    assert caplog.records == []
    data = load_folder(folder.root, length_policy="truncate", tolerance=2)
    assert data.mismatches == [LengthMismatch("c", 7, 8, "truncate"), LengthMismatch("d", 10, 8, "truncate")]
    assert data[2].labels.tolist() == [0] * 4 + [1] * 3
    assert (data[3].n_frames, data[3].features[-1, -1]) == (8, 32)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "differ in length in 2 of 4 sequences (c: 7 frames, 8 labels); policy 'truncate'" in record.getMessage()
    with pytest.raises(ValueError, match=r"d\.npy: has 10 frames, but 8 labels, more than tolerance=1 apart"):
        load_folder(folder.root, length_policy="truncate", tolerance=1)
    data = load_folder(folder.root, length_policy="resample")
    assert data[3].labels.tolist() == [0] * 5 + [1] * 5
    assert [m.policy for m in data.mismatches] == ["resample"] * 2


def test_files_that_are_wrong_are_named(folder):
    (folder.root / "groundTruth" / "b").write_text("take\npour\nchop\ntake\ntake\n")
    with pytest.raises(ValueError, match=r"groundTruth/b: line 3: label 'chop'.*Known are .*take, pour, stir"):
        load_folder(folder.root)
    (folder.root / "groundTruth" / "b").unlink()
    with pytest.raises(FileNotFoundError, match="groundTruth/b: ground truth of sequence 'b' is missing"):
        load_folder(folder.root)
    (folder.root / "mapping" / "mapping.txt").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"mapping/mapping\.txt: does not exist.*pass labels=False \(--no-labels\)"
    ):
        load_folder(folder.root)


def test_values_that_are_not_finite_are_named_when_read(folder):
    folder.video("c", ["pour"] * 3, value=float("nan"))
    data = load_folder(folder.root)
    with pytest.raises(ValueError, match=r"c\.npy: feature 0 of frame 0 is nan"):
        _ = data[2]


def test_label_map_from_dictionary_and_file(folder):
    groups = {"take": "other", "stir": "other", "pour": "pour"}
    data = load_folder(folder.root, label_map=groups)
    assert data[1].labels.tolist() == [-1, 2, 2, 0, 0]
    assert data.evaluation_labels(data[1].labels).tolist() == [-1, 0, 0, 0, 0]
    assert data.n_actions == 2
    path = folder.write("mapping/eval.txt", "0 take\n0 stir\n1 pour\n")
    for label_map in ("mapping/eval.txt", path):
        data = load_folder(folder.root, label_map=label_map)
        assert data.evaluation_names == ("take+stir", "pour")
    path.write_text("0 take\n1 pour\n")
    with pytest.raises(ValueError, match=r"eval\.txt: `groups` must be .*none for \['stir'\]"):
        load_folder(folder.root, label_map=path)


def test_settings(folder):
    with pytest.raises(ValueError, match="`length_policy` must be one of 'error', 'truncate', 'resample'"):
        load_folder(folder.root, length_policy="pad")
    with pytest.raises(ValueError, match="`tolerance`"):
        load_folder(folder.root, tolerance=-1)


def test_the_data_set_can_be_sent_to_workers(folder):
    data = pickle.loads(pickle.dumps(load_folder(folder.root)))
    assert data[0].features.shape == (6, 4)
