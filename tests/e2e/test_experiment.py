"""Experiments from end to end: all activities and seeds, killed and taken up again, in several processes."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from otseg.data import SequenceDataset, make_activity, save_folder
from otseg.train import evaluate_experiment, fit, load_model, make_settings, run_experiment
from otseg.train.run import new_model

ROOT = Path(__file__).resolve().parents[2]
ACTIVITIES = ("milk", "tea")
OPTIONS = {"accelerator": "cpu", "progress": False}

SCRIPT = """
import json, os, signal, sys
import torch
from lightning import Callback
sys.path.insert(0, {here!r})
import test_experiment as shared

class Kill(Callback):
    # in the middle of the second epoch of the last run
    def on_train_batch_start(self, trainer, module, batch, index):
        if (trainer.current_epoch, index, trainer.max_epochs, module.config.seed) == (1, 1, 3, 1):
            if "tea" in batch.activities:
                os.kill(os.getpid(), signal.SIGKILL)
"""


def dataset():
    """Three sequences of each of two activities."""
    generator = torch.Generator().manual_seed(0)
    parts = [make_activity(3, 3, n_features=6, n_frames=(30, 50), generator=generator) for _ in ACTIVITIES]
    sources = [
        replace(sequence, name=f"{activity}_{sequence.name}", activity=activity)
        for activity, part in zip(ACTIVITIES, parts, strict=True)
        for sequence in part.sources
    ]
    return SequenceDataset(sources, parts[0].class_names)


def settings(*overrides):
    """CLOT with dropout, the hardest to resume."""
    small = ["train.epochs=3", "train.n_samples=20", "model.layers=[8, 4]", "model.n_projections=5"]
    return make_settings("clot", overrides=[*small, "model.dropout=0.1", *overrides])


def script(tmp_path, lines):
    """Run lines of Python in a process of their own."""
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.format(here=str(Path(__file__).parent)) + lines)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    run = [sys.executable, str(path)]
    return subprocess.run(run, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An experiment that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, run_experiment(settings(), dataset(), folder=folder, seeds=(0, 1), **OPTIONS)


def test_an_experiment_that_was_killed_ends_with_the_same_bits(whole, tmp_path):
    folder = tmp_path / "killed"
    lines = "shared.run_experiment(shared.settings(), shared.dataset(), folder={!r}, seeds=(0, 1), callbacks=[Kill()],"
    killed = script(tmp_path, lines.format(str(folder)) + "**shared.OPTIONS)")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (folder / "tea" / "seed_0" / "run.json").exists()
    assert not (folder / "tea" / "seed_1" / "run.json").exists()
    assert (folder / "tea" / "seed_1" / "training" / "checkpoints" / "last.ckpt").exists()
    kept = (folder / "milk" / "seed_0" / "model.safetensors").stat().st_mtime_ns
    results = run_experiment(settings(), dataset(), folder=folder, seeds=(0, 1), **OPTIONS)
    assert (folder / "milk" / "seed_0" / "model.safetensors").stat().st_mtime_ns == kept
    for run in whole[0].glob("*/seed_*"):
        other = folder / run.relative_to(whole[0])
        state, again = (load_file(place / "model.safetensors") for place in (run, other))
        assert all(torch.equal(tensor, again[name]) for name, tensor in state.items()), run
        curves = [(place / "training" / "metrics.csv").read_text() for place in (run, other)]
        assert curves[0] == curves[1]
    assert results.markdown() == whole[1].markdown()


def test_tables_hold_the_numbers_of_the_runs(whole):
    folder, results = whole
    runs = {(run["activity"], run["seed"]): run for run in results.runs}
    assert list(runs) == [("milk", 0), ("milk", 1), ("tea", 0), ("tea", 1)]
    frames = {activity: sum(s.n_frames for s in dataset().subset(activity)) for activity in ACTIVITIES}
    per_seed = []
    for seed in (0, 1):
        mof = {activity: runs[activity, seed]["scores"]["activity"]["mof"] for activity in ACTIVITIES}
        per_seed.append(sum(frames[a] * mof[a] for a in ACTIVITIES) / sum(frames.values()))
    expected = torch.tensor(per_seed, dtype=torch.float64)
    found = results.mean("weighted")["mof"]
    assert found.mean == pytest.approx(float(expected.mean()))
    assert found.std == pytest.approx(float(expected.std()))
    assert results.mean("unweighted")["mof"].mean != found.mean
    cell = f"{100 * found.mean:.1f} ± {100 * found.std:.1f}"
    assert cell in (folder / "results.md").read_text()
    assert f"CLOT & {100 * found.mean:.1f} " in (folder / "results.tex").read_text()
    document = json.loads((folder / "results.json").read_text())
    assert document["scores"]["activity"]["weighted"]["mof"]["mean"] == found.mean
    assert document["runs"][0]["train_config"]["epochs"] == 3
    # a video is matched on its own at least as well as all of them together
    assert results.mean(scope="video")["mof"].mean >= found.mean


def test_models_of_an_experiment_score_again_as_they_did(whole):
    folder, results = whole
    again = evaluate_experiment(folder, dataset())
    assert again.markdown() == results.markdown()
    model, config = load_model(folder / "tea" / "seed_1")
    assert config.seed == 1
    assert type(model).__name__ == "CLOT"
    with pytest.raises(FileNotFoundError, match="holds no finished runs"):
        evaluate_experiment(folder / "tea", dataset())


def test_refuses_other_settings_before_any_work(whole, tmp_path):
    folder = whole[0]
    with pytest.raises(ValueError, match=r"run\.json: was run with epsilon = 0\.07, not 0\.1"):
        run_experiment(settings("model.epsilon=0.1"), dataset(), folder=folder, **OPTIONS)
    for wrong, message in (
        (settings("model.alfa=1"), "`alfa` must be a field of CLOTConfig"),
        (settings("model.n_features=7"), "`n_features` must be 6, as in the data; got 7"),
    ):
        with pytest.raises(ValueError, match=message):
            run_experiment(wrong, dataset(), folder=tmp_path / "new", **OPTIONS)
    with pytest.raises(ValueError, match="`activities` must be one of 'milk', 'tea'; got 'toast'"):
        run_experiment(settings(), dataset(), folder=tmp_path / "new", activities=["toast"], **OPTIONS)
    assert not (tmp_path / "new").exists()


def test_trains_without_labels(tmp_path):
    unlabeled = SequenceDataset([replace(source, labels=None) for source in dataset().sources])
    small = settings("train.epochs=1", "model.n_actions=3")
    results = run_experiment(small, unlabeled, folder=tmp_path, activities=["tea"], **OPTIONS)
    assert "no ground truth" in results.markdown()
    assert load_model(tmp_path / "tea" / "seed_0")[0].config.n_actions == 3


def ddp_run(batch_size, **options):
    """Train on four sequences, validate on five, which two processes cannot divide evenly."""
    generator = torch.Generator().manual_seed(1)
    data = make_activity(5, 3, n_features=6, n_frames=(30, 50), generator=generator)
    small = ["train.epochs=2", "train.n_samples=20", "model.layers=[8, 4]", f"train.batch_size={batch_size}"]
    asked = make_settings("asot", overrides=small)
    model_config, config = asked.configs(data)
    model = new_model(asked.method.model, model_config, 0)
    options = {"accelerator": "cpu", "enable_progress_bar": False, **options}
    trainer = fit(model, data.select(range(4)), data, config=config, **options)
    weights = {name: tensor.tolist() for name, tensor in model.state_dict().items()}
    return trainer, {"history": trainer.lightning_module.history, "weights": weights}


def test_two_processes_do_what_one_does_with_the_same_batches(tmp_path):
    lines = """
