"""How the kernels are compiled: the one place that knows compilers and flags.

`setup.py` reads this file by its path, before anything is installed, and `otseg build-kernels` imports it afterwards;
hence it needs the standard library alone.
"""

import datetime
import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

FOLDER = Path(__file__).resolve().parent
SOURCES = FOLDER / "csrc"
OLDEST_TORCH = (2, 10)
#: Torch's stable ABI and no Python symbol: one library serves every Python, and every torch from 2.10 on.
DEFINES = ["-DTORCH_TARGET_VERSION=0x020a000000000000", "-DPy_LIMITED_API=0x030a0000"]
CXX_FLAGS = [
    "-std=c++20",
    "-O3",
    "-g0",
    "-DNDEBUG",
    "-fPIC",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fvisibility=hidden",
]
#: With OTSEG_SANITIZE=1, for tests: errors of memory and undefined behavior end the process.
SANITIZER_FLAGS = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
NVCC_FLAGS = ["-std=c++20", "-O3", "-DUSE_CUDA", "-Xcompiler", "-fPIC,-fvisibility=hidden"]
#: Compute capabilities where neither TORCH_CUDA_ARCH_LIST nor a GPU says which: A100, H100, and what comes after.
ARCHITECTURES = "8.0;9.0+PTX"


class BuildError(Exception):
    """Why kernels cannot be built here."""


def torch_version(folder: Path) -> tuple[str, str | None]:
    """Versions of torch and of its CUDA, from its file: importing it takes seconds in each call of setup.py.

    Args:
        folder: Folder of torch.

    Raises:
        BuildError: If torch is too old.
    """
    text = (folder / "version.py").read_text(encoding="utf-8")
    version = re.search(r"__version__ = '((\d+)\.(\d+)[^']*)'", text)
    if version is None or (int(version[2]), int(version[3])) < OLDEST_TORCH:
        found = "an unknown version" if version is None else version[1]
        raise BuildError(f"kernels need torch >= 2.10; found {found}")
    cuda = re.search(r"^cuda\b.*= '([^']+)'", text, re.MULTILINE)
    return version[1], cuda[1] if cuda else None


def cxx() -> list[str]:
    """Command of the C++ compiler: CXX, the one that made Python, or ``c++``."""
    command = shlex.split(os.environ.get("CXX") or sysconfig.get_config_var("CXX") or "c++")
    return command if shutil.which(command[0]) or os.environ.get("CXX") else ["c++"]


def nvcc() -> list[str]:
    """Command of the CUDA compiler: of CUDA_HOME, on the path, or in its usual place."""
    home = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    found = str(Path(home, "bin", "nvcc")) if home else shutil.which("nvcc")
    return [found or "/usr/local/cuda/bin/nvcc"]


def compiler(command: list[str]) -> str:
    """What a compiler says about itself, in one line."""
    if os.name == "nt":
        raise BuildError("kernels need GCC or Clang")
    try:
        out = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        kind = "CUDA" if Path(command[0]).name == "nvcc" else "C++"
        raise BuildError(f"no {kind} compiler: {error}") from None
    lines = out.strip().splitlines() or [""]
    return next((line for line in lines if "release" in line), lines[0])


def architectures() -> list[str]:
    """Flags of nvcc for TORCH_CUDA_ARCH_LIST, the GPUs of this machine, or :data:`ARCHITECTURES`."""
    wanted = os.environ.get("TORCH_CUDA_ARCH_LIST") or _visible() or ARCHITECTURES
    flags = []
    for name in wanted.replace(";", " ").split():
        number = name.removesuffix("+PTX").replace(".", "")
        kinds = ["sm", "compute"] if name.endswith("+PTX") else ["sm"]
        flags += [f"-gencode=arch=compute_{number},code={kind}_{number}" for kind in kinds]
    return flags


def _visible() -> str:
    """Compute capabilities of the GPUs of this machine; empty if there is none."""
    command = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    try:
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
    return " ".join(sorted(set(out.split())))


