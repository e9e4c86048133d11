"""Installs otseg with pip in every situation that matters, and prints a line for each.

    python tests/install_matrix.py [CASE]...

Each case has a virtual environment of its own, which borrows torch and the other packages from the Python that runs
this, so that nothing large is downloaded. The exit status is 1 if a case went wrong.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
TORCH = Path(find_spec("torch").origin).parent
#: Where the packages are that this Python sees.
BORROWED = [path for path in sys.path if path.endswith("site-packages")]
#: Says which kernels run, and that an op does; the cost is the same in both columns, so that the plan is flat.
CODE = """
import json, torch, otseg
plan = otseg.sinkhorn(torch.zeros(1, 4, 2), epsilon=0.1).plan
assert torch.allclose(plan, torch.full((1, 4, 2), 1 / 8)), plan
print(json.dumps(otseg.backend_info()))
"""


class WrongError(Exception):
    """What a case did that it should not."""


class Place:
    """A copy of the sources, and a virtual environment to install into."""

    def __init__(self, folder: Path, torch: bool = True) -> None:
        self.tree, self.cache = folder / "tree", folder / "cache"
        self.tree.mkdir()
        for name in ("otseg", "otseg_cuda"):
            ignored = shutil.ignore_patterns("__pycache__", "_C_*", "_build_info.json")
            shutil.copytree(ROOT / name, self.tree / name, ignore=ignored)
        for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, self.tree)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
        self.python = folder / "venv" / "bin" / "python"
        (site,) = (folder / "venv").glob("lib/python*/site-packages")
        if torch:  # where pip installs to, as otherwise; what torch and otseg need is beside it
            (site / "torch").symlink_to(TORCH)
            (site / "borrowed.pth").write_text("\n".join(BORROWED))

    def run(self, *command: object, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run something outside of the sources, with no setting of ours but the given ones."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("OTSEG_", "PYTHON"))}
        environment |= {"XDG_CACHE_HOME": str(self.cache), **variables}
        # `text` may not decode what a compiler quotes.
        run = {"env": environment, "cwd": self.tree.parent, "capture_output": True, "text": True, "errors": "replace"}
        return subprocess.run([str(word) for word in command], check=False, **run)

    def install(self, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """`pip install --no-deps` of the sources; pip's own cache stays in use, its wheels of otseg do not."""
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", self.python, "install", "-v"]
        pip += ["--no-deps", "--force-reinstall", *options]
        cache = {"PIP_CACHE_DIR": str(self.cache / "pip")}
        return self.run(*pip, self.tree, **cache, **variables)

    def state(self) -> dict[str, str]:
        """What `otseg.backend_info()` says in the installed package."""
        done = self.run(self.python, "-W", "error", "-c", CODE)
        check(done.returncode == 0, f"import or op failed: {done.stderr}")
        found: dict[str, str] = json.loads(done.stdout)
        return found

    def break_source(self) -> None:
        """As if a compiler could not read it."""
        (self.tree / "otseg_cuda" / "csrc" / "cpu" / "sinkhorn.cpp").write_text("#error broken\n")


def check(ok: bool, what: str) -> None:
    """Raise unless ``ok``."""
    if not ok:
        raise WrongError(what)


