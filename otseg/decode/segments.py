"""Labels of frames as segments, and back."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from otseg import checks


class Segment(NamedTuple):
    """Frames ``start, ..., stop - 1`` with one label."""

    start: int
    stop: int
    label: int


def segments(labels: Int[Tensor, " N"]) -> list[Segment]:
    """The maximal runs of one label, in temporal order.

    Args:
        labels: Labels of one sequence, such as a row of ``result.labels()``; frames with -1 (masked, no
            label) belong to no segment, and end the one before.

    Returns:
        Segments, half open.

    Raises:
        ValueError: If ``labels`` has not one axis, or a label is below -1.
        TypeError: If ``labels`` is not a tensor of integers.

    Example:
        >>> segments(torch.tensor([2, 2, -1, -1, 0]))
        [Segment(start=0, stop=2, label=2), Segment(start=4, stop=5, label=0)]
    """
    values = _read(labels)
    if values.numel() == 0:
        return []
    cuts = [0, *boundaries(labels).tolist(), len(values)]
    runs = zip(cuts[:-1], cuts[1:], values[cuts[:-1]].tolist(), strict=True)
    return [Segment(start, stop, label) for start, stop, label in runs if label >= 0]


def from_segments(segments: Iterable[Segment | tuple[int, int, int]], n: int) -> Int[Tensor, " N"]:
    """Labels of ``n`` frames from segments: the inverse of :func:`segments`.

    Args:
        segments: Triples ``(start, stop, label)``, half open, in any order, without overlap.
        n: Number of frames.

    Returns:
        Labels, int64, on the CPU; -1 on frames of no segment.

    Raises:
        ValueError: If a segment is empty, leaves ``0 .. n`` or overlaps another, or a label is negative.
        TypeError: If a number is not an integer.

    Example:
        >>> from_segments([(0, 2, 5), (3, 4, 1)], 5)
        tensor([ 5,  5, -1,  1, -1])
    """
    checks.number("n", n, 0, integer=True)
    labels = torch.full((n,), -1, dtype=torch.int64)
    for i, segment in enumerate(segments):
        triple = isinstance(segment, tuple) and len(segment) == 3
        found = checks.describe(segment)
        checks.require(triple, f"segments[{i}]", "a triple (start, stop, label)", found, error=TypeError)
        start, stop, label = segment
        for name, value in zip(Segment._fields, (start, stop, label), strict=True):
            checks.number(f"segments[{i}].{name}", value, integer=True)
        inside = 0 <= start < stop <= n
        checks.require(inside, f"segments[{i}]", f"a non-empty range within 0 .. {n}", f"{start} .. {stop}")
        checks.require(label >= 0, f"segments[{i}].label", "at least 0", label)
        free = bool((labels[start:stop] < 0).all())
        checks.require(free, f"segments[{i}]", "apart from the segments before it", f"{start} .. {stop}")
        labels[start:stop] = label
    return labels


def boundaries(labels: Int[Tensor, " N"]) -> Int[Tensor, " M"]:
    """Frames at which the label changes: the change points, without 0 and N.

    Args:
        labels: Labels of one sequence; a change to or from -1 counts.

    Returns:
        The first frame after every change, ascending.

    Raises:
        ValueError: If ``labels`` has not one axis, or a label is below -1.
        TypeError: If ``labels`` is not a tensor of integers.

    Example:
        >>> boundaries(torch.tensor([2, 2, 0, 0, 1]))
        tensor([2, 4])
    """
    values = _read(labels)
    return (values[1:] != values[:-1]).nonzero()[:, 0] + 1


def merge_short(labels: Int[Tensor, " N"], min_length: int) -> Int[Tensor, " N"]:
    """Give segments that are too short to a neighbor.

    As long as a segment shorter than ``min_length`` touches another one, the shortest of them (the first, if
    several) takes the label of the longer of the segments that it touches (the one before, if equal), and
    joins it. Frames with -1 stay as they are, and segments on two sides of them do not touch.

    Args:
        labels: Labels of one sequence.
        min_length: Least number of frames of a segment that touches another.

    Returns:
        New labels.

    Raises:
        ValueError: If ``labels`` has not one axis, or ``min_length`` is negative.
        TypeError: If ``labels`` is not a tensor of integers.

    Example:
        >>> merge_short(torch.tensor([0, 0, 0, 1, 2, 2]), 2)
        tensor([0, 0, 0, 0, 2, 2])
    """
    checks.number("min_length", min_length, 0, integer=True)
    out = _read(labels).clone()
    parts = segments(out)
    while True:
        touching = [
            (part.stop - part.start, i, near)
            for i, part in enumerate(parts)
            if part.stop - part.start < min_length and (near := _neighbors(parts, i))
        ]
        if not touching:
            return out
        _, i, near = min(touching)
        longer = max(near, key=lambda j: parts[j].stop - parts[j].start)  # the first of equals
        out[parts[i].start : parts[i].stop] = parts[longer].label
        parts = segments(out)


def _neighbors(parts: list[Segment], i: int) -> list[int]:
    """The segments that touch segment ``i``."""
    before = [i - 1] if i > 0 and parts[i - 1].stop == parts[i].start else []
    after = [i + 1] if i + 1 < len(parts) and parts[i + 1].start == parts[i].stop else []
    return before + after


def _read(labels: Tensor) -> Tensor:
    found = checks.describe(labels)
    integers = isinstance(labels, Tensor) and not (labels.is_floating_point() or labels.dtype == torch.bool)
    fix = "Convert it with torch.as_tensor." if hasattr(labels, "dtype") and not isinstance(labels, Tensor) else ""
    checks.require(integers, "labels", "a tensor of integers", found, fix, TypeError)
    fix = "Take one row." if labels.dim() == 2 else ""
    checks.require(labels.dim() == 1, "labels", "of shape (N,)", found, fix)
    low = int(labels.min()) if labels.numel() else 0
    checks.require(low >= -1, "labels", "at least -1", low)
    return labels
