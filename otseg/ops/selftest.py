"""Whether every compiled kernel says the same as its reference, on one small case: what `otseg doctor` asks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from otseg.ops._backend import LIBRARY

#: Draws numbers in [0, 1), float64, of a shape.
Uniform = Callable[..., Tensor]
#: Largest difference between kernel and reference, relative to the largest value.
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}


@dataclass(frozen=True)
class Check:
    """What became of one op.

    Attributes:
        op: Its name.
        kernel: Whether there is a kernel for the device; without one there is nothing to compare.
        ok: Whether the kernel agrees with the reference.
        found: What was seen, as text.
    """

    op: str
    kernel: bool
    ok: bool
    found: str


def check_ops(device: str = "cpu") -> list[Check]:
    """Compare the kernel of every op with its reference in torch, in float32 and float64.

    Args:
        device: ``"cpu"`` or ``"cuda"``.

    Returns:
        A check per op, sorted by name.

    Example:
        >>> all(check.ok for check in check_ops())
        True
    """
    return [_check(name.removeprefix("otseg::"), torch.device(device)) for name in sorted(LIBRARY._op_defs)]


def reference(op: str, *args: Any) -> Any:
    """Call the reference of an op, whatever kernel would run it."""
    return getattr(torch.ops.otseg, op).default._op_dk(torch._C.DispatchKey.CompositeExplicitAutograd, *args)


def has_kernel(op: str, device: str = "cpu") -> bool:
    """Whether a compiled kernel runs an op on a device."""
    found: bool = torch._C._dispatch_has_kernel_for_dispatch_key(f"otseg::{op}", device.upper())
    return found


def _check(op: str, device: torch.device) -> Check:
    if not has_kernel(op, device.type):
        return Check(op, False, True, "runs in torch")
    generator = torch.Generator().manual_seed(0)
    case = CASES[op](lambda *shape: torch.rand(shape, generator=generator, dtype=torch.float64))
    gaps = {}
    try:
        for dtype in TOLERANCE:
            args = [_move(value, device, dtype) for value in case]
            found, expected = getattr(torch.ops.otseg, op)(*args), reference(op, *args)
            gaps[dtype] = max(_gap(x, y) for x, y in zip(found, expected, strict=True))
    except RuntimeError as error:
        return Check(op, True, False, f"the {device.type} kernel fails: {error}")
    ok = all(gap <= TOLERANCE[dtype] for dtype, gap in gaps.items())
    sizes = ", ".join(f"{gap:.0e} in {str(dtype).removeprefix('torch.')}" for dtype, gap in gaps.items())
    verb = "agrees with" if ok else "differs from"
    return Check(op, True, ok, f"the {device.type} kernel {verb} the reference (by {sizes})")


def _move(value: Any, device: torch.device, dtype: torch.dtype) -> Any:
    if not isinstance(value, Tensor):
        return value
    return value.to(device, dtype if value.is_floating_point() else None)


def _gap(x: Tensor, y: Tensor) -> float:
    """Largest difference relative to the largest value."""
    x, y = x.double(), y.double()
    return float((x - y).abs().max() / (1 + y.abs().max())) if x.numel() else 0.0


def _sinkhorn_sweeps(uniform: Uniform) -> tuple[Any, ...]:
    a, b = uniform(2, 33) + 0.1, uniform(2, 5) + 0.1
    a[:, 30:] = 0  # padding
    slopes = torch.tensor([0.0, 0.0]), torch.tensor([0.0, 0.5])
    a, b = a / a.sum(dim=1, keepdim=True), b / b.sum(dim=1, keepdim=True)
    return -10 * uniform(2, 33, 5), a, b, *slopes, torch.zeros(2, 33), 20, None, True


def _sinkhorn_adjoint(uniform: Uniform) -> tuple[Any, ...]:
    log_a, log_b = (uniform(2, n).log_softmax(dim=1) for n in (33, 5))
    damping = torch.tensor([1.0, 0.5]), torch.tensor([0.8, 1.0])
    potentials = uniform(2, 33), uniform(2, 5)
    return -10 * uniform(2, 33, 5), log_a, log_b, *damping, *potentials, uniform(2, 33), uniform(2, 5), True


def _viterbi(uniform: Uniform) -> tuple[Any, ...]:
    return uniform(2, 33, 5), -uniform(1, 5, 5), None, None, torch.arange(33).expand(2, -1) < 30


def _window_descent(uniform: Uniform) -> tuple[Any, ...]:
    a, b = torch.full((2, 33), 1 / 33), torch.full((2, 5), 1 / 5)
    epsilon, rho_a, rho_b = torch.full((2,), 0.1), torch.full((2,), torch.inf), torch.full((2,), 0.2)
    window = torch.tensor([0.3, 0.5]), torch.tensor([2, 4]), torch.tensor([0.4, 0.6])
    return uniform(2, 33, 5), a, b, epsilon, rho_a, rho_b, *window, None, None, 15, None, True


#: Arguments of every op, as small as its kernel's branches allow; a new op adds its line.
CASES: dict[str, Callable[[Uniform], tuple[Any, ...]]] = {
    "sinkhorn_adjoint": _sinkhorn_adjoint,
    "sinkhorn_sweeps": _sinkhorn_sweeps,
    "viterbi": _viterbi,
    "window_descent": _window_descent,
}
