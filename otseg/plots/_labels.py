"""Reads what callers give as labels, of one video or of many, and finds the segments in them."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from torch import Tensor

from otseg import checks

#: Labels of one video, ``(N,)``.
Labels: TypeAlias = npt.NDArray[np.int64]
#: One sequence of integers, a list of them, or one padded array ``(B, N)``.
AnyLabels: TypeAlias = Sequence[Any] | npt.NDArray[Any] | Tensor


def read_videos(labels: AnyLabels, target: AnyLabels | None) -> list[tuple[Labels, Labels | None]]:
    """Labels and true labels of every video, without the padding: the last frames that are -1 in both.

    Only one of them may be padded.
    """
    predicted = _read("labels", labels)
    if target is None:
        return [(p[: _length(p)], None) for p in predicted]
    true = _read("target", target)
    got = f"{len(true)} against {len(predicted)}"
    checks.require(len(true) == len(predicted), "target", "as many sequences as `labels`", got)
    videos: list[tuple[Labels, Labels | None]] = []
    for i, (p, t) in enumerate(zip(predicted, true, strict=True)):
        length = max(_length(p), _length(t))
        got = f"{len(t)} frames against {len(p)} in sequence {i}"
        checks.require(length <= min(len(p), len(t)), "target", "as long as `labels`", got)
        videos.append((p[:length], t[:length]))
    return videos


def _length(labels: Labels) -> int:
    known = np.flatnonzero(labels != -1)
    return int(known[-1]) + 1 if known.size else 1  # at least one frame is drawn


def segments(labels: Labels) -> Iterator[tuple[int, int, int]]:
    """``(start, stop, label)`` of every maximal run, ``stop`` excluded."""
    bounds = [0, *change_points(labels), len(labels)]
    for start, stop in pairwise(bounds):
        yield start, stop, int(labels[start])


def change_points(labels: Labels) -> list[int]:
    """First frame of every segment but the first."""
    return [int(n) + 1 for n in np.flatnonzero(labels[1:] != labels[:-1])]


def _read(name: str, value: AnyLabels) -> list[Labels]:
    listed = isinstance(value, (Sequence, np.ndarray, Tensor)) and not isinstance(value, str)
    requirement = "a sequence of integers, or one per video"
    checks.require(listed, name, requirement, checks.describe(value), error=TypeError)
    single = value.ndim == 1 if isinstance(value, (np.ndarray, Tensor)) else _is_number(next(iter(value), None))
    items = [value] if single else list(value)
    checks.require(len(items) > 0, name, requirement, "none")
    return [_read_one(name if single else f"{name}[{i}]", item) for i, item in enumerate(items)]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.number)) or getattr(value, "ndim", None) == 0


def _read_one(name: str, item: Any) -> Labels:
    array = np.asarray(item.detach().cpu() if isinstance(item, Tensor) else item)
    checks.require(array.ndim == 1, name, "1-D, the labels of one video", checks.describe(array))
    checks.require(array.size > 0, name, "at least one frame long", "an empty sequence")
    integers = np.issubdtype(array.dtype, np.integer)
    checks.require(integers, name, "of integers", checks.describe(array), "Give class ids.", TypeError)
    return array.astype(np.int64)
