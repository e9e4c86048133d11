import pytest
import torch

from otseg.train.files import AtomicCheckpoints, replacing, write_json


def test_a_file_is_replaced_at_the_end_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "run.json"
    write_json(path, {"a": 1})
    with pytest.raises(RuntimeError, match="killed"):
        write_half(path)
    assert path.read_text() == '{\n "a": 1\n}\n'
    write_json(path, {"a": 2})  # what was left over is no obstacle
    assert path.read_text() == '{\n "a": 2\n}\n'
    assert [file.name for file in path.parent.iterdir()] == ["run.json"]


def write_half(path):
    with replacing(path) as partial:
        partial.write_text("half of i")
        raise RuntimeError("killed")


def test_a_checkpoint_that_is_cut_leaves_the_last_one(tmp_path, monkeypatch):
    path, checkpoints = tmp_path / "checkpoints" / "last.ckpt", AtomicCheckpoints()
    checkpoints.save_checkpoint({"epoch": 1, "x": torch.ones(3)}, path)

    def cut(value, file):
        file.write_bytes(b"PK half")
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", cut)
        with pytest.raises(OSError, match="no space left"):
            checkpoints.save_checkpoint({"epoch": 2}, path)
    assert checkpoints.load_checkpoint(path)["epoch"] == 1
    checkpoints.save_checkpoint({"epoch": 3}, path)
    assert checkpoints.load_checkpoint(path)["epoch"] == 3
