"""Builds the distributions, checks them, and installs them and every extra alone in fresh environments.

    python tests/release.py [CASE]...

The environments borrow what otseg requires (torch, NumPy, ...) from the Python that runs this, and only that: optional
packages are installed anew. The exit status is 1 if a case went wrong.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path
from tempfile import TemporaryDirectory

from install_matrix import ROOT, TORCH, WrongError, check, succeed

TOOLS = ("build", "twine", "check-wheel-contents")
#: Beside the package, what the source distribution must hold.
SOURCES = ("tests/conftest.py", "docs/conventions.md", "examples/plot_sinkhorn.py", "benchmarks/gpu.py", "LICENSE")
SOURCES += ("CHANGELOG.md", "CITATION.cff", "SECURITY.md", "constraints.txt", "setup.py", "pyproject.toml", "dev.sh")
#: What an installed otseg must find of its own files.
INSTALLED = """
from importlib.resources import files
import torch, otseg, otseg_cuda
assert files("otseg").joinpath("py.typed").is_file() and files("otseg").joinpath("references.bib").is_file()
assert otseg.data.breakfast_like("coffee", 1, generator=torch.Generator().manual_seed(0))
assert all(list((files("otseg_cuda") / "csrc" / place).iterdir()) for place in ("cpu", "cuda"))
"""
#: What an extra promises, as statements.
EXTRAS = {
    "train": """
from otseg.train import TrainConfig, fit
data = otseg.data.make_activity(2, 3, 6, generator=torch.Generator().manual_seed(0))
model = otseg.models.ASOT(otseg.models.ASOTConfig(n_actions=3, n_features=6, layers=(8, 4)))
fit(model, data, config=TrainConfig(epochs=1), enable_progress_bar=False)
""",
    "plots": "otseg.plots.plot_segments([0, 0, 1]).figure.savefig('segments.png')",
    "pandas": "assert len(otseg.estimators.to_segment_table([0, 0, 1])) == 2",
    "geomloss": "assert otseg.costs.sinkhorn_divergence(x, x, epsilon=0.1).abs().max() < 1e-4",
    "keops": "assert otseg.solvers.sinkhorn_points(x, x, epsilon=0.1, backend='keops').converged.all()",
    "hub": """
from otseg.models.checkpoint import write_model
import huggingface_hub
model = otseg.models.ASOT(otseg.models.ASOTConfig(n_actions=3, n_features=6, layers=(8, 4)))
write_model(model, 'model.safetensors')
otseg.models.SegmentationModel.from_pretrained('model.safetensors')
""",
    "wandb": "import wandb",
    "dask": """
import joblib
from distributed import Client
with Client(processes=False, n_workers=2, dashboard_address=None), joblib.parallel_config("dask"):
    assert joblib.Parallel()(joblib.delayed(abs)(-i) for i in range(3)) == [0, 1, 2]
