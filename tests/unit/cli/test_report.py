import json

import pytest
import torch

pytest.importorskip("lightning")
pytest.importorskip("matplotlib")
from otseg.data import make_activity, save_folder


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Recordings of one activity on disk."""
    root = tmp_path_factory.mktemp("data") / "recordings"
    generator = torch.Generator().manual_seed(0)
    save_folder(make_activity(3, 3, n_features=6, n_frames=(30, 40), generator=generator), root)
    return root


@pytest.fixture
def trained(otseg_command, recordings, tmp_path):
    """The folder of a run."""
    small = ("--set", "train.epochs=1", "--set", "model.layers=[8, 4]", "--no-progress", "--accelerator", "cpu")
    otseg_command("train", recordings, "--model", "tot", *small, "--output", tmp_path / "run")
    return tmp_path / "run"


def test_a_report_is_written_into_the_run_or_elsewhere(otseg_command, recordings, trained, tmp_path):
    text = otseg_command("report", trained).stdout
    page = trained / "report.html"
    assert f"Written to {page}" in text
    assert "warning: Only one seed" in text
    other = tmp_path / "new" / "other.html"
    document = otseg_command("report", trained, "--output", other, "--json").document
    assert document["bytes"] == other.stat().st_size
    assert (document["runs"], document["videos"], document["missing"]) == (1, 3, [])
    assert document["output"] == str(other)
    assert other.read_text() == page.read_text()

    (trained / "all" / "seed_0" / "segments.json").unlink()
    document = otseg_command("report", trained, "--json").document
    assert document["videos"] == 0
    assert "otseg report RUN --data FOLDER" in document["missing"][0]
    document = otseg_command("report", trained, "--data", recordings, "--json").document
    assert (document["videos"], document["missing"]) == (3, [])
    assert page.read_text() == other.read_text()
    assert json.loads((trained / "all" / "seed_0" / "segments.json").read_text())["n_actions"] == 3


def test_no_run(otseg_command, tmp_path):
    assert "holds no run of `otseg train`" in otseg_command("report", tmp_path, exit_code=2).stderr
    assert not (tmp_path / "report.html").exists()
    missing = otseg_command("report", tmp_path / "nowhere", exit_code=2).stderr
    assert missing.startswith("error: ")
    assert "there is no such folder" in missing
