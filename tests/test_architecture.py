"""The architecture: who may import whom, how long a file is, and what is documented."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted([*ROOT.glob("otseg/**/*.py"), *ROOT.glob("otseg_cuda/**/*.py")])

#: From the bottom up. A part of otseg imports itself and what is in lower rows: never up, never sideways.
ROWS = (
    ("types", "checks"),
    ("ops",),
    ("problem",),
    ("result",),
    ("nn", "costs", "priors", "solvers", "decode"),
    ("solve",),
    ("doors",),
    ("models",),
    ("streaming",),
    ("train",),
    ("estimators",),
    ("report",),
    ("cli",),
    ("__main__",),
)
#: Beside that column: what each side room imports.
SIDE_ROOMS = {
    "data": {"types", "checks"},
    "metrics": {"types", "checks"},
    "plots": {"types", "checks", "result"},
}
#: Who imports side rooms.
VISITORS = ("train", "estimators", "report", "cli")


def allowed(part):
    """The parts of otseg that ``part`` may import."""
    if part in SIDE_ROOMS:
        return SIDE_ROOMS[part] | {part}
    (row,) = (i for i, parts in enumerate(ROWS) if part in parts)
    below = {name for parts in ROWS[:row] for name in parts}
    return below | {part} | (set(SIDE_ROOMS) if part in VISITORS else set())


def imports(source):
    """Full names of what a module imports, wherever it does so; a relative import keeps its dots."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def violations(where, source):
    """The imports of a file that the plan forbids; ``where`` is its path, such as ``otseg/ops/band.py``."""
    package, *rest = Path(where).with_suffix("").parts
    for name in imports(source):
        root, *inner = name.split(".")
        if name.startswith((".", "__future__.")):
            fine = False
        elif package == "otseg_cuda":
            fine = root in {"torch", "otseg_cuda"} | sys.stdlib_module_names
        elif root == "otseg_cuda":
            fine = where == "otseg/ops/_backend.py"
        elif root == "otseg" and rest != ["__init__"]:
            fine = inner == ["__version__"] or (inner != [] and inner[0] in allowed(rest[0]))
        else:
            fine = True
        if not fine:
            yield name


def undocumented(source):
    """Public functions, classes and methods without a docstring, and the module if it has none."""
    tree = ast.parse(source)
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    if ast.get_docstring(tree) is None:
        yield "the module"
    bodies = [tree.body] + [node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name[0] != "_"]
    for node in (node for body in bodies for node in body if isinstance(node, kinds)):
        overload = any(getattr(mark, "id", None) == "overload" for mark in node.decorator_list)
        if not node.name.startswith("_") and not overload and ast.get_docstring(node) is None:
            yield node.name


def more_than_names(source):
    """Lines of an ``__init__.py`` other than docstring, imports, ``__all__`` and a lazy ``__getattr__``."""
    for node in ast.parse(source).body:
        targets = {getattr(target, "id", None) for target in getattr(node, "targets", [])}
        named = isinstance(node, ast.Assign) and targets <= {"__all__", "__version__"}
        lazy = isinstance(node, ast.FunctionDef) and node.name in ("__getattr__", "__dir__")
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not (named or lazy or docstring or isinstance(node, (ast.Import, ast.ImportFrom))):
            yield node.lineno


def name_of(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_file(path):
    source = path.read_text(encoding="utf-8")
    assert not list(violations(name_of(path), source)), "forbidden imports"
    assert not list(undocumented(source)), "public names without a docstring"
    assert len(source.splitlines()) <= 300
    if path.name == "__init__.py":
        assert not list(more_than_names(source)), "lines that belong into a file of their own"


def test_every_part_has_its_place():
    parts = {name_of(path).split("/")[1].removesuffix(".py") for path in FILES if path.is_relative_to(ROOT / "otseg")}
    assert parts - {"__init__"} <= {name for row in ROWS for name in row} | set(SIDE_ROOMS)


def test_optional_packages_are_imported_only_where_used():
    core = "otseg, otseg.models, otseg.metrics, otseg.data, otseg.plots, otseg.decode"
    code = f"import sys, {core}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    optional = {
        "matplotlib",
        "lightning",
        "pytorch_lightning",
        "torchmetrics",
        "safetensors",
        "tensorboard",
        "huggingface_hub",
        "wandb",
        "tomli",
        "geomloss",
        "ot",  # required, but slow to import
        "pykeops",
    }
    assert not optional & set(found.split())


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("otseg/ops/band.py", "from otseg.solvers import sinkhorn"),  # up
        ("otseg/costs/cosine.py", "from otseg import priors"),  # sideways
        ("otseg/solvers/x.py", "def f():\n    import otseg.models.asot"),  # up, inside of a function
        ("otseg/models/asot.py", "from otseg.metrics import match"),  # a side room
        ("otseg/plots/plan.py", "from otseg.problem import Problem"),
        ("otseg/doors.py", "from otseg import Problem"),  # hides where it comes from
        ("otseg/doors.py", "import otseg"),
        ("otseg/doors.py", "from . import solve"),
        ("otseg/nn/x.py", "from __future__ import annotations"),
        ("otseg/ops/band.py", "import otseg_cuda"),
        ("otseg_cuda/__init__.py", "import otseg"),
        ("otseg_cuda/__init__.py", "import numpy"),
    ],
)
def test_forbidden_imports_are_found(where, source):
    assert len(list(violations(where, source))) == 1


@pytest.mark.parametrize(
    ("where", "source"),
    [
        (
            "otseg/models/asot.py",
            "from otseg.costs import cosine\nfrom otseg import checks, doors\nimport torch",
        ),
        ("otseg/models/asot.py", "from otseg.models.base import SegmentationModel"),
        ("otseg/plots/plan.py", "from otseg.result import OTResult"),
        ("otseg/train/fit.py", "from otseg import metrics, plots"),
        ("otseg/cli/main.py", "from otseg import __version__"),
        ("otseg/ops/_backend.py", "import otseg_cuda"),
        ("otseg_cuda/__init__.py", "import os, torch.nn"),
        ("otseg/__init__.py", "from otseg.doors import sinkhorn"),
    ],
)
def test_allowed_imports_are_not_found(where, source):
    assert not list(violations(where, source))


def test_missing_docstrings_are_found():
    methods = "    def h(self): ...\n    def __len__(self): ..."
    source = f"def f(): ...\ndef _g(): ...\nclass A:\n    '''A.'''\n{methods}"
    assert list(undocumented(source)) == ["the module", "f", "h"]
    assert not list(undocumented("'''M.'''\n@overload\ndef f(): ...\ndef f():\n    '''F.'''"))


def test_more_than_names_is_found():
    names = '"""M."""\nfrom a import b\n__all__ = ["b"]\ndef __getattr__(name): ...\n'
    assert not list(more_than_names(names))
    assert list(more_than_names(names + "def f(): ...\nx = 1\nif b: ...")) == [5, 6, 7]
