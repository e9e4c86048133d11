"""Every picture of the gallery is drawn and saved by its script; examples beside other libraries run to their end."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(ROOT.glob("examples/plot_*.py"))
INTEROP = sorted(ROOT.glob("examples/interop_*.py"))
NEEDS = {"interop_lightning": "lightning", "interop_hugging_face": "lightning", "interop_pot_geomloss": "geomloss"}


def run(script, *arguments, cwd):
    command = [sys.executable, "-W", "error", str(script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_picture_is_saved_and_named(script, tmp_path):
    output = run(script, tmp_path, cwd=tmp_path)
    pictures = list(tmp_path.glob("*.png"))
    assert pictures
    for picture in pictures:
        assert picture.stat().st_size > 10_000
        assert str(picture) in output


@pytest.mark.parametrize("script", INTEROP, ids=lambda path: path.stem)
def test_beside_other_libraries(script, tmp_path):
    """Each asserts its own result; here, that it explains itself, and leaves nothing behind."""
    pytest.importorskip(NEEDS.get(script.stem, "torch"))
    output = run(script, cwd=tmp_path)
    assert len(output.splitlines()) > 5
    assert not list(tmp_path.iterdir())
    if script.stem == "interop_hugging_face":
        assert ("a STAND-IN" in output) == (importlib.util.find_spec("transformers") is None)
