import pytest
import torch
from safetensors.torch import save_file

from otseg.models import ASOT, ASOTConfig
from otseg.train import TrainConfig, load_model, save_model


def test_refuses_to_overwrite(tmp_path):
    model, path = ASOT(ASOTConfig(n_actions=2, n_features=3)), tmp_path / "model.safetensors"
    save_model(model, path, TrainConfig())
    with pytest.raises(ValueError, match="the file exists"):
        save_model(model, path, TrainConfig())


def test_refuses_what_is_not_its_own(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        load_model(tmp_path / "none")
    (tmp_path / "text").write_text("not weights")
    with pytest.raises(ValueError, match="not a safetensors file"):
        load_model(tmp_path / "text")
    save_file({"weight": torch.zeros(1)}, tmp_path / "foreign")
    with pytest.raises(ValueError, match="no settings of a model"):
        load_model(tmp_path / "foreign")
    settings = '{"model": "nn", "config": {}, "train": {}}'
    save_file({"weight": torch.zeros(1)}, tmp_path / "unknown", metadata={"otseg": settings})
    with pytest.raises(ValueError, match="unknown model 'nn'"):
        load_model(tmp_path / "unknown")
