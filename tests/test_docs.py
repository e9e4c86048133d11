"""Runs the examples: docstrings of all modules, and the Python blocks of README.md and docs/.

Docstrings run here rather than by ``pytest --doctest-modules`` so that plain ``pytest`` runs them, and
that an example needs no import of ``torch``, ``otseg`` and its own module.
"""

import doctest
import importlib
import re
from pathlib import Path

import pytest
import torch

import otseg

ROOT = Path(__file__).resolve().parents[1]
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(ROOT.glob("otseg/**/*.py"))
]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]

#: A fence that says exactly ``python``; one with more words, such as ``python no-run``, is not run.
BLOCK = re.compile(r"^```python *\n(.*?)^```", re.MULTILINE | re.DOTALL)
#: In a block that is a session; one in a docstring of the block's is indented.
PROMPT = re.compile(r"^>>> ", re.MULTILINE)


def run_examples(text, names, where, line=0):
    """Run the ``>>>`` examples of a text, which may add to the names; fails with doctest's report."""
    test = doctest.DocTestParser().get_doctest(text, names, where, where, line)
    report = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(test, out=report.append, clear_globs=False)
    assert not runner.failures, "".join(report)
    names.update(test.globs)


def run_page(page, text):
    """Run the blocks of a page from top to bottom in one namespace; returns how many there are."""
    names = {"__name__": "__main__"}
    blocks = list(BLOCK.finditer(text))
    for block in blocks:
        line = text.count("\n", 0, block.start(1))
        if PROMPT.search(block[1]):
            run_examples(block[1], names, page, line)
        else:
            exec(compile("\n" * line + block[1], page, "exec"), names)
    return len(blocks)


@pytest.fixture(autouse=True)
def clean(tmp_path, monkeypatch):
    """Examples write their files into a temporary folder, and leave no figure open."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.chdir(tmp_path)
    yield
    pyplot.close("all")


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    module = importlib.import_module(name)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, extraglobs={"torch": torch, "otseg": otseg}):
        run_examples(test.docstring, test.globs, test.name, test.lineno or 0)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_page(page):
    run_page(str(page), page.read_text(encoding="utf-8"))


def test_a_page_shares_one_namespace_and_skips_what_does_not_run():
    fences = [("python", "x = 1"), ("python no-run", "1 / 0"), ("bash", "ls"), ("python", ">>> y = x + 1\n>>> y\n2")]
    fences.append(("python", "assert x + y == 3"))
    assert run_page("page", "".join(f"```{word}\n{block}\n```\n" for word, block in fences)) == 3


def test_a_block_may_show_a_docstring_with_an_example():
    block = 'def f():\n    """\n    >>> f()\n    """\n    return 1\n\nassert f()'
    assert run_page("page", f"```python\n{block}\n```\n") == 1


@pytest.mark.parametrize("block", ["1 / 0", ">>> 1 + 1\n3", "assert False"])
def test_a_wrong_block_fails(block):
    with pytest.raises((ZeroDivisionError, AssertionError)):
        run_page("page", f"```python\n{block}\n```\n")
