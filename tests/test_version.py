"""What is said in several places is the same in all: the version, the Pythons, the lowest versions of dependencies."""

import re
from pathlib import Path

import pytest

import otseg

ROOT = Path(__file__).resolve().parents[1]
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_version_is_written_once():
    assert re.fullmatch(r"\d+\.\d+\.\d+(rc\d+|\.dev\d+)?", otseg.__version__)
    assert 'dynamic = ["version"]' in PROJECT
    assert 'version = { attr = "otseg.__version__" }' in PROJECT
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (\S+)$", citation, re.MULTILINE) == [otseg.__version__]
    released = "dev" not in otseg.__version__
    assert ("date-released:" in citation) is released
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert (f"## [{otseg.__version__}]" in changelog) is released
    assert "## [Unreleased]" in changelog


def test_the_license_is_the_same_everywhere():
    assert '\nlicense = "MIT"' in PROJECT  # an SPDX expression, so no classifier
    assert "License ::" not in PROJECT
    assert "\nlicense: MIT\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")


def test_the_pythons_are_the_same_everywhere():
    classifiers = re.findall(r"Python :: (3\.\d+)", PROJECT)
    assert f'requires-python = ">={classifiers[0]}"' in PROJECT
    workflow = ROOT / ".github" / "workflows" / "ci.yml"
    if workflow.exists():  # it is no part of the source distribution
        tested = re.search(r"python: \[(.*)\]", workflow.read_text(encoding="utf-8"))
        assert re.findall(r"3\.\d+", tested[1]) == classifiers
    said = f"Python {classifiers[0]} to {classifiers[-1]}"
    for name in ("README.md", "dev.sh"):
        assert said in (ROOT / name).read_text(encoding="utf-8"), name


def test_minimum_versions(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tests"))
    from minimum import minimum

    found = minimum(PROJECT)
    required = PROJECT[PROJECT.index("\ndependencies = ") :].partition("]")[0]
    for line in re.findall(r'"(.*)",', required):
        name, _, version = line.partition(">=")
        assert found[name] == version, line  # none without a lowest version
    assert found["lightning"]
    assert "pre-commit" not in found


@pytest.mark.parametrize("command", ["train", "plots", "pandas", "geomloss", "keops", "hub", "wandb"])
def test_all_holds_every_extra_for_users(command):
    assert command in re.search(r'^all = \["otseg\[(.*)\]"\]', PROJECT, re.MULTILINE)[1].split(",")
