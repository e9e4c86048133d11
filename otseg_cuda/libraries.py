"""Where the compiled libraries are, and how they come into a process."""

import json
import os
import sys
from pathlib import Path

import torch

from otseg_cuda.build import FOLDER, digest


def cache_root() -> Path:
    """Folder of the libraries that ``otseg build-kernels`` makes, as the operating system has it for caches."""
    home = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return Path(os.environ.get("XDG_CACHE_HOME") or home) / "otseg" / "kernels"


def cache_folder() -> Path:
    """Folder of the libraries that fit this torch, its CUDA, and these sources."""
    return cache_root() / f"torch-{torch.__version__}-cuda-{torch.version.cuda or 'none'}-{digest()}"


def find(device: str, folder: Path | None = None) -> Path | None:
    """The library with the kernels of a device.

    Args:
        device: ``"cpu"`` or ``"cuda"``.
        folder: Where to look; ``None`` looks in the package, then in the cache of ``otseg build-kernels``.

    Returns:
        Its path; ``None`` where it was not built.
    """
    if folder is None:
        cached = cache_root().is_dir()  # asked first: it saves a digest at every import
        return find(device, FOLDER) or (find(device, cache_folder()) if cached else None)
    files = sorted(path for path in folder.glob(f"_C_{device}.*") if path.suffix in (".so", ".dylib"))
    return files[0] if files else None


def load(path: Path) -> None:
    """Load a library: its kernels register themselves. Raises OSError or RuntimeError where it does not fit."""
    torch.ops.load_library(str(path))


def build_info(folder: Path = FOLDER) -> dict[str, str]:
    """What the build wrote down: date, compiler, torch, and why kernels are missing; empty in a plain source tree."""
    path = folder / "_build_info.json"
    if not path.is_file():
        return {}
    info: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return info
