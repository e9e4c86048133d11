"""Where the compiled libraries are, and how they come into a process."""

import json
from pathlib import Path

import torch

FOLDER = Path(__file__).resolve().parent


def find(device: str, folder: Path = FOLDER) -> Path | None:
    """The library with the kernels of a device, ``"cpu"`` or ``"cuda"``; ``None`` where it was not built."""
    files = sorted(path for path in folder.glob(f"_C_{device}.*") if path.suffix in (".so", ".pyd", ".dylib"))
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
