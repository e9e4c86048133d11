"""With no optional package at all: everything imports, and whatever needs one names the command that installs it."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Every optional package, by the name it is imported by, and the extra that brings it.
OPTIONAL = {
    "distributed": "dask",
    "geomloss": "geomloss",
    "huggingface_hub": "hub",
    "lightning": "train",
    "matplotlib": "plots",
    "pandas": "pandas",
    "pykeops": "keops",
    "safetensors": "train",
    "tensorboard": "train",
    "tomli": "train",
    "torchmetrics": "train",
    "wandb": "wandb",
}
#: Packages that come with the required ones, and that an optional one brings.
REQUIRED = {"click", "jaxtyping", "joblib", "numpy", "ot", "otseg", "otseg_cuda", "scipy", "sklearn", "torch"}
BROUGHT = {"tqdm": "train"}
#: What needs an optional package, and its extra: expressions in the names below.
CALLS = {
    "otseg.plots.plot_plan(result)": "plots",
    "otseg.plots.plot_cost(cost)": "plots",
    "otseg.plots.plot_segments(result.labels())": "plots",
    "otseg.plots.plot_curves({'loss': [1.0, 0.5]})": "plots",
    "otseg.costs.sinkhorn_divergence(x, x, epsilon=0.1)": "geomloss",
    "otseg.solvers.sinkhorn_points(x, x, epsilon=0.1, backend='keops')": "keops",
    "model.push_to_hub('me/model')": "hub",
    "otseg.models.SegmentationModel.from_pretrained('me/model')": "hub",
    "otseg.models.SegmentationModel.from_pretrained('model.safetensors')": "train",
    "otseg.estimators.to_segment_table([0, 0, 1])": "pandas",
    "otseg.OTSegmenter(2).fit([x[0].numpy()])": "train",
    "importlib.import_module('otseg.train')": "train",
    "importlib.import_module('otseg.report')": "train",
    "importlib.import_module('otseg.metrics.streaming')": "train",
}
#: Command lines, and the extra that they need.
COMMANDS = {
    ("train", "data", "--no-labels"): "train",
    ("eval", "model.safetensors", "data"): "train",
    ("segment", "model.safetensors", "data/a.npy"): "train",
    ("reproduce", "clot", "--dataset", "breakfast", "--dry-run"): "train",
    ("report", "data"): "train",
}
BLOCK = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {sorted([*OPTIONAL, *BROUGHT])}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""
CODE = f"""
import importlib, json, os, pkgutil, warnings
import numpy, torch
import otseg, otseg.estimators
from click.testing import CliRunner
from otseg.cli.main import main
def attempt(call):
    try:
        call()
    except Exception as error:
        return type(error).__name__ + ": " + str(error)
x = torch.rand(1, 5, 2)
cost = otseg.costs.cosine(x, torch.rand(2, 2))
result = otseg.sinkhorn(cost, epsilon=0.1)
model = otseg.models.ASOT(otseg.models.ASOTConfig(n_actions=2, n_features=2, layers=(2,)))
os.mkdir("data"); numpy.save("data/a.npy", x[0].numpy()); open("model.safetensors", "w").close()
modules = [m.name for m in pkgutil.walk_packages(otseg.__path__, "otseg.", onerror=lambda name: None)]
found = {{
    "modules": {{name: attempt(lambda: importlib.import_module(name)) for name in modules if "__main__" not in name}},
    "calls": {{call: attempt(lambda: eval(call)) for call in {list(CALLS)}}},
    "commands": [
        (done.exit_code, done.output) for done in (CliRunner().invoke(main, words) for words in {list(COMMANDS)})
    ],
}}
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """What happens in a process without optional packages."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = [sys.executable, "-c", BLOCK + CODE]
    where = tmp_path_factory.mktemp("bare")
    done = subprocess.run(run, env=environment, cwd=where, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def names_command(text, extra):
    return f"is needed here and not installed. Install it with: pip install 'otseg[{extra}]'" in (text or "")


def test_the_lists_are_complete():
    """Every package that a file of otseg imports is required, in the standard library, or in the lists above."""
    imported = set()
    for path in ROOT.glob("otseg/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.split(".")[0])
    assert imported - set(sys.stdlib_module_names) - {"tomllib"} <= REQUIRED | set(OPTIONAL) | set(BROUGHT)
    extras = (ROOT / "pyproject.toml").read_text().partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    for package, extra in OPTIONAL.items():
        (line,) = re.findall(rf"^{extra} = .*", extras, re.MULTILINE)
        assert f'"{package}>=' in line, package


def test_every_module_but_training_imports(bare):
    failed = {name: error for name, error in bare["modules"].items() if error is not None}
    need = ("otseg.metrics.streaming", "otseg.train", "otseg.report")
    assert all(name.startswith(need) for name in failed), failed
    assert all(names_command(error, "train") for error in failed.values()), failed


@pytest.mark.parametrize("call", CALLS)
def test_a_call_names_the_command(call, bare):
    assert names_command(bare["calls"][call], CALLS[call]), bare["calls"][call]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_command_line_names_the_command(words, bare):
    status, text = bare["commands"][list(COMMANDS).index(words)]
    assert status == 2, text
    assert text.startswith("error: ")
    assert names_command(text, COMMANDS[words]), text


def test_training_without_the_other_extras(monkeypatch, tmp_path):
    train = pytest.importorskip("otseg.train")
    from otseg.train import config, loggers, pictures

    for package in ("matplotlib", "wandb", "tomli"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"pip install 'otseg\[wandb\]'"):
        loggers.wandb_logger("project", "name", tmp_path)
    for draw in (pictures.pyplot, lambda: train.draw_segments(tmp_path / "a.png", {})):
        with pytest.raises(ImportError, match=r"pip install 'otseg\[plots\]'"):
            draw()
    monkeypatch.setattr(sys, "version_info", (3, 10, 0))
    with pytest.raises(ImportError, match=r"pip install 'otseg\[train\]'"):
        config.parse_toml("")