trainer, found = shared.ddp_run(1, folder="ddp", devices=2, strategy="ddp")
with open(f"rank_{trainer.global_rank}.json", "w") as file:
    json.dump(found, file)
"""
    done = script(tmp_path, lines)
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"rank_{rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    assert (tmp_path / "ddp" / "checkpoints" / "last.ckpt").exists()
    one = ddp_run(2)[1]
    for name, weights in one["weights"].items():
        torch.testing.assert_close(torch.tensor(first["weights"][name]), torch.tensor(weights), atol=1e-5, rtol=1e-4)
    for name, values in one["history"].items():
        assert first["history"][name] == pytest.approx({str(epoch): x for epoch, x in values.items()}, rel=1e-5), name


def test_restarts_keep_the_lowest_loss_and_go_on(tmp_path):
    """Killed in its second start, an experiment ends as one that was not; other numbers of starts are refused."""
    options = {"seeds": (1,), "activities": ["tea"], **OPTIONS}
    whole = run_experiment(settings(), dataset(), folder=tmp_path / "whole", restarts=2, **options)
    (record,) = whole.runs
    assert list(record["restart_losses"]) == ["1", "1010"]
    assert (
        record["loss"] == min(record["restart_losses"].values()) == record["restart_losses"][str(record["chosen_seed"])]
    )
    assert "Each the best of 2 starts by its training loss." in (tmp_path / "whole" / "results.md").read_text()
    model, config = load_model(tmp_path / "whole" / "tea" / "seed_1")
    assert config.seed == record["chosen_seed"]
    single = run_experiment(settings(), dataset(), folder=tmp_path / "one", **options)
    assert single.runs[0]["loss"] == record["restart_losses"]["1"]  # the first start is that of one without restarts
    lines = """
