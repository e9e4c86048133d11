"""The only place that words an error about an argument.

Every message has one form: "`name` must be ...; got ...." and, where it helps, one sentence that fixes it.
The checks run at public doors, before any work. Values are read only where that is free (Python scalars,
tensors on the CPU) and never while compiling; tensors on an accelerator are checked for shape, dtype and device.
"""

import math
from typing import Any, NoReturn

import torch
from torch import Tensor


def fail(name: str, requirement: str, got: object, fix: str = "", error: type[Exception] = ValueError) -> NoReturn:
    """Raise ``error`` in the one form: what, the requirement, what was found, how to fix it."""
    raise error(f"`{name}` must be {requirement}; got {got}." + (f" {fix}" if fix else ""))


def require(
    ok: bool, name: str, requirement: str, got: object, fix: str = "", error: type[Exception] = ValueError
) -> None:
    """Raise unless ``ok``; see :func:`fail`."""
    if not ok:
        fail(name, requirement, got, fix, error)


def fail_file(path: object, problem: str, fix: str = "", error: type[Exception] = ValueError) -> NoReturn:
    """Raise ``error`` about a file: its path, what is wrong with it, how to fix it."""
    raise error(f"{path}: {problem}." + (f" {fix}" if fix else ""))


def describe(value: object) -> str:
    """How an error message shows a value: shape, dtype and device for tensors, ``repr`` for the rest."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}, {value.dtype}, on {value.device}"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"a {type(value).__name__} of shape {tuple(value.shape)}, {value.dtype}"
    text = repr(value)
    return f"{text if len(text) <= 80 else text[:77] + '...'} ({type(value).__name__})"


def readable(value: Tensor) -> bool:
    """Whether the values of a tensor may be read here: free of charge and outside of compilation."""
    if value.device.type != "cpu" or torch.compiler.is_compiling():
        return False
    return not torch._C._functorch.is_functorch_wrapped_tensor(value)


def tensor(name: str, value: Any, axes: str) -> Tensor:
    """Require a floating-point tensor with as many axes as ``axes`` has words; returns it.

    Args:
        name: Name of the argument.
        value: What the caller gave.
        axes: Names of the axes, separated by spaces, such as ``"B N K"``.
    """
    names = axes.split()
    if isinstance(value, Tensor) and value.is_floating_point() and value.dim() == len(names):
        return value  # nothing to word: these checks run at every call
    shape = f"({', '.join(names)}{',' if len(names) == 1 else ''})"
    fix = "Convert it with torch.as_tensor." if hasattr(value, "shape") and not isinstance(value, Tensor) else ""
    require(isinstance(value, Tensor), name, f"a tensor of shape {shape}", describe(value), fix, TypeError)
    fix = f"Convert it with {name}.float()."
    require(value.is_floating_point(), name, "a floating-point tensor", describe(value), fix, TypeError)
    fix = "Add the batch axis with .unsqueeze(0)." if value.dim() == len(names) - 1 else ""
    fail(name, f"of shape {shape}", describe(value), fix)


def shape(name: str, value: Tensor, expected: tuple[int, ...], meaning: str) -> None:
    """Require an exact shape; ``meaning`` names its axes, such as ``"(B, N)"``."""
    if tuple(value.shape) != expected:
        fail(name, f"of shape {meaning} = {expected}", describe(value))


def like(name: str, value: Tensor, reference: str, other: Tensor) -> None:
    """Require the device and the dtype of another argument."""
    if value.device == other.device and value.dtype == other.dtype:
        return
    fix = f"Move it with {name}.to({reference})."
    requirement = f"on the device of `{reference}` ({other.device})"
    require(value.device == other.device, name, requirement, describe(value), fix)
    requirement = f"of the dtype of `{reference}` ({other.dtype})"
    require(value.dtype == other.dtype, name, requirement, describe(value), fix, TypeError)


def mask(name: str, value: Any, reference: str, other: Tensor, axes: str = "(B, N)") -> Tensor:
    """Require a boolean tensor of the first two axes, and on the device, of another argument; returns it."""
    is_mask = isinstance(value, Tensor) and value.dtype == torch.bool
    fix = f"Convert it with {name}.bool(); True marks what is real."
    require(is_mask, name, f"a boolean tensor of shape {axes}", describe(value), fix, TypeError)
    shape(name, value, tuple(other.shape[:2]), axes)
    requirement, fix = (
        f"on the device of `{reference}` ({other.device})",
        f"Move it with {name}.to({reference}.device).",
    )
    require(value.device == other.device, name, requirement, describe(value), fix)
    return value  # type: ignore[no-any-return]


def finite(name: str, value: Tensor, mask: Tensor | None = None) -> None:
    """Require finite values, where ``mask`` (broadcastable) is True; reads only what :func:`readable` allows."""
    if not readable(value):
        return
    value = value.detach()
    if math.isfinite(value.sum()):  # then every value is, in one pass
        return
    bad = ~torch.isfinite(value)
    if mask is not None:
        bad = bad & mask
    if bool(bad.any()):
        where = tuple(int(i) for i in bad.nonzero()[0])
        got = f"{float(value[where])} at {where} ({int(bad.sum())} such entries)"
        fail(name, "finite on real frames" if mask is not None else "finite", got)


def number(
    name: str,
    value: object,
    low: int | float = float("-inf"),
    high: int | float = float("inf"),
    *,
    open_low: bool = False,
    integer: bool = False,
    fix: str = "",
) -> None:
    """Require a Python number in ``[low, high]`` (``(low, high]`` if ``open_low``)."""
    kinds = int if integer else (int, float)
    word = "an integer" if integer else "a number"
    if not isinstance(value, kinds) or isinstance(value, bool):
        fail(name, word, describe(value), fix, TypeError)
    assert isinstance(value, (int, float))
    inside = (low < value if open_low else low <= value) and value <= high
    if not inside:
        bounds = f"{'>' if open_low else '>='} {low}" + (f" and <= {high}" if high != float("inf") else "")
        fail(name, f"{word} {bounds}", value, fix)


def choice(name: str, value: object, options: tuple[str, ...]) -> None:
    """Require one of a few words."""
    if value not in options:
        fail(name, "one of " + ", ".join(repr(o) for o in options), repr(value))


def missing_extra(package: str, extra: str) -> NoReturn:
    """Raise about an optional dependency that is not installed, with the command that installs it."""
    raise ImportError(f"`{package}` is needed here and not installed. Install it with: pip install 'otseg[{extra}]'")
