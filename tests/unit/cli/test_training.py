import csv
import io
import json
import sys
import threading

import click
import joblib
import numpy as np
import pytest
import torch

from otseg.cli._training import Seeds
from otseg.data import make_activity, save_folder
from otseg.train import load_model, segmenting

TINY = ("--set", "train.epochs=1", "--set", "model.layers=[8, 4]", "--no-progress", "--accelerator", "cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Recordings of one activity on disk."""
    root = tmp_path_factory.mktemp("data") / "recordings"
    generator = torch.Generator().manual_seed(0)
    save_folder(make_activity(3, 3, n_features=6, n_frames=(30, 40), generator=generator), root)
    return root


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    """The folder of an experiment."""
    from click.testing import CliRunner

    from otseg.cli.main import main

    output = tmp_path_factory.mktemp("runs") / "first"
    arguments = ["train", str(folder), "--model", "asot", *TINY, "--seeds", "0,1", "--output", str(output)]
    done = CliRunner().invoke(main, arguments, prog_name="otseg")
    assert done.exit_code == 0, done.output
    return output


@pytest.mark.parametrize(
    ("text", "seeds"), [("0", (0,)), ("0,2", (0, 2)), ("0-3", (0, 1, 2, 3)), ("1-2,7,2", (1, 2, 7))]
)
def test_seeds(text, seeds):
    assert Seeds().convert(text, None, None) == seeds


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "1.5"])
def test_seeds_refuse(text):
    with pytest.raises(click.BadParameter, match="not of the form"):
        Seeds().convert(text, None, None)


def test_train_prints_one_document_and_goes_on(otseg_command, folder, trained):
    arguments = ("train", folder, "--model", "asot", *TINY, "--output", trained, "--json")
    before = (trained / "all" / "seed_0" / "run.json").stat().st_mtime_ns
    done = otseg_command(*arguments, "--seeds", "0,1")
    document = done.document  # parsed from all of the standard output
    assert "otseg report" not in done.stdout + done.stderr
    assert (trained / "all" / "seed_0" / "run.json").stat().st_mtime_ns == before
    assert document["seeds"] == [0, 1]
    assert document["runs"][0]["model_config"]["n_actions"] == 3
    assert document["scores"]["video"]["weighted"]["mof"]["n"] == 2
    assert json.loads((trained / "results.json").read_text())["scores"] == document["scores"]


def test_train_explains_mistakes(otseg_command, folder, tmp_path):
    output = ("--output", tmp_path / "new")
    for arguments, message in (
        (("--set", "train.epoch=1"), "`epoch` must be a field of TrainConfig"),
        (("--set", "epochs=1"), "`overrides` must be model.<field>=<value>"),
        (("--config", "nowhere.toml"), "nowhere.toml: there is no such file"),
        (("--activity", "toast"), "`activities` must be one of"),
    ):
        assert message in otseg_command("train", folder, *arguments, *output, exit_code=2).stderr
    assert not (tmp_path / "new").exists()


def test_eval_agrees_with_train(otseg_command, folder, trained):
    whole = otseg_command("eval", trained, folder, "--json").document
    trained_scores = json.loads((trained / "results.json").read_text())["scores"]
    assert whole["scores"] == trained_scores
    one = otseg_command("eval", trained / "all" / "seed_1", folder, "--scope", "video", "--json").document
    assert one["mof"] == json.loads((trained / "all" / "seed_1" / "run.json").read_text())["scores"]["video"]["mof"]
    assert one["protocol"]["scope"] == "video"
    missing = otseg_command("eval", "nowhere.safetensors", folder, exit_code=2)
    assert "nowhere.safetensors: there is no such file" in missing.stderr


def test_segment_writes_what_the_model_says(otseg_command, folder, trained, tmp_path):
    model, features = trained / "all" / "seed_0", folder / "features"
    printed = otseg_command("segment", model / "model.safetensors", features)
    rows = list(csv.DictReader(io.StringIO(printed.stdout)))
    files = sorted(features.glob("*.npy"))
    assert list(dict.fromkeys(row["sequence"] for row in rows)) == [path.stem for path in files]
    otseg_command("segment", model, *files, "--output", tmp_path / "frames", "--format", "frames")
    otseg_command("segment", model, features, "--output", tmp_path / "segments")
    for path in files:
        labels = np.loadtxt(tmp_path / "frames" / f"{path.stem}.txt", dtype=int)
        assert len(labels) == len(np.load(path))
        spread = []
        for row in csv.DictReader(io.StringIO((tmp_path / "segments" / f"{path.stem}.csv").read_text())):
            spread += [int(row["action"])] * (int(row["stop"]) - int(row["start"]))
        assert spread == labels.tolist()
    config = load_model(model)[1]
    assert config.standardize  # so that raw features were segmented as in training
    again = otseg_command("segment", model, features, "--output", tmp_path / "segments", exit_code=2)
    assert "the folder is not empty" in again.stderr


def test_segment_spreads_files_through_joblib(otseg_command, folder, trained, monkeypatch):
    arguments = ("segment", trained / "all" / "seed_0", folder / "features", "--json")
    document = otseg_command(*arguments).document
    threads = set()
    segment_dataset = segmenting.segment_dataset

    def noted(*args, **options):
        threads.add(threading.get_ident())
        return segment_dataset(*args, **options)

    monkeypatch.setattr(segmenting, "segment_dataset", noted)
    with joblib.parallel_config("threading"):
        assert otseg_command(*arguments, "--jobs", "2").document == document
    assert threads
    assert threading.get_ident() not in threads
    refused = otseg_command(*arguments, "--jobs", "0", exit_code=2)
    assert refused.stderr.startswith(
        "error: `n_jobs` must be a number of processes, or -1 for one per processor; got 0"
    )


