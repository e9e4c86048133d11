import csv
import importlib.util

import pytest
import torch

from otseg.data import Sequence, SequenceDataset
from otseg.models import ASOT, ASOTConfig
from otseg.train import TrainConfig, fit
from otseg.train.loggers import EpochTable, default_loggers, read_history, wandb_logger


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_per_epoch_whatever_comes_when(tmp_path):
    table = EpochTable(tmp_path / "metrics.csv")
    table.log_metrics({"train/loss": 2.0, "epoch": 0}, step=3)
    table.log_metrics({"val/mof": 0.5, "epoch": 1}, step=5)
    table.log_metrics({"train/loss": 1.0, "epoch": 1}, step=6)
    assert rows(table.path) == [
        {"epoch": "1", "train/loss": "2.0", "val/mof": ""},
        {"epoch": "2", "train/loss": "1.0", "val/mof": "0.5"},
    ]
    assert read_history(table.path) == {"train/loss": {1: 2.0, 2: 1.0}, "val/mof": {2: 0.5}}


def test_a_resumed_table_keeps_what_was_before_and_drops_what_was_after(tmp_path):
    table = EpochTable(tmp_path / "metrics.csv")
    for epoch in range(3):
        table.log_metrics({"train/loss": float(epoch), "epoch": epoch})
    again = EpochTable(tmp_path / "metrics.csv")
    again.log_metrics({"train/loss": 9.0, "epoch": 1})
    assert read_history(table.path) == {"train/loss": {1: 0.0, 2: 9.0}}


def test_tensorboard_only_where_it_is_installed(tmp_path, monkeypatch):
    assert len(default_loggers(tmp_path)) == 2
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tensorboard" else found(name))
    (only,) = default_loggers(tmp_path)
    assert isinstance(only, EpochTable)


def test_weights_and_biases_is_asked_for_where_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'otseg\[wandb\]'"):
        wandb_logger("project", "run", tmp_path)


@pytest.mark.filterwarnings("default")  # wandb's own
def test_weights_and_biases_offline(tmp_path, monkeypatch, generator):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    logger = wandb_logger("project", "ASOT seed 0", tmp_path / "wandb", group="experiment")
    data = SequenceDataset([Sequence(torch.randn(20, 3, generator=generator), name=str(i)) for i in range(2)])
    model = ASOT(ASOTConfig(n_actions=2, n_features=3, layers=(8, 4)))
    config = TrainConfig(epochs=2)
    fit(model, data, config=config, folder=tmp_path / "run", logger=logger, enable_progress_bar=False)
    history = read_history(tmp_path / "run" / "metrics.csv")["train/loss"]
    run = wandb.run
    assert (run.project, run.name, run.group) == ("project", "ASOT seed 0", "experiment")
    assert run.summary["train/loss"] == pytest.approx(history[2])
    wandb.finish()
    assert list((tmp_path / "wandb").rglob("run-*.wandb"))
    again = wandb_logger("project", "ASOT seed 0", tmp_path / "wandb")
    assert again.version == run.id  # a run that is started again goes on there


def test_standard_output_stays_free(tmp_path, capsys, generator):
    data = SequenceDataset([Sequence(torch.randn(20, 3, generator=generator), name=str(i)) for i in range(3)])
    model = ASOT(ASOTConfig(n_actions=2, n_features=3, layers=(8, 4)))
    fit(model, data, config=TrainConfig(epochs=2))
    captured = capsys.readouterr()
    assert not captured.out
    assert "4/4" in captured.err
    assert "epoch=2/2" in captured.err
    fit(model, data, config=TrainConfig(epochs=1), enable_progress_bar=False)
    assert not capsys.readouterr().err
