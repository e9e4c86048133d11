"""The reference has every public name, and the built site is checked by a script that finds what is wrong."""

import importlib
import re
import runpy
from collections import defaultdict
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "api"
PACKAGES = [
    ".".join(path.parent.relative_to(ROOT).parts)
    for path in [ROOT / "otseg" / "__init__.py", *sorted(ROOT.glob("otseg/*/__init__.py"))]
    if "__all__" in path.read_text(encoding="utf-8")
]
LOADS = "index.html: loads {} from the network"
problems = runpy.run_path(str(ROOT / "docs" / "check_html.py"))["problems"]


def names_of_pages():
    """The names below every ``.. names::``, by their module."""
    found = defaultdict(list)
    for page in PAGES.glob("*.rst"):
        module = listing = None
        for line in page.read_text(encoding="utf-8").splitlines():
            if match := re.match(r"\.\. (?:automodule|py:currentmodule):: (\S+)", line):
                module = match[1]
            if line and not line.startswith("   "):
                listing = line == ".. names::"
            elif line and listing:
                found[module].append(line.partition(" = ")[0].strip())
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_in_the_reference_once(package):
    module = importlib.import_module(package)
    public = [name for name in module.__all__ if not isinstance(getattr(module, name), ModuleType)]
    page = f"docs/api/{package.rpartition('.')[2]}.rst"
    assert sorted(names_of_pages()[package]) == sorted(public), f"List each name of {package} once in {page}."


def test_every_package_and_every_op_has_its_place():
    listed = re.findall(r"^   (\w+)$", (PAGES / "index.rst").read_text(encoding="utf-8"), re.MULTILINE)
    assert {package.rpartition(".")[2] for package in PACKAGES} < set(listed)
    assert sorted(listed) == sorted(page.stem for page in PAGES.glob("*.rst") if page.stem != "index")
    ops = {path.stem for path in ROOT.glob("otseg/ops/[!_]*.py")}
    assert ops == set(re.findall(r"automodule:: otseg\.ops\.(\w+)", (PAGES / "ops.rst").read_text(encoding="utf-8")))


def test_installation_knows_every_extra():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = re.findall(
        r"^(\w+) = \[", project.split("[project.optional-dependencies]")[1].split("\n[")[0], re.MULTILINE
    )
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    assert "train" in extras
    assert [extra for extra in extras if f"`{extra}`" not in page] == []


def test_every_script_of_the_gallery_has_a_title():
    for script in ROOT.glob("examples/plot_*.py"):
        title, line = script.read_text(encoding="utf-8").splitlines()[:2]
        assert re.fullmatch(r"=+", line), f"{script.name}: a title, underlined with =, comes first."
        assert len(line) >= len(title) - 3


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('<a href="other.html#here">', None),
        ('<a href="https://example.org">', None),
        ('<a href="missing.html">', "index.html: missing.html does not exist"),
        ('<a href="other.html#there">', "index.html: other.html#there has no such anchor"),
        ('<a href="#top">', "index.html: #top has no such anchor"),
        ('<script src="https://cdn.example/x.js"></script>', LOADS.format("https://cdn.example/x.js")),
        ('<img srcset="x.png, https://example.org/y.png 2x">', LOADS.format("https://example.org/y.png")),
        ('<link rel="stylesheet" href="style.css">', "style.css: loads https://fonts.example/a from the network"),
    ],
)  # fmt: skip
def test_the_check_of_the_site(tmp_path, body, problem):
    (tmp_path / "index.html").write_text(body)
    (tmp_path / "other.html").write_text('<h1 id="here">')
    (tmp_path / "x.png").touch()
    if "style.css" in body:
        (tmp_path / "style.css").write_text("@font-face { src: url('https://fonts.example/a') }")
    assert problems(tmp_path) == ([problem] if problem else [])
    assert problems(tmp_path / "empty") == [f"{tmp_path / 'empty'}: no page"]
