"""The compiled kernels: loads them where they were built, lets the user force a backend, says what was found.

Every op is defined here in torch and runs so; a kernel that is loaded takes over for its device. `OTSEG_BACKEND`
forces a choice when otseg is imported: ``torch`` loads no kernel, ``cpp`` only those of the CPU and demands them,
``cuda`` demands those of CUDA.
"""

import importlib
import os
import warnings
from typing import Any

import torch

from otseg import checks

#: Owner of the ops' schemas. Their reference implementation is registered beside them, for every device.
LIBRARY = torch.library.Library("otseg", "DEF")  # type: ignore[no-untyped-call]
#: What ``OTSEG_BACKEND`` may say, and the devices whose kernels it lets in; without it, both.
CHOICES = {"torch": (), "cpp": ("cpu",), "cuda": ("cpu", "cuda")}
DEVICES = ("cpu", "cuda")


def load_kernels(forced: str | None, kernels: Any = None) -> dict[str, str]:
    """Load the libraries that the choice lets in; what happened to each, by device.

    Args:
        forced: Value of ``OTSEG_BACKEND``; ``None`` or empty takes what there is.
        kernels: The package that finds and loads libraries; `otseg_cuda` where it is installed.

    Raises:
        ImportError: If a forced library is missing or does not load.
        ValueError: If the choice is not one of the known words.
    """
    forced = forced or None
    if forced is not None:
        checks.choice("OTSEG_BACKEND", forced, tuple(CHOICES))
    wanted = DEVICES if forced is None else CHOICES[forced]
    kernels = package() if kernels is None else kernels
    found = {d: _load(kernels, d) if d in wanted else f"not loaded: OTSEG_BACKEND={forced}" for d in DEVICES}
    if forced in ("cpp", "cuda"):
        device = "cpu" if forced == "cpp" else "cuda"
        if not found[device].startswith("loaded"):
            fix = "Unset it, or install again with a C++ compiler and OTSEG_BUILD=require to see what fails."
            requirement = "a backend whose kernels are there"
            checks.fail("OTSEG_BACKEND", requirement, f"{forced!r}, {device} kernels {found[device]}", fix, ImportError)
    return found


def backend_info() -> dict[str, str]:
    """What runs the ops: torch, the kernels that were loaded or why not, and how they were built.

    Returns:
        ``torch``: its version; ``forced``: value of ``OTSEG_BACKEND``; ``cpu``, ``cuda``: state of these kernels;
        ``build``: what the build of the installed package wrote down.

    Example:
        >>> sorted(otseg.backend_info())
        ['build', 'cpu', 'cuda', 'forced', 'torch']
    """
    kernels = package()
    info = {} if kernels is None else kernels.build_info()
    build = ", ".join(f"{key}: {value}" for key, value in info.items()) or "not built: a plain source tree"
    return {"torch": torch.__version__, "forced": FORCED or "no", **STATE, "build": build}


def package() -> Any:
    """The package `otseg_cuda`; ``None`` where it is not installed."""
    try:
        return importlib.import_module("otseg_cuda")
    except ModuleNotFoundError as error:
        if error.name != "otseg_cuda":
            raise
        return None


def _load(kernels: Any, device: str) -> str:
    """Load one library. Absence is normal; a library that is there and does not load is never silent."""
    path = None if kernels is None else kernels.find(device)
    if path is None:
        return "not built"
    try:
        kernels.load(path)
    except (OSError, RuntimeError) as error:
        text = f"not loaded: {path} does not fit torch {torch.__version__} ({error})"
        warnings.warn(f"The {device} kernels of otseg were {text}. Ops run in torch.", RuntimeWarning, stacklevel=2)
        return text
    return f"loaded from {path}"


FORCED = os.environ.get("OTSEG_BACKEND")
STATE = load_kernels(FORCED)
