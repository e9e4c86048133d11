"""Builds the optional kernels; everything else is declared in pyproject.toml.

Installation never fails for want of a kernel, unless the environment variable OTSEG_BUILD asks for it:

    auto     (default) build what the machine can; a failure is one warning and an installation in pure Python
    none     pure Python
    cpu      build the CPU kernels; failure is an error
    cuda     build the CUDA kernels; failure is an error
    require  build what the machine can, at least the CPU kernels; failure is an error

The library uses torch's stable ABI and no Python symbol: one build serves every Python, and every torch from 2.10 on.
torch is no build requirement: it is looked for where the installation goes, or in the folder OTSEG_TORCH_PATH.
"""

import datetime
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
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
SOURCES = Path("otseg_cuda", "csrc")
OLDEST_TORCH = (2, 10)
FLAGS = [
    "-std=c++20",
    "-O3",
    "-g0",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fvisibility=hidden",
]
INFO = {"date": datetime.date.today().isoformat(), "mode": MODE}


class NoKernelsError(Exception):
    """Why kernels cannot be built here."""


def torch_folder():
    """Folder of torch, looking through pip's isolation: the interpreter is the one that is installed into."""
    given = os.environ.get("OTSEG_TORCH_PATH")
    spec = None if given else importlib.util.find_spec("torch")
    candidates = [Path(given)] if given else [Path(p) / "torch" for p in (sysconfig.get_paths()["purelib"], *sys.path)]
    candidates = [Path(spec.origin).parent] if spec and spec.origin else candidates
    for folder in candidates:
        if (folder / "version.py").is_file() and (folder / "include").is_dir():
            return folder
    raise NoKernelsError("torch was not found" + (f" in OTSEG_TORCH_PATH={given}" if given else ""))


def torch_version(folder):
    """Version of torch from its file: importing it would take seconds in each of pip's three calls."""
    text = (folder / "version.py").read_text(encoding="utf-8")
    version = re.search(r"__version__ = '((\d+)\.(\d+)[^']*)'", text)
    if version is None or (int(version[2]), int(version[3])) < OLDEST_TORCH:
        found = "an unknown version" if version is None else version[1]
        raise NoKernelsError(f"kernels need torch >= 2.10; found {found}")
    return version[1]


def compiler():
    """First line of what the C++ compiler says about itself."""
    command = shlex.split(os.environ.get("CXX") or sysconfig.get_config_var("CXX") or "c++")
    if not shutil.which(command[0]) and not os.environ.get("CXX"):
        command = ["c++"]
    try:
        out = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoKernelsError(f"no C++ compiler: {error}") from None
    os.environ["CXX"] = shlex.join(command)
    return out.splitlines()[0]


def extensions():
    """The libraries to build here, empty for pure Python; raises where the mode asks for what cannot be had."""
    if MODE not in MODES:
        raise SystemExit(f"`OTSEG_BUILD` must be one of {', '.join(MODES)}; got {MODE!r}.")
    if MODE == "cuda":
        raise SystemExit("`OTSEG_BUILD=cuda` is not available: this version has kernels for the CPU only.")
    try:
        if MODE == "none":
            raise NoKernelsError("OTSEG_BUILD=none")
        if os.name == "nt":
            raise NoKernelsError("kernels need GCC or Clang")
        folder = torch_folder()
        INFO["torch"] = torch_version(folder)
        INFO["compiler"] = compiler()
    except NoKernelsError as error:
        INFO["kernels"] = f"none ({error})"
        if MODE in ("cpu", "require"):
            raise SystemExit(f"OTSEG_BUILD={MODE}, but {error}.") from None
        return []
    INFO["kernels"] = "none (the build failed)"  # until it has not
    return [
        Extension(
            "otseg_cuda._C_cpu",
            sorted(str(path) for path in SOURCES.glob("cpu/*.cpp")),
            include_dirs=[str(SOURCES), str(folder / "include")],
            depends=["setup.py", *(str(path) for path in SOURCES.rglob("*") if path.is_file())],
            define_macros=[("TORCH_TARGET_VERSION", "0x020a000000000000"), ("Py_LIMITED_API", "0x030a0000")],
            extra_compile_args=FLAGS,
            library_dirs=[str(folder / "lib")],
            libraries=["torch_cpu"],
            py_limited_api=True,
            optional=MODE == "auto",  # copying tolerates that the file is missing
        )
    ]


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

    def run(self):
        """Build all libraries."""
        try:
            super().run()
        except Exception as error:
            self.failed(error)

    def build_extension(self, extension):
        """Build one library; setuptools alone would swallow some errors of optional ones, and let others through."""
        try:
            extension.optional = False
            super().build_extension(extension)
            INFO["kernels"] = "cpu"
        except Exception as error:
            self.failed(error)
        finally:
            extension.optional = MODE == "auto"
        folder = Path(self.get_ext_fullpath(extension.name)).parent
        write_info(folder)

    def copy_extensions_to_source(self):
        """Of an editable or in-place build."""
        super().copy_extensions_to_source()
        write_info(Path("otseg_cuda"))

    def failed(self, error):
        """Raise, or warn once and go on without kernels."""
        if MODE != "auto":
            raise error
        warnings.warn(f"The kernels of otseg were not built, it will run in torch: {error}", stacklevel=2)
        INFO["kernels"] = f"none ({error})"
        self.extensions = self.distribution.ext_modules = []

    def get_export_symbols(self, extension):
        """None: the library registers itself with torch and is no Python module."""
        return []


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
