"""Training from end to end, on synthetic videos and on real recordings."""

import csv
from dataclasses import replace

import pytest
import torch

from otseg.data import Sequence, SequenceDataset, load_folder, make_activity
from otseg.metrics import evaluate
from otseg.models import ASOT, ASOTConfig, uniform_split
from otseg.train import TrainConfig, evaluate_model, fit, load_model, save_model

CONFIG = TrainConfig(epochs=4, n_samples=40)


def dataset(n_sequences=4):
    generator = torch.Generator().manual_seed(0)
    return make_activity(n_sequences, 4, n_features=8, n_frames=(90, 150), difficulty=0.3, generator=generator)


def asot(data, seed=0):
    torch.manual_seed(seed)
    return ASOT(ASOTConfig(n_actions=4, n_features=data.n_features, layers=(16, 8)))


def train(model, data, val=None, **options):
    options = {"config": CONFIG, "enable_progress_bar": False, "accelerator": "cpu", **options}
    return fit(model, data, val, **options)


def test_same_seed_same_weights():
    data = dataset()
    models = [asot(data), asot(data), asot(data)]
    for model, seed in zip(models, (0, 0, 1), strict=True):
        train(model, data, config=TrainConfig(epochs=2, n_samples=40, seed=seed))
    same, twin, other = ([p.detach() for p in model.parameters()] for model in models)
    assert all(torch.equal(x, y) for x, y in zip(same, twin, strict=True))
    assert not all(torch.equal(x, y) for x, y in zip(same, other, strict=True))


@pytest.mark.parametrize("interrupted_after", [1, 3])
def test_resumed_run_ends_with_the_same_bits(tmp_path, interrupted_after):
    data = dataset()
    whole = asot(data)
    history = train(whole, data, data, folder=tmp_path / "whole").lightning_module.history
    train(asot(data), data, data, folder=tmp_path / "run", max_epochs=interrupted_after)
    resumed = asot(data, seed=7)  # other weights, which the checkpoint replaces
    torch.rand(13)  # the state of the global generator does not matter
    trainer = train(resumed, data, data, folder=tmp_path / "run", resume=True)
    assert trainer.current_epoch == CONFIG.epochs
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    assert trainer.lightning_module.history == history
    assert list(history["train/loss"]) == list(history["val/mof"]) == [1, 2, 3, 4]
    assert (tmp_path / "run" / "metrics.csv").read_text() == (tmp_path / "whole" / "metrics.csv").read_text()


def test_resume_refuses_other_settings(tmp_path):
    data = dataset()
    train(asot(data), data, folder=tmp_path / "a", max_epochs=1)
    with pytest.raises(ValueError, match="`n_samples` must be 40, as in the checkpoint; got 50"):
        train(asot(data), data, folder=tmp_path / "a", resume=True, config=TrainConfig(epochs=4, n_samples=50))
    other = ASOT(replace(asot(data).config, epsilon=0.1))
    with pytest.raises(ValueError, match=r"`epsilon` must be 0\.07, as in the checkpoint; got 0\.1"):
        train(other, data, folder=tmp_path / "a", resume=True)


def test_writes_its_folder_and_nothing_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = dataset()
    train(asot(data), data, max_epochs=1)
    assert not list(tmp_path.iterdir())
    train(asot(data), data, data, folder=tmp_path / "run", max_epochs=2)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").is_file()
    assert list((tmp_path / "run").glob("events.out.tfevents.*"))
    with (tmp_path / "run" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sum(bool(row["train/loss"]) for row in rows) == sum(bool(row["val/mof"]) for row in rows) == 2
    with pytest.raises(ValueError, match="the folder is not empty"):
        train(asot(data), data, folder=tmp_path / "run")


def test_validation_equals_evaluation_and_labels_do_not_leak():
    data = dataset()
    scored, blind = asot(data), asot(data)
    history = train(scored, data, data).lightning_module.history
    unlabeled = SequenceDataset([Sequence(s.features, name=s.name) for s in data])
    train(blind, unlabeled)
    assert all(torch.equal(x, y) for x, y in zip(scored.parameters(), blind.parameters(), strict=True))
    evaluation, labels = evaluate_model(scored, data, config=CONFIG)
    assert history["val/mof"][4] == pytest.approx(evaluation.mof)
    assert history["val/f1_50"][4] == pytest.approx(evaluation.f1_50)
    assert [len(x) for x in labels] == [s.n_frames for s in data]
    with pytest.raises(ValueError, match="`val` must be a data set with labels"):
        train(blind, unlabeled, unlabeled)
    with pytest.raises(ValueError, match="`dataset` must be labeled"):
        evaluate_model(scored, unlabeled)


def test_learns_synthetic_videos_and_survives_a_file(tmp_path):
    data = dataset(n_sequences=10)
    model, config = asot(data), TrainConfig(epochs=8, n_samples=64)
    losses = train(model, data, config=config).lightning_module.history["train/loss"]
    assert losses[8] < losses[1]
    evaluation, labels = evaluate_model(model, data, config=config)
    target = [sequence.labels for sequence in data]
    uniform = evaluate([uniform_split(len(y), 4) for y in target], target)
    assert evaluation.mof > 0.8 > uniform.mof
    save_model(model, tmp_path / "model.safetensors", config)
    loaded, loaded_config = load_model(tmp_path / "model.safetensors")
    again = evaluate_model(loaded, data, config=loaded_config)[1]
    assert all(torch.equal(x, y) for x, y in zip(labels, again, strict=True))


@pytest.mark.slow
def test_beats_the_yardsticks_on_real_recordings(data_root):
    data = load_folder(data_root / "sp_sw_har").load()
    torch.manual_seed(0)
    model, config = ASOT(ASOTConfig(n_actions=5, n_features=48)), TrainConfig(n_samples=192)
    train(model, data, config=config)
    found = evaluate_model(model, data, config=config)[0]
    # uniform split 49.8 / 35.3 / 43.7, k-means 50.8 / 37.3 / 20.3
    assert found.mof > 0.55
    assert found.miou > 0.38
    assert found.f1_50 > 0.44
