"""`otseg data make-synthetic`."""

import torch

from otseg.data import LAYOUTS, check_folder, load_folder


def test_an_activity(otseg_command, tmp_path):
    arguments = ("data", "make-synthetic", tmp_path / "x", "--sequences", 3, "--actions", 4, "--frames", 40, 50)
    found = otseg_command(*arguments, "--background", 0.2, "--features", 5, "--json").document
    data = load_folder(tmp_path / "x")
    assert check_folder(tmp_path / "x") == []
    assert len(data) == found["sequences"] == 3
    assert data.n_features == found["features"] == 5
    assert list(data.class_names) == found["classes"] == [f"action_{k}" for k in range(4)]
    assert found["frames"] == sum(sequence.n_frames for sequence in data)
    assert all(40 <= sequence.n_frames <= 50 for sequence in data)
    assert any((sequence.labels == -1).any() for sequence in data)


def test_the_seed_is_all_that_matters(otseg_command, tmp_path):
    first = {}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        arguments = ("--sequences", 1, "--features", 3, "--seed", seed)
        text = otseg_command("data", "make-synthetic", tmp_path / name, *arguments).stdout
        assert f"next: otseg data check {tmp_path / name}" in text
        first[name] = load_folder(tmp_path / name)[0].features
    assert torch.equal(first["a"], first["b"])
    assert first["a"].shape != first["c"].shape or not torch.equal(first["a"], first["c"])


def test_like_activities_of_breakfast(otseg_command, tmp_path):
    arguments = ("--like", "tea", "--like", "coffee", "--like", "tea", "--frames-scale", 0.2, "--sequences", 4)
    found = otseg_command("data", "make-synthetic", tmp_path / "x", *arguments, "--json").document
    assert found["activities"] == ["coffee", "tea"]
    data = load_folder(tmp_path / "x", **LAYOUTS["breakfast"].arguments())
    assert len(data) == 8
    for activity, action in (("tea", "add_teabag"), ("coffee", "pour_coffee")):
        occurring = torch.cat([sequence.labels for sequence in data.subset(activity)]).unique().tolist()
        assert action in {data.class_names[label] for label in occurring}
    occurring = torch.cat([sequence.labels for sequence in data.subset("tea")]).unique().tolist()
    assert not {"pour_coffee", "stir_coffee"} & {data.class_names[label] for label in occurring}


def test_options_of_the_other_kind(otseg_command, tmp_path):
    call = ("data", "make-synthetic", tmp_path / "x")
    message = otseg_command(*call, "--like", "tea", "--actions", 3, exit_code=2).stderr
    assert "--actions is not for data --like an activity" in message
    message = otseg_command(*call, "--frames-scale", 0.5, exit_code=2).stderr
    assert "--frames-scale is only for data --like an activity" in message
    assert not (tmp_path / "x").exists()


def test_a_folder_in_use(otseg_command, tmp_path):
    (tmp_path / "file").touch()
    message = otseg_command("data", "make-synthetic", tmp_path, exit_code=2).stderr
    assert message == f"error: {tmp_path}: is not empty. Name another folder, or remove what is in it.\n"


def test_impossible_values(otseg_command, tmp_path):
    message = otseg_command("data", "make-synthetic", tmp_path / "x", "--frames", 3, 2, exit_code=2).stderr
    assert message.startswith("error: `n_frames` must be (low, high) with room for 6 segments; got (3, 2).")
