import json
import shutil

import pytest

from otseg.data import SequenceDataset
from otseg.report import read_experiment, segment_again


def test_reads_what_training_wrote(trained):
    found = read_experiment(trained)
    assert found.title == "ASOT"
    assert found.activities == ["milk", "tea & toast"]
    assert [(run.activity, run.seed) for run in found.runs] == [(a, s) for a in found.activities for s in (0, 1)]
    assert found.settings["benchmark"] is None
    scores = json.loads((trained / "results.json").read_text())["scores"]
    assert found.results.mean()["mof"].mean == scores["activity"]["weighted"]["mof"]["mean"]
    run = found.runs[0]
    assert len(run.segments.videos) == 3
    assert list(run.history["train/loss"]) == [1, 2]
    assert run.finished.isoformat() == run.record["finished"]


@pytest.mark.parametrize(("part", "n_runs"), [("milk", 2), ("milk/seed_1", 1)])
def test_reads_an_activity_or_a_seed(trained, part, n_runs):
    found = read_experiment(trained / part)
    assert len(found.runs) == n_runs
    assert found.activities == ["milk"]
    assert found.settings["source"].startswith("defaults")
    assert found.results.seeds == [run.seed for run in found.runs]


def test_an_interrupted_training_has_curves_and_no_record(trained):
    (trained / "milk" / "seed_1" / "run.json").unlink()
    found = read_experiment(trained)
    run = found.of_activity("milk")[1]
    assert (run.record, run.segments, run.finished, run.seed) == (None, None, None, 1)
    assert run.history["train/loss"]
    assert found.results.seeds == [0]  # seed 1 lacks an activity
    alone = read_experiment(trained / "milk" / "seed_1")
    assert (alone.results, alone.activities) == (None, [""])


def test_without_the_table_of_the_experiment(trained):
    (trained / "results.json").write_text('{"other": 1}')
    found = read_experiment(trained)
    assert (found.title, found.settings) == ("ASOT", {})
    assert found.results.seeds == [0, 1]


def test_a_record_without_a_date_has_that_of_its_file(trained, change):
    path = trained / "milk" / "seed_0" / "run.json"
    change(path, lambda record: record.pop("finished"))
    finished = read_experiment(trained).runs[0].finished
    assert finished.timestamp() == pytest.approx(path.stat().st_mtime, abs=1)


def test_no_run(trained, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: there is no such folder"):
        read_experiment(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty: holds no run of `otseg train`"):
        read_experiment(tmp_path / "empty")
    (trained / "milk" / "seed_0" / "run.json").write_text("{")
    with pytest.raises(ValueError, match=r"run\.json: not a JSON file"):
        read_experiment(trained)


def test_segments_again_are_those_of_training(trained, data):
    before = {path: path.read_text() for path in trained.rglob("*.json")}
    for name in ("segments.json", "embedding.json"):
        for path in trained.rglob(name):
            path.unlink()
    assert read_experiment(trained).runs[0].segments is None
    found = segment_again(read_experiment(trained), data)
    assert found.runs[0].segments is not None
    assert {path: path.read_text() for path in trained.rglob("*.json")} == before


def test_segments_of_other_sequences_are_refused(trained, data):
    other = SequenceDataset(data.sources[:2], data.class_names)
    with pytest.raises(ValueError, match="was trained on 3 other sequences"):
        segment_again(read_experiment(trained), other)
    shutil.rmtree(trained / "milk")
    with pytest.raises(ValueError, match="was trained on 3 other sequences"):
        segment_again(read_experiment(trained), other)
