import numpy as np
import pytest
import torch

from otseg.models import ASOT, CLOT, ASOTConfig, CLOTConfig
from otseg.train import TrainConfig, save_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A file of a model, which standardizes."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "asot.safetensors"
    save_model(ASOT(ASOTConfig(n_actions=3, n_features=6, layers=(8, 4))), path, config=TrainConfig())
    return path


@pytest.fixture
def recordings(tmp_path):
    """Two long files and the folder they are in."""
    folder = tmp_path / "features"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for name, n in (("a", 230), ("b", 61)):
        frames = np.repeat(generator.normal(size=(n // 10 + 1, 6)), 10, axis=0)[:n]
        np.save(folder / f"{name}.npy", 5 + frames + 0.1 * generator.normal(size=frames.shape))
    return folder


def test_a_window_of_all_frames_is_the_plain_command(otseg_command, model, recordings):
    plain = otseg_command("segment", model, recordings, "--json").document
    assert len(plain["sequences"]["a"]) > 1
    windows = otseg_command("segment", model, recordings, "--window", 500, "--lookahead", 400, "--json").document
    assert windows == plain


@pytest.mark.parametrize(("form", "ending"), [("frames", ".txt"), ("segments", ".csv")])
def test_files_are_what_is_printed(otseg_command, model, recordings, tmp_path, form, ending):
    options = ("--window", 60, "--lookahead", 20, "--passes", 2)
    printed = otseg_command("segment", model, recordings, *options, "--json").document["sequences"]
    output = tmp_path / "labels"
    otseg_command("segment", model, recordings, *options, "--output", output, "--format", form)
    assert sorted(path.name for path in output.iterdir()) == [f"{name}{ending}" for name in "ab"]
    for name, n in (("a", 230), ("b", 61)):
        text = (output / f"{name}{ending}").read_text()
        if form == "segments":
            rows = [[int(word) for word in line.split(",")] for line in text.splitlines()[1:]]
            assert rows == printed[name]
        else:
            labels = [int(word) for word in text.split()]
            assert len(labels) == n
            assert labels == [action for start, stop, action in printed[name] for _ in range(stop - start)]


def test_mistakes_are_explained(otseg_command, model, recordings, tmp_path):
    needs = otseg_command("segment", model, recordings, "--passes", 2, exit_code=2)
    assert "--lookahead and --passes need --window" in needs.stderr
    wide = otseg_command("segment", model, recordings, "--window", 10, "--lookahead", 10, exit_code=2)
    assert "`lookahead` must be below `window` = 10" in wide.stderr
    np.savetxt(recordings / "c.txt", np.zeros((5, 6)))
    text = otseg_command("segment", model, recordings / "c.txt", "--window", 10, exit_code=2)
    assert "c.txt: cannot be read in parts" in text.stderr
    clot = tmp_path / "clot.safetensors"
    save_model(CLOT(CLOTConfig(n_actions=3, n_features=6, layers=(8, 4))), clot, config=TrainConfig())
    refused = otseg_command("segment", clot, recordings / "a.npy", "--window", 10, exit_code=2)
    assert "decoded segments" in refused.stderr
    assert "inference='frames'" in refused.stderr


def test_a_run_that_fails_leaves_no_file_of_labels(otseg_command, model, recordings, tmp_path):
    frames = np.load(recordings / "a.npy")
    torn = frames.copy()
    torn[200, 3] = np.nan
    np.save(recordings / "b.npy", torn)
    output = tmp_path / "labels"
    failed = otseg_command("segment", model, recordings, "--window", 40, "--output", output, exit_code=2)
    assert "b.npy: feature 3 of frame 200 is nan" in failed.stderr
    assert (output / "a.csv").exists()
    assert not (output / "b.csv").exists()