""",
}
#: Settings of a small site: a page of every kind, and one example that is run.
PAGES = ("master_doc=bibliography", "include_patterns=bibliography.md,api/costs.rst,gallery/plot_sinkhorn.rst")
PAGES += ("sphinx_gallery_conf.filename_pattern=plot_sinkhorn",)
#: What an extra for who works on otseg promises: runs of Python in the folder of the source distribution.
DEVELOPMENT = {
    "test": (
        ("-m", "ruff", "check", "."),
        ("-m", "mypy", "--follow-imports", "silent", "otseg/checks.py"),
        ("-m", "pytest", "-q", "--collect-only"),
        ("-m", "pytest", "-q", "--cov", "-n", "2", "tests/unit/decode", "tests/unit/test_problem.py"),
    ),
    "docs": (
        ("-m", "sphinx", "-q", "docs", "site", *(word for option in PAGES for word in ("-D", option))),
        ("-c", "open('site/api/costs.html'), open('site/_images/sphx_glr_plot_sinkhorn_001.png')"),
    ),
}


class Fresh:
    """A virtual environment outside of the sources, with what otseg requires and nothing that is optional."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
        self.bin = folder / "venv" / "bin"
        (self.site,) = (folder / "venv").glob("lib/python*/site-packages")

    def borrow(self) -> None:
        """Link the required packages, with what they require, and their metadata."""
        pending, seen = ["torch", "numpy", "scipy", "scikit-learn", "POT", "jaxtyping", "click"], set()
        while pending:
            name = pending.pop()
            if name.lower() in seen:
                continue
            seen.add(name.lower())
            try:
                found = distribution(name)
            except ModuleNotFoundError:
                continue  # of another platform, or optional
            for line in found.requires or []:
                if "extra ==" not in line:
                    pending.append(line.replace(";", " ").replace("[", " ").split()[0].split("<")[0].split(">")[0])
                    pending[-1] = pending[-1].split("=")[0].split("!")[0].split("~")[0].rstrip("(")
            tops = {path.parts[0] for path in found.files or [] if path.parts[0] not in ("..", "__pycache__")}
            for top in tops:
                source, target = Path(str(found.locate_file(top))), self.site / top
                if source.exists() and not target.exists():
                    target.symlink_to(source)

    def run(self, *command: object, cwd: str = ".", **variables: str) -> subprocess.CompletedProcess[str]:
        """Run something in the folder, or in one in it, without settings of otseg or Python."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("OTSEG_", "PYTHON"))}
        environment |= {"XDG_CACHE_HOME": str(self.folder / "cache"), "MPLBACKEND": "Agg", **variables}
        words = [str(word) for word in command]
        run = {"env": environment, "capture_output": True, "text": True, "errors": "replace"}
        return subprocess.run(words, cwd=self.folder / cwd, check=False, **run)

    def pip(self, *words: object) -> subprocess.CompletedProcess[str]:
        """Run pip for this environment."""
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", self.bin / "python"]
        return succeed(self.run(*pip, *words))

    def python(self, code: str, **variables: str) -> None:
        """Run statements, with warnings as errors."""
        names = "import torch, otseg\nx = torch.rand(1, 8, 2, generator=torch.Generator().manual_seed(0))\n"
        succeed(self.run(self.bin / "python", "-c", names + code, **variables))


def distributions(folder: Path) -> Path:
    """Build both with the tools that a release uses, from a copy without anything that git ignores; once for all."""
    done = folder.parent / "dist"
    if done.exists():
        return done
    folder = folder / "build"
    folder.mkdir()
    place, tree = Fresh(folder), folder / "tree"
    place.pip("install", "-q", *TOOLS)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    succeed(place.run(place.bin / "python", "-m", "build", tree, "--outdir", folder / "dist", OTSEG_BUILD="none"))
    succeed(place.run(place.bin / "python", "-m", "twine", "check", "--strict", *(folder / "dist").iterdir()))
    (wheel,) = (folder / "dist").glob("*.whl")
    succeed(place.run(place.bin / "check-wheel-contents", "--config", tree / "pyproject.toml", wheel))
    (folder / "dist").rename(done)
    return done


def build(folder: Path) -> str:
    """The source distribution, the pure wheel from it, and what is in them."""
    dist = distributions(folder)
    (source,), (wheel,) = dist.glob("*.tar.gz"), dist.glob("*.whl")
    check(wheel.name.endswith("-py3-none-any.whl"), wheel.name)
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    package = [
        str(path.relative_to(ROOT)) for path in ROOT.glob("otseg*/**/*") if path.suffix in (".py", ".json", ".bib")
    ]
    package += [str(path.relative_to(ROOT)) for path in ROOT.glob("otseg_cuda/csrc/**/*.*")]
    wanted = {name for name in package if "__pycache__" not in name and not name.endswith("_build_info.json")}
    check(not (missing := {*wanted, *SOURCES} - names), f"missing in the source: {sorted(missing)}")
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
        metadata = archive.read(next(name for name in inside if name.endswith("/METADATA"))).decode()
    check(not (missing := wanted - inside), f"missing in the wheel: {sorted(missing)}")
    tops = {name.partition("/")[0] for name in inside if ".dist-info/" not in name}
    check(tops == {"otseg", "otseg_cuda"}, str(tops))
    for line in ("License-Expression: MIT", "Requires-Python: >=3.10", "Description-Content-Type: text/markdown"):
        check(f"\n{line}\n" in metadata, f"no {line!r} in the metadata")
    return f"{source.name} ({source.stat().st_size >> 10} KiB), {wheel.name} ({wheel.stat().st_size >> 10} KiB)"


def install(folder: Path) -> str:
    """The wheel in an environment of its own, from another folder; and gone without a trace."""
    (wheel,) = distributions(folder).glob("*.whl")
    place = Fresh(folder)
    place.borrow()
    before = set(place.site.rglob("*")) | set(place.bin.iterdir())
    place.pip("install", "-q", "--no-deps", wheel)
    place.python(INSTALLED)
    for words in (("doctor",), ("info",), ("cite", "asot"), ("--version",)):
        succeed(place.run(place.bin / "otseg", *words))
    doctor = json.loads(succeed(place.run(place.bin / "otseg", "doctor", "--json")).stdout)
    check(not any(package["state"] == "ok" for extra in doctor["extras"].values() for package in extra["packages"]),
          "an optional package was borrowed")  # fmt: skip
    place.pip("uninstall", "-q", "-y", "otseg")
    left = {
        path for path in set(place.site.rglob("*")) | set(place.bin.iterdir()) if "otseg" in str(path.name)
    } - before
    check(not left, f"left behind: {left}")
    return "runs from another folder, without any extra; uninstalls without a trace"


def kernels(folder: Path) -> str:
    """A wheel with the CPU kernels, built from the source distribution."""
    (source,) = distributions(folder).glob("*.tar.gz")
    place = Fresh(folder)
    place.borrow()
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", source, "-w", folder / "wheels"]
    succeed(place.run(*pip, OTSEG_BUILD="cpu", OTSEG_TORCH_PATH=str(TORCH)))
    (wheel,) = (folder / "wheels").glob("*.whl")
    check("-cp310-abi3-" in wheel.name, wheel.name)
    place.pip("install", "-q", "--no-deps", wheel)
    place.python("assert otseg.backend_info()['cpu'].startswith('loaded')", OTSEG_BACKEND="cpp")
    return wheel.name


def extra(name: str) -> Callable[[Path], str]:
    """The case of one extra, alone: what it promises works, and the other extras are asked for by name."""

    def case(folder: Path) -> str:
        (wheel,) = distributions(folder).glob("*.whl")
        place = Fresh(folder)
        place.borrow()
        place.pip("install", "-q", "-c", ROOT / "constraints.txt", f"{wheel}[{name}]")
        for promise in EXTRAS.values() if name == "all" else filter(None, [EXTRAS.get(name)]):
            place.python(promise)
        if name in DEVELOPMENT:
            (source,) = distributions(folder).glob("*.tar.gz")
            shutil.unpack_archive(source, folder)
        for words in DEVELOPMENT.get(name, ()):
            succeed(place.run(place.bin / "python", *words, cwd=source.name.removesuffix(".tar.gz")))
        doctor = json.loads(succeed(place.run(place.bin / "otseg", "doctor", "--json")).stdout)
        states = {extra: about["install"] for extra, about in doctor["extras"].items()}
        check(not (any(states.values()) if name == "all" else states.get(name)), str(states))
        for other, command in states.items():
            check(command in (None, f"pip install 'otseg[{other}]'"), str(command))
        return "does what it promises; also here: " + ", ".join(sorted(e for e in states if not states[e]) or ["none"])

    return case


CASES: dict[str, Callable[[Path], str]] = {"build": build, "install": install, "kernels": kernels}
CASES |= {name: extra(name) for name in (*EXTRAS, *DEVELOPMENT, "all")}


def main() -> int:
    """Run the named cases, all if none is named."""
    names = sys.argv[1:] or list(CASES)
    if not set(names) <= set(CASES):
        raise SystemExit(f"cases: {', '.join(CASES)}")
    wrong = 0
    with TemporaryDirectory() as root:
        for name in names:
            start, folder = time.perf_counter(), Path(root, name)
            folder.mkdir()
            try:
                verdict, text = "ok", CASES[name](folder)
            except WrongError as error:
                verdict, text = "WRONG", str(error)
                wrong += 1
            shutil.rmtree(folder)
            print(f"{verdict:5}  {name:10}  {time.perf_counter() - start:4.0f} s  {text}", flush=True)
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