def succeed(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    """Raise unless the process did."""
    check(done.returncode == 0, (done.stdout + done.stderr)[-4000:])
    return done


def default(folder: Path) -> str:
    """`pip install .` with torch in the environment: kernels, built through pip's isolation, that work everywhere."""
    place = Place(folder)
    succeed(place.install())
    check(place.state()["cpu"].startswith(f"loaded from {folder / 'venv'}"), str(place.state()))
    doctor = succeed(place.run(folder / "venv" / "bin" / "otseg", "doctor", "--json"))
    check(json.loads(doctor.stdout)["ok"], doctor.stdout)
    return "kernels, otseg doctor is content"


def no_torch(folder: Path) -> str:
    """No torch anywhere."""
    place = Place(folder, torch=False)
    succeed(place.install())
    (info,) = (folder / "venv").glob("lib/*/site-packages/otseg_cuda/_build_info.json")
    check("torch was not found" in json.loads(info.read_text())["kernels"], info.read_text())
    done = place.run(place.python, "-c", "import otseg")
    check("ModuleNotFoundError" in done.stderr, done.stderr)  # and no other error
    return "pure Python"


def no_compiler(folder: Path) -> str:
    """torch and no compiler; later there is one, and `otseg build-kernels` adds what is missing."""
    place = Place(folder)
    succeed(place.install(CXX="/nonexistent"))
    check(place.state()["cpu"] == "not built", str(place.state()))
    otseg = folder / "venv" / "bin" / "otseg"
    doctor = json.loads(succeed(place.run(otseg, "doctor", "--json")).stdout)
    check("no C++ compiler" in doctor["advice"][0] and "otseg build-kernels" in doctor["advice"][0], str(doctor))
    succeed(place.run(otseg, "build-kernels"))
    check(place.state()["cpu"].startswith(f"loaded from {place.cache}"), str(place.state()))
    return "pure Python, then kernels by otseg build-kernels"


def broken_source(folder: Path) -> str:
    """A source that does not compile: one warning, and an installation that works."""
    place = Place(folder)
    place.break_source()
    done = succeed(place.install())
    warnings = (done.stdout + done.stderr).count("UserWarning: The cpu kernels of otseg were not built")
    check(warnings == 1, f"{warnings} warnings")
    check(place.state()["cpu"] == "not built", str(place.state()))
    return "one warning, pure Python, works"


def broken_required(folder: Path) -> str:
    """The same with OTSEG_BUILD=require."""
    place = Place(folder)
    place.break_source()
    done = place.install(OTSEG_BUILD="require")
    check(done.returncode != 0, "the installation succeeded")
    check("#error broken" in done.stdout + done.stderr, "the compiler's words are missing")
    return "fails, with the compiler's words"


def editable(folder: Path) -> str:
    """`pip install -e .`: the library lies in the sources."""
    place = Place(folder)
    succeed(place.install("--editable", OTSEG_BUILD="require"))
    check(place.state()["cpu"].startswith(f"loaded from {place.tree}"), str(place.state()))
    return "kernels in the sources"


def no_isolation(folder: Path) -> str:
    """`pip install --no-build-isolation .`; and once more as OTSEG_BUILD=none, on the tree that was built before."""
    place = Place(folder)
    succeed(place.install("--no-build-isolation"))
    check(place.state()["cpu"].startswith(f"loaded from {folder / 'venv'}"), str(place.state()))
    check(any(place.tree.glob("build/**/_C_cpu*")), "nothing is left of the build that could leak")
    succeed(place.install("--no-build-isolation", OTSEG_BUILD="none"))
    check(place.state()["cpu"] == "not built", str(place.state()))
    check("OTSEG_BUILD=none" in place.state()["build"], str(place.state()))
    return "kernels; then OTSEG_BUILD=none on the same tree: pure Python"


def cuda_compiles(folder: Path) -> str:
    """Every .cu compiles for what `otseg_cuda/build.py` names, against the headers of any torch."""
    sys.path.insert(0, str(ROOT))
    from otseg_cuda import build

    found = build.sources("cuda")
    if not found or not shutil.which(build.nvcc()[0]):
        return "skipped: " + ("nvcc is missing" if found else "no sources")
    os.environ.setdefault("TORCH_CUDA_ARCH_LIST", build.ARCHITECTURES)
    command = [*build._cuda(TORCH)[0], f"-I{build.SOURCES}", f"-I{TORCH / 'include'}"]
    running = [
        subprocess.Popen([*command, str(path), "-o", str(folder / f"{path.stem}.o")], stderr=subprocess.PIPE, text=True)
        for path in found
    ]
    for path, process in zip(found, running, strict=True):
        errors = process.communicate()[1]
        check(process.returncode == 0, f"{path.name}: {errors}")
    return f"{len(found)} sources"


CASES: dict[str, Callable[[Path], str]] = {
    "default": default,
    "no-torch": no_torch,
    "no-compiler": no_compiler,
    "broken-source": broken_source,
    "broken-required": broken_required,
    "editable": editable,
    "no-isolation": no_isolation,
    "cuda-compiles": cuda_compiles,
}


def main() -> int:
    """Run the named cases, all if none is named."""
    names = sys.argv[1:] or list(CASES)
    if not set(names) <= set(CASES):
        raise SystemExit(f"cases: {', '.join(CASES)}")
    wrong = 0
    for name in names:
        start = time.perf_counter()
        with TemporaryDirectory() as folder:
            try:
                verdict, text = "ok", CASES[name](Path(folder))
            except WrongError as error:
                verdict, text = "WRONG", str(error)
                wrong += 1
        print(f"{verdict:5}  {name:15}  {time.perf_counter() - start:4.0f} s  {text}", flush=True)
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