def test_segment_explains_a_cluster_that_is_not_there(otseg_command, folder, trained, monkeypatch):
    arguments = ("segment", trained / "all" / "seed_0", folder / "features", "--dask")
    monkeypatch.setitem(sys.modules, "distributed", None)
    missing = otseg_command(*arguments, "tcp://127.0.0.1:8786", exit_code=2)
    assert "error: `distributed` is needed here" in missing.stderr
    assert "pip install 'otseg[dask]'" in missing.stderr
    monkeypatch.undo()
    pytest.importorskip("distributed")
    assert "error: missing port number in address 'here'" in otseg_command(*arguments, "here", exit_code=2).stderr


def test_segment_writes_seconds_and_draws(otseg_command, folder, trained, tmp_path):
    pytest.importorskip("matplotlib")
    model, picture = trained / "all" / "seed_0", tmp_path / "segments.png"
    frames = list(csv.DictReader(io.StringIO(otseg_command("segment", model, folder / "features").stdout)))
    options = ("--frame-rate", "25", "--picture", picture)
    rows = list(csv.DictReader(io.StringIO(otseg_command("segment", model, folder / "features", *options).stdout)))
    assert [{key: row[key] for key in frames[0]} for row in rows] == frames
    for row in rows:
        assert float(row["start_seconds"]) == int(row["start"]) / 25
        assert float(row["stop_seconds"]) == int(row["stop"]) / 25
    assert picture.read_bytes().startswith(b"\x89PNG")
    otseg_command("segment", model, folder / "features", "--frame-rate", "25", "--output", tmp_path / "files")
    first = (tmp_path / "files" / f"{rows[0]['sequence']}.csv").read_text().splitlines()
    assert first[:2] == ["start,stop,action,start_seconds,stop_seconds", ",".join(list(rows[0].values())[1:])]


def test_segment_looks_for_matplotlib_first(otseg_command, folder, trained, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    arguments = ("segment", trained / "all" / "seed_0", folder / "features", "--output", tmp_path / "out")
    assert "otseg[plots]" in otseg_command(*arguments, "--picture", "a.png", exit_code=2).stderr
    assert not (tmp_path / "out").exists()


def test_train_without_labels_says_what_to_do(otseg_command, folder, tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    for path in sorted((folder / "features").glob("*.npy")):
        np.savetxt(logs / f"{path.stem}.csv", np.load(path), delimiter=",", header="a,b,c,d,e,f", comments="")
    output, tiny = tmp_path / "run", (*TINY, "--model", "asot", "--output", tmp_path / "run")
    assert "--features ." in otseg_command("train", logs, *tiny, "--no-labels", exit_code=2).stderr
    flat = ("train", logs, "--features", ".", *tiny)
    assert "--no-labels" in otseg_command(*flat, exit_code=2).stderr
    assert "--n-actions" in otseg_command(*flat, "--no-labels", exit_code=2).stderr
    done = otseg_command(*flat, "--no-labels", "--n-actions", "3").stdout
    assert "1 model trained" in done
    assert f"otseg segment {output / 'all' / 'seed_0'} FILES" in done
    assert f"Look at the run with: otseg report {output}\n" in done
    assert otseg_command("report", output).stdout.splitlines()[-1].startswith(f"Written to {output / 'report.html'}")


def test_segment_refuses_other_features(otseg_command, trained, tmp_path):
    np.save(tmp_path / "wide.npy", np.zeros((20, 9), dtype=np.float32))
    refused = otseg_command("segment", trained / "all" / "seed_0", tmp_path / "wide.npy", exit_code=2)
    assert "neither number is the declared n_features=6" in refused.stderr
    (tmp_path / "empty").mkdir()
    refused = otseg_command("segment", trained / "all" / "seed_0", tmp_path / "empty", exit_code=2)
    assert "holds no files of features" in refused.stderr


def test_reproduce_explains_without_data(otseg_command):
    text = otseg_command("reproduce", "asot", "--dataset", "desktop-assembly", "--dry-run").stdout
    for part in ("features/<video>", "76 of features", "train.epochs = 30", "model.rho_b = 0.16", "Time: about"):
        assert part in text
    assert "Settings (published)" in text
    document = otseg_command("reproduce", "clot", "--dataset", "desktop-assembly", "--json").document
    assert document["published_settings"] is False
    assert "otseg's choice" in document["source"]
    assert document["seconds"] > 0
    assert {row["method"] for row in document["published_results"]} == {"ASOT", "VASOT", "CLOT"}


def test_reproduce_sets_numbers_beside_the_published(otseg_command, tmp_path):
    generator = torch.Generator().manual_seed(0)
    data = make_activity(3, 4, n_features=512, n_frames=(60, 80), generator=generator)
    save_folder(data, tmp_path / "data")
    arguments = ("reproduce", "asot", "--dataset", "desktop-assembly", "--data-root", tmp_path / "data")
    run = otseg_command(*arguments, *TINY, "--output", tmp_path / "out")
    rows = [line for line in run.stdout.splitlines() if "published:" in line or "this run" in line]
    assert [row.split("|")[1].strip() for row in rows] == ["ASOT", "VASOT", "CLOT", "ASOT (otseg)", "ASOT (otseg)"]
    found = json.loads((tmp_path / "out" / "results.json").read_text())["scores"]["activity"]["weighted"]
    assert rows[0].split("|")[2].strip() == "70.4"
    assert rows[3].split("|")[2].strip() == f"{100 * found['mof']['mean']:.1f}"
    nothing = otseg_command(*arguments[:4], "--data-root", tmp_path / "none", exit_code=2)
    assert "does not exist" in nothing.stderr
