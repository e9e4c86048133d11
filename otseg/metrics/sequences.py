"""Reads a data set of label sequences: the one door of all metrics, and the segments that they score.

A data set is a list of 1-D sequences of integers, one per video, possibly of different lengths. Frames whose
true label is ignored are no part of it, and they cut what lies on both sides: segments never join across
them.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from torch import Tensor

from otseg import checks

#: One sequence of integers per video: NumPy arrays, tensors or lists.
LabelSequences: TypeAlias = Sequence[npt.NDArray[Any] | Tensor | Sequence[int]] | npt.NDArray[Any] | Tensor

#: A frame without a prediction: never right, and not a segment.
NO_PREDICTION = -1


class Video(NamedTuple):
    """Labels of one video, ``(N,)`` each; ``kept`` is False on ignored frames."""

    labels: npt.NDArray[np.int64]
    target: npt.NDArray[np.int64]
    kept: npt.NDArray[np.bool_]


class Runs(NamedTuple):
    """Maximal runs of one label, half open, ``(S,)``; ``frame`` is the run of every frame or -1, ``(N,)``."""

    start: npt.NDArray[np.int64]
    stop: npt.NDArray[np.int64]
    label: npt.NDArray[np.int64]
    frame: npt.NDArray[np.int64]


def read_pairs(
    labels: LabelSequences,
    target: LabelSequences,
    ignore_labels: Sequence[int] = (),
    *,
    clusters: bool = False,
) -> list[Video]:
    """Check predictions against the truth, video by video.

    Args:
        labels: Predicted labels.
        target: True classes, at least 0 where they are not ignored.
        ignore_labels: True labels whose frames are dropped.
        clusters: Whether ``labels`` are cluster ids (at least -1) rather than labels that were matched to
            classes, where any negative number stands for "no class".

    Raises:
        ValueError: If the two do not describe the same frames, or no frame is left.
        TypeError: If labels are not integers.
    """
    predicted, true = read_sequences("labels", labels), read_sequences("target", target)
    got = f"{len(predicted)} against {len(true)}"
    checks.require(len(predicted) == len(true), "labels", "as many sequences as `target`", got)
    ignored = read_classes("ignore_labels", ignore_labels)
    videos = []
    for i, (p, t) in enumerate(zip(predicted, true, strict=True)):
        got = f"{len(p)} frames against {len(t)}"
        checks.require(len(p) == len(t), f"labels[{i}]", f"as long as `target[{i}]`", got)
        kept = ~np.isin(t, ignored)
        bad = t[kept & (t < 0)]
        fix = "Name the label in `ignore_labels` to drop its frames."
        checks.require(bad.size == 0, f"target[{i}]", "at least 0", bad[:1].tolist(), fix)
        if clusters:
            check_clusters(f"labels[{i}]", p)
        videos.append(Video(p, t, kept))
    left = any(bool(video.kept.any()) for video in videos)
    checks.require(left, "ignore_labels", "such that some frames are left", f"{ignored}, which drops all of them")
    return videos


def read_sequences(name: str, value: LabelSequences) -> list[npt.NDArray[np.int64]]:
    """Check one list of integer sequences and return them as NumPy arrays."""
    requirement = "a list of 1-D integer sequences, one per video"
    listed = isinstance(value, (Sequence, np.ndarray, Tensor)) and not isinstance(value, str)
    listed = listed and getattr(value, "ndim", 1) > 0
    if not listed:  # not by require: the description of a whole data set is costly
        checks.fail(name, requirement, checks.describe(value), error=TypeError)
    checks.require(len(value) > 0, name, requirement, "none")
    return [_read_sequence(name, i, item) for i, item in enumerate(value)]


def _read_sequence(name: str, i: int, item: object) -> npt.NDArray[np.int64]:
    if isinstance(item, (int, np.integer)) or getattr(item, "ndim", 1) == 0:
        fix = "Wrap a single video in a list: [x]."
        checks.fail(name, "a list of 1-D sequences, one per video", "a list of numbers", fix)
    array = np.asarray(item.detach().cpu() if isinstance(item, Tensor) else item)
    found = f"an array of shape {array.shape}, {array.dtype}"
    checks.require(array.ndim == 1, f"{name}[{i}]", "1-D", found)
    checks.require(array.size > 0, f"{name}[{i}]", "at least one frame long", "an empty sequence")
    integers = np.issubdtype(array.dtype, np.integer)
    checks.require(integers, f"{name}[{i}]", "of integers", found, "Give class or cluster ids.", TypeError)
    return array.astype(np.int64)


def read_classes(name: str, value: Iterable[int]) -> tuple[int, ...]:
    """Check a collection of class ids, such as ``background``."""
    listed = isinstance(value, Iterable) and not isinstance(value, str)
    fix = f"Write ({value},)." if isinstance(value, int) else ""
    checks.require(listed, name, "a sequence of integers", checks.describe(value), fix, TypeError)
    classes = tuple(value)
    whole = all(isinstance(c, (int, np.integer)) and not isinstance(c, bool) for c in classes)
    checks.require(whole, name, "a sequence of integers", checks.describe(classes), error=TypeError)
    return tuple(int(c) for c in classes)


def check_clusters(name: str, labels: npt.NDArray[np.int64]) -> None:
    """Require cluster ids: at least 0, or -1 where there is no prediction."""
    lowest = int(labels.min())
    checks.require(lowest >= NO_PREDICTION, name, "cluster ids of at least 0 (or -1: no prediction)", lowest)


def runs(values: npt.NDArray[np.int64], kept: npt.NDArray[np.bool_], background: Sequence[int] = ()) -> Runs:
    """Segments of ``values``: cut by ignored frames, without background and frames of no prediction."""
    cut = (values[1:] != values[:-1]) | (kept[1:] != kept[:-1])
    bounds = np.concatenate(([0], np.flatnonzero(cut) + 1, [len(values)]))
    start, stop = bounds[:-1], bounds[1:]
    scored = kept[start] & ~np.isin(values[start], (NO_PREDICTION, *background))
    index = np.where(scored, np.cumsum(scored) - 1, -1)
    return Runs(start[scored], stop[scored], values[start[scored]], np.repeat(index, stop - start))
