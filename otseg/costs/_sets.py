"""What all sliced distances and plans share: checked sets of weighted points, and their projections in chunks."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from otseg import checks
from otseg.costs._pairs import prepare
from otseg.costs.projections import Projection
from otseg.ops.quantile import Ranked, line_cost, rank

#: Largest number of projected points that are held at once; a few of such tensors make a chunk's memory.
CHUNK = 2**22


class Points(NamedTuple):
    """Weighted points: ``x`` ``(B, N, D)``, 0 where masked; ``weight``, ``mask`` ``(B, N)``, ``None`` where trivial."""

    x: Tensor
    weight: Tensor | None
    mask: Tensor | None

    def on_lines(self, projection: Projection, directions: Tensor) -> Ranked:
        """The points projected to lines and sorted."""
        return rank(projection(self.x, directions), self.weight, self.mask)

    def constant(self) -> "Points":
        """A copy that no gradient reaches; outside of inference mode it is an ordinary tensor."""
        x, weight, mask = (None if value is None else value.detach().clone() for value in self)
        assert x is not None
        return Points(x, weight, mask)


def prepare_sets(
    x: Tensor,
    y: Tensor,
    weights_x: Tensor | None,
    weights_y: Tensor | None,
    mask_x: Tensor | None,
    mask_y: Tensor | None,
) -> tuple[Points, Points]:
    """Checked sets, at least in float32; what is shared by the batch is expanded to it."""
    x, y = prepare(x, y)
    y = y.expand(x.shape[0], -1, -1)
    return _points("x", x, weights_x, mask_x), _points("y", y, weights_y, mask_y)


def line_costs(x: Points, y: Points, projection: Projection, directions: Tensor, p: int | float) -> Tensor:
    """``W_p^p`` of the projections to every direction, ``(B, P)``; directions are ``(P, E)`` or ``(B, P, E)``."""

    def chunk(x: Points, y: Points, directions: Tensor) -> Tensor:
        return line_cost(x.on_lines(projection, directions), y.on_lines(projection, directions), p)

    return torch.cat(in_chunks(chunk, x, y, directions), dim=1)


def in_chunks(function: Callable[..., Tensor], x: Points, y: Points, *lines: Tensor) -> list[Tensor]:
    """``function(x, y, *lines)`` on a few directions at a time, the last but one axis of each of ``lines``.

    Several chunks are recomputed in the backward pass, so that memory stays that of one.
    """
    size = max(1, CHUNK // (x.x.shape[0] * (x.x.shape[1] + y.x.shape[1])))
    parts = list(zip(*(torch.split(line, size, dim=-2) for line in lines), strict=True))
    if len(parts) == 1:
        return [function(x, y, *lines)]
    return [checkpoint(function, x, y, *part, use_reentrant=False, preserve_rng_state=False) for part in parts]


def _points(name: str, x: Tensor, weight: Tensor | None, mask: Tensor | None) -> Points:
    fix = "Every set needs a point."
    checks.require(x.shape[1] > 0, name, "non-empty", checks.describe(x), fix)
    if mask is not None:
        mask = _mask(f"mask_{name}", mask, x)
        checks.finite(name, x, mask.unsqueeze(2))
        x = x.masked_fill(~mask.unsqueeze(2), 0)
    else:
        checks.finite(name, x)
    if weight is not None:
        weight = _weight(f"weights_{name}", weight, x, mask)
    return Points(x, weight, mask)


def _mask(name: str, mask: Tensor, x: Tensor) -> Tensor:
    is_mask = isinstance(mask, Tensor) and mask.dtype == torch.bool
    fix = f"Convert it with {name}.bool(); True marks real points."
    checks.require(is_mask, name, "a boolean tensor of shape (B, N)", checks.describe(mask), fix, TypeError)
    mask = _rows(name, mask, x)
    on, fix = f"on the device of the points ({x.device})", "Move it there."
    checks.require(mask.device == x.device, name, on, checks.describe(mask), fix)
    if checks.readable(mask):
        empty = (~mask.any(dim=1)).nonzero().flatten().tolist()
        checks.require(not empty, name, "True on a point of every set", f"none in sets {empty}")
    return mask


def _weight(name: str, weight: Tensor, x: Tensor, mask: Tensor | None) -> Tensor:
    checks.require(isinstance(weight, Tensor), name, "a tensor", checks.describe(weight), "", TypeError)
    weight = checks.tensor(name, weight, "N" if weight.dim() == 1 else "B N")
    if weight.dtype not in (torch.float32, torch.float64):
        weight = weight.float()
    checks.like(name, weight, "x", x)
    weight = _rows(name, weight, x)
    checks.finite(name, weight, mask)
    if mask is not None:
        weight = weight.masked_fill(~mask, 0)
    if checks.readable(weight) and weight.numel():
        least = float(weight.detach().min())
        checks.require(least >= 0, name, "at least 0", f"a smallest entry of {least}")
        positive = bool((weight.sum(dim=1) > 0).all())
        checks.require(positive, name, "of positive total mass", "a set whose mass is 0")
    return weight


def _rows(name: str, value: Tensor, x: Tensor) -> Tensor:
    """``(N,)``, ``(1, N)`` or ``(B, N)`` as ``(B, N)``."""
    rows = value.unsqueeze(0) if value.dim() == 1 else value
    fits = rows.dim() == 2 and rows.shape[0] in (1, x.shape[0]) and rows.shape[1] == x.shape[1]
    sizes = f"of shape ({x.shape[1]},) or ({x.shape[0]}, {x.shape[1]})"
    checks.require(fits, name, sizes, checks.describe(value))
    return rows.expand(x.shape[0], -1)