def _cpu(torch: Path) -> tuple[list[str], list[str]]:
    """Commands that compile a source, and that link, without their files."""
    given = [shlex.split(os.environ.get(name, "")) for name in ("CPPFLAGS", "CXXFLAGS", "LDFLAGS")]
    sanitizer = SANITIZER_FLAGS if os.environ.get("OTSEG_SANITIZE") else []
    flags = [*given[0], *given[1], *CXX_FLAGS, *DEFINES, *sanitizer]
    link = [*cxx(), "-shared", *given[2], *sanitizer, f"-L{torch / 'lib'}", "-ltorch_cpu"]
    return [*cxx(), *flags, "-c"], link


def _cuda(torch: Path) -> tuple[list[str], list[str]]:
    """The same for CUDA."""
    link = [*nvcc(), "-shared", *architectures(), f"-L{torch / 'lib'}", "-ltorch_cpu", "-ltorch_cuda"]
    return [*nvcc(), *NVCC_FLAGS, *DEFINES, *architectures(), "-c"], link


#: For every device: the compiler, the ending of its sources, and the commands that compile and link.
_DEVICES: dict[str, tuple[Callable[[], list[str]], str, Callable[[Path], tuple[list[str], list[str]]]]] = {
    "cpu": (cxx, ".cpp", _cpu),
    "cuda": (nvcc, ".cu", _cuda),
}


def sources(device: str) -> list[Path]:
    """What is compiled for a device."""
    return sorted(SOURCES.glob(f"{device}/*{_DEVICES[device][1]}"))


def info(torch: Path, device: str = "cpu") -> dict[str, str]:
    """What to write down about a build: date, torch, compiler.

    Raises:
        BuildError: If there is no compiler or no source, or torch is too old or made without CUDA.
    """
    version, cuda = torch_version(torch)
    if not sources(device):
        raise BuildError(f"this version of otseg has no kernels for {device}")
    if device == "cuda" and cuda is None:
        raise BuildError(f"torch {version} is made without CUDA")
    today = datetime.date.today().isoformat()
    return {"date": today, "torch": version, "compiler": compiler(_DEVICES[device][0]())}


def compile_library(device: str, torch: Path, target: Path) -> None:
    """Compile the kernels of a device, the sources side by side.

    Args:
        device: ``"cpu"`` or ``"cuda"``.
        torch: Folder of torch.
        target: File to write; it appears when it is whole.

    Raises:
        BuildError: With what the compiler said.
    """
    compile_one, link = _DEVICES[device][2](torch)
    include = [f"-I{SOURCES}", f"-I{torch / 'include'}"]
    with TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = [Path(folder, path.with_suffix(".o").name) for path in sources(device)]
        pairs = zip(sources(device), objects, strict=True)
        list(pool.map(lambda pair: _run([*compile_one, *include, str(pair[0]), "-o", str(pair[1])]), pairs))
        library = Path(folder, target.name)
        _run([link[0], *map(str, objects), *link[1:], "-o", str(library)])
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.copy(library, part)
        os.replace(part, target)


def _run(command: list[str]) -> None:
    """Run a compiler."""
    try:
        subprocess.run(command, capture_output=True, text=True, check=True)
    except OSError as error:
        raise BuildError(f"{command[0]}: {error}") from None
    except subprocess.CalledProcessError as error:
        raise BuildError(f"{shlex.join(command)}\n{error.stderr.strip() or error.stdout.strip()}") from None


def digest() -> str:
    """A name for these sources and flags on this kind of machine: a library of another name is not theirs."""
    found = hashlib.sha256((platform.machine() + os.environ.get("OTSEG_SANITIZE", "")).encode())
    for path in [Path(__file__), *sorted(SOURCES.rglob("*"))]:
        if path.is_file():
            found.update(path.relative_to(FOLDER).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]