class KillStart(Callback):
    def on_train_batch_start(self, trainer, module, batch, index):
        if (trainer.current_epoch, module.config.seed) == (1, 1010):
            os.kill(os.getpid(), signal.SIGKILL)

options = {"seeds": (1,), "activities": ["tea"], "callbacks": [KillStart()], **shared.OPTIONS}
shared.run_experiment(shared.settings(), shared.dataset(), folder="killed", restarts=2, **options)
"""
    killed = script(tmp_path, lines)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    again = run_experiment(settings(), dataset(), folder=tmp_path / "killed", restarts=2, **options)
    assert again.runs[0]["restart_losses"] == record["restart_losses"]
    state = load_model(tmp_path / "killed" / "tea" / "seed_1")[0].state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    with pytest.raises(ValueError, match="was run with restarts = 2, not 1"):
        run_experiment(settings(), dataset(), folder=tmp_path / "whole", **options)


def test_an_experiment_in_two_processes_is_that_of_one_with_the_same_batches(tmp_path):
    """Through the command line: the first process writes and prints, alone; both go through all four trainings."""
    generator = torch.Generator().manual_seed(1)
    data = make_activity(4, 3, n_features=6, n_frames=(30, 50), generator=generator)
    save_folder(data, tmp_path / "recordings")
    small = ["train.epochs=2", "train.n_samples=20", "model.layers=[8, 4]"]
    arguments = ["train", "recordings", "--model", "asot", "--seeds", "0,1", "--restarts", "2", "--accelerator", "cpu"]
    arguments += ["--devices", "2", "--strategy", "ddp", "--output", "two", "--no-progress", "--json"]
    arguments += [word for setting in (*small, "train.batch_size=1") for word in ("--set", setting)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    run = [sys.executable, "-m", "otseg", *arguments]
    done = subprocess.run(run, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    two = json.loads(done.stdout)["runs"]
    asked = make_settings("asot", overrides=[*small, "train.batch_size=2"])
    one = run_experiment(asked, data, folder=tmp_path / "one", seeds=(0, 1), restarts=2, **OPTIONS).runs
    for both, alone in zip(two, one, strict=True):
        place = Path("all") / f"seed_{alone['seed']}"
        assert json.loads((tmp_path / "two" / place / "run.json").read_text()) == both
        assert both["versions"]["processes"] == 2
        assert both["chosen_seed"] == alone["chosen_seed"]
        assert both["restart_losses"] == pytest.approx(alone["restart_losses"], rel=1e-5)
        states = [load_file(tmp_path / name / place / "model.safetensors") for name in ("two", "one")]
        for name, tensor in states[0].items():
            torch.testing.assert_close(tensor, states[1][name], atol=1e-5, rtol=1e-4)
        assert [both["scores"][scope]["mof"] for scope in ("activity", "video")] == pytest.approx(
            [alone["scores"][scope]["mof"] for scope in ("activity", "video")], abs=0.02
        )  # a frame or two may change sides


def test_goes_on_with_the_same_number_of_processes_only(tmp_path):
    run_experiment(settings("train.epochs=1"), dataset(), folder=tmp_path, activities=["tea"], **OPTIONS)
    place = tmp_path / "tea" / "seed_0"
    (place / "run.json").unlink()
    last = place / "training" / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(last, weights_only=False)
    checkpoint["otseg"]["trainer"]["processes"] = 2
    torch.save(checkpoint, last)
    with pytest.raises(ValueError, match="`processes` must be 2, as in the checkpoint; got 1"):
        run_experiment(settings("train.epochs=1"), dataset(), folder=tmp_path, activities=["tea"], **OPTIONS)
