"""The quick start: the notebook is that of its script, and every cell of it runs."""

import importlib.util
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "examples" / "quickstart.ipynb"


def converter():
    spec = importlib.util.spec_from_file_location("make_notebook", ROOT / "examples" / "make_notebook.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_notebook_is_made_from_the_script():
    made = converter().to_notebook((ROOT / "examples" / "quickstart.py").read_text(encoding="utf-8"))
    assert NOTEBOOK.read_text(encoding="utf-8") == made, "run: python examples/make_notebook.py"


def test_every_cell_runs(monkeypatch, tmp_path):
    reason = "the extra test is not installed: notebooks need nbclient and ipykernel"
    nbformat = pytest.importorskip("nbformat", reason=reason)
    pytest.importorskip("ipykernel", reason=reason)
    client = pytest.importorskip("nbclient", reason=reason)
    pytest.importorskip("matplotlib")
    monkeypatch.delenv("MPLBACKEND", raising=False)  # the kernel's own shows figures in the notebook
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells), "commit it without outputs"
    done = client.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    done.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    warned = [output.text for output in outputs if output.output_type == "stream" and output.name == "stderr"]
    assert not [text for text in warned if "IProgress" not in text]  # tqdm would like ipywidgets
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    assert any("MoF" in output.get("text", "") for output in outputs)
    assert not list(tmp_path.iterdir())
