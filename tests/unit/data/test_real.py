"""Real recordings, where they are present: the counts of their README."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch

from otseg.data import breakfast_statistics, check_folder, collate, load_dataset, load_folder


@pytest.fixture
def har(data_root):
    root = data_root / "sp_sw_har"
    if not root.is_dir():
        pytest.skip(f"no real recordings: {root} is not a folder")
    return root


@pytest.fixture
def breakfast(data_root):
    root = data_root / "Breakfast"
    if not root.is_dir():
        pytest.skip(f"no real recordings: {root} is not a folder")
    return root


def test_inertial_recordings(har):
    data = load_folder(har)
    assert len(data) == 115
    assert data.n_features == 48
    assert data.class_names == ("SEATED", "STANDING_UP", "WALKING", "TURNING", "SITTING_DOWN")
    assert data.n_actions == 5
    assert sum(len(source.labels) for source in data.sources) == 25995
    assert data.mismatches == []
    assert {name.split("_")[0] for name in data.names} == {f"s{i:02d}" for i in range(1, 13)}
    sequence = data.standardize()[0]
    real = sequence.features.abs().sum(dim=1) > 0
    assert torch.allclose(sequence.features[real].mean(dim=0), torch.zeros(48), atol=1e-5)
    batch = collate([data[0], data[1]])
    assert batch.lengths.tolist() == [data[0].n_frames, data[1].n_frames]


def test_inertial_recordings_by_phase(har):
    phases = load_folder(har, ground_truth="groundTruth_phases", mapping="mapping/mapping_phases.txt")
    assert phases.n_actions == len(phases.class_names) == 8
    coarse = [name.removesuffix("_1").removesuffix("_2") for name in phases.class_names]
    groups = dict(zip(phases.class_names, coarse, strict=True))
    mapped = load_folder(har, ground_truth="groundTruth_phases", mapping="mapping/mapping_phases.txt", label_map=groups)
    plain = load_folder(har)
    assert set(mapped.evaluation_names) == set(plain.class_names)
    assert mapped.n_actions == 5
    to_plain = torch.tensor([plain.class_names.index(name) for name in mapped.evaluation_names])
    for source, expected in zip(mapped.sources, plain.sources, strict=True):
        assert torch.equal(to_plain[mapped.evaluation_labels(source.labels)], expected.labels)


def test_inertial_recordings_pass_the_check(har):
    assert [f for f in check_folder(har, actions={"": 5}) if f.severity == "error"] == []


def test_breakfast_videos(breakfast):
    data = load_dataset("breakfast", breakfast, activity="coffee")
    assert len(data) == 5
    assert sum(len(source.labels) for source in data.sources) == 3350
    assert data.n_features == 64
    assert data.n_actions == 7  # of the whole activity; five occur in these videos
    assert load_folder(breakfast).n_actions == 5
    zero = [int((sequence.features == 0).all(dim=1).sum()) for sequence in data]
    assert zero == [52, 4, 4, 4, 4]
    after = [int((sequence.features == 0).all(dim=1).sum()) for sequence in data.standardize()]
    assert after == zero


def test_breakfast_videos_have_notes_only(breakfast):
    found = check_folder(breakfast, n_features=64, actions={"coffee": 7})
    assert [(f.kind, f.severity, len(f.details)) for f in found] == [
        ("zero rows", "note", 5),
        ("number of actions", "note", 1),
    ]


def test_statistics_are_those_of_the_labels(data_root, tmp_path, monkeypatch):
    labels = data_root / "breakfast_labels.json.gz"
    script = Path(__file__).parents[3] / "benchmarks" / "breakfast_statistics.py"
    if not labels.is_file():
        pytest.skip(f"no real labels: {labels} is not a file")
    spec = importlib.util.spec_from_file_location("breakfast_statistics_script", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    output = tmp_path / "statistics.json"
    monkeypatch.setattr(sys, "argv", [str(script), str(labels), str(output)])
    module.main()
    found = json.loads(output.read_text())
    assert found == breakfast_statistics()
    assert sum(activity["n_videos"] for activity in found["activities"].values()) == 383
    assert output.stat().st_size < 60_000
