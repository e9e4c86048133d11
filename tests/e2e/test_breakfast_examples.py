"""The two examples that train on Breakfast-like videos."""

import importlib.util
import json
from pathlib import Path

import pytest

from otseg.train import Results, load_model
from otseg.train.pictures import MODEL_PICTURES

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def clot():
    return load("clot_breakfast")


def test_clot_is_compared_with_its_yardsticks(clot, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ["--epochs", "1", "--n-samples", "32", "--no-progress", "--seeds", "3", "--n-videos", "4"]
    assert clot.main(arguments) == 0
    captured = capsys.readouterr()
    folder = tmp_path / "runs" / "clot_breakfast" / "0001"
    assert {path.name for path in folder.iterdir()} == {"asot", "clot", "comparison.png", "results.md"}
    assert (folder / "results.md").read_text() in captured.out
    for method, title in (("asot", "ASOT"), ("clot", "CLOT")):
        place = folder / method / "coffee" / "seed_3"
        for name in MODEL_PICTURES:
            assert (place / name).stat().st_size > 10_000
        model, config = load_model(place)
        assert (type(model).__name__, config.seed) == (title, 3)
        record = json.loads((place / "run.json").read_text())
        mof = Results(title, [record], {}).mean()["mof"].mean
        assert f"| {title}          | {100 * mof:.1f} |" in captured.out
    before = (place / "model.safetensors").stat().st_mtime_ns
    assert clot.main([*arguments, "--output", str(folder)]) == 2
    assert "the folder is not empty" in capsys.readouterr().err
    assert clot.main([*arguments, "--output", str(folder), "--resume"]) == 0
    assert (place / "model.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data-root", "nowhere"], "nowhere"),
        (["--dataset", "yti"], "needs --data-root"),
        (["--activity", "toast"], "`activity` must be one of"),
        (["--epochs", "0"], "`epochs` must be an integer >= 1"),
        (["--n-actions", "0"], "`n_actions` must be an integer >= 1"),
        (["--config", "nowhere.toml"], "nowhere.toml: there is no such file"),
    ],
)
def test_clot_explains_mistakes_and_leaves_no_folder(clot, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert clot.main(arguments) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_asot_step_by_step(tmp_path, capsys):
    load("asot_breakfast").main(
        ["--set", "train.epochs=1", "train.n_samples=32", "train.seed=3", "--output", str(tmp_path / "run")]
    )
    assert {path.name for path in (tmp_path / "run").iterdir()} == {*MODEL_PICTURES, "model.safetensors", "training"}
    assert load_model(tmp_path / "run")[1].seed == 3
    output = capsys.readouterr().out
    assert output.index("uniform split") < output.index("ASOT\n") < output.index("Model and pictures")
