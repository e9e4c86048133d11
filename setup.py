"""Builds the optional kernels; everything else is declared in pyproject.toml, the flags are in otseg_cuda/build.py.

Installation never fails for want of a kernel, unless the environment variable OTSEG_BUILD asks for it:

    auto     (default) build what the machine can; a failure is one warning and an installation in pure Python
    none     pure Python
    cpu      build the CPU kernels; failure is an error
    cuda     build the CUDA kernels; failure is an error
    require  build what the machine can, at least the CPU kernels; failure is an error

torch is no build requirement: it is looked for where the installation goes, or in the folder OTSEG_TORCH_PATH.
"""

import datetime
import importlib.util
import json
import os
import sys
import sysconfig
import warnings
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel

MODES = ("auto", "none", "cpu", "cuda", "require")
MODE = os.environ.get("OTSEG_BUILD", "auto")
INFO = {"date": datetime.date.today().isoformat(), "mode": MODE}
BUILT = []  # devices

spec = importlib.util.spec_from_file_location("otseg_build", Path(__file__).with_name("otseg_cuda") / "build.py")
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)


def torch_folder():
    """Folder of torch, looking through pip's isolation: the interpreter is the one that is installed into."""
    given = os.environ.get("OTSEG_TORCH_PATH")
    spec = None if given else importlib.util.find_spec("torch")
    candidates = [Path(given)] if given else [Path(p) / "torch" for p in (sysconfig.get_paths()["purelib"], *sys.path)]
    candidates = [Path(spec.origin).parent] if spec and spec.origin else candidates
    for folder in candidates:
        if (folder / "version.py").is_file() and (folder / "include").is_dir():
            return folder
    raise build.BuildError("torch was not found" + (f" in OTSEG_TORCH_PATH={given}" if given else ""))


def extensions():
    """The libraries to build here, empty for pure Python; raises where the mode asks for what cannot be had."""
    if MODE not in MODES:
        raise SystemExit(f"`OTSEG_BUILD` must be one of {', '.join(MODES)}; got {MODE!r}.")
    if MODE == "cuda":
        raise SystemExit("`OTSEG_BUILD=cuda` is not available: this version has kernels for the CPU only.")
    try:
        if MODE == "none":
            raise build.BuildError("OTSEG_BUILD=none")
        folder = torch_folder()
        INFO.update(build.info(folder))
    except build.BuildError as error:
        INFO["kernels"] = f"none ({error})"
        if MODE in ("cpu", "require"):
            raise SystemExit(f"OTSEG_BUILD={MODE}, but {error}.") from None
        return []
    INFO["kernels"] = "none (the build failed)"  # until it has not
    return [extension("cpu", folder)]


def extension(device, folder):
    """One library; setuptools asks only for its name and its dependencies, see BuildKernels."""
    depends = ["setup.py", "otseg_cuda/build.py", *(str(path) for path in build.SOURCES.rglob("*") if path.is_file())]
    sources = [os.path.relpath(path) for path in build.sources(device)]
    found = Extension(f"otseg_cuda._C_{device}", sources, depends=depends, py_limited_api=True)
    found.device, found.torch = device, folder
    found.optional = MODE == "auto"  # copying tolerates that the file is missing
    return found


def write_info(folder):
    """Leave what is known about the build where otseg.backend_info() finds it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "_build_info.json").write_text(json.dumps(INFO, indent=1) + "\n", encoding="utf-8")


class BuildPy(build_py):
    """Also writes how the kernels fared so far."""

    def run(self):
        """Copy the modules, then write."""
        super().run()
        write_info(Path("otseg_cuda") if self.editable_mode else Path(self.build_lib, "otseg_cuda"))


class BuildKernels(build_ext):
    """Builds the kernels; in the mode `auto` a failure leaves a package in pure Python."""

    def build_extension(self, extension):
        """Build one library."""
        target = Path(self.get_ext_fullpath(extension.name))
        try:
            newest = max(Path(path).stat().st_mtime for path in extension.depends)
            if self.force or not target.is_file() or target.stat().st_mtime < newest:
                build.compile_library(extension.device, extension.torch, target)
            BUILT.append(extension.device)
            INFO["kernels"] = ", ".join(BUILT)
        except (build.BuildError, OSError) as error:
            if MODE != "auto":
                raise SystemExit(
                    f"OTSEG_BUILD={MODE}, but the {extension.device} kernels do not build.\n{error}"
                ) from None
            what = f"The {extension.device} kernels of otseg were not built, it will run in torch"
            warnings.warn(f"{what}: {error}", stacklevel=2)
            INFO["kernels" if not BUILT else f"no {extension.device} kernels"] = f"none ({error})"
            target.unlink(missing_ok=True)  # of an earlier build
            self.extensions = self.distribution.ext_modules = [e for e in self.extensions if e is not extension]
        write_info(target.parent)

    def copy_extensions_to_source(self):
        """Of an editable or in-place build."""
        super().copy_extensions_to_source()
        write_info(Path("otseg_cuda"))


class Wheel(bdist_wheel):
    """A wheel that is pure Python where no kernel was built, whatever was planned."""

    root_is_pure = property(lambda self: not self.distribution.has_ext_modules(), lambda self, value: None)


class Editable(editable_wheel):
    """An editable installation without the libraries of an earlier build."""

    def run(self):
        """Remove them, then install."""
        for path in Path("otseg_cuda").glob("_C_*"):
            path.unlink()
        super().run()


setup(
    ext_modules=extensions(),
    cmdclass={"build_py": BuildPy, "build_ext": BuildKernels, "bdist_wheel": Wheel, "editable_wheel": Editable},
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
