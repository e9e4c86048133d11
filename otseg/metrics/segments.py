"""Metrics of segments: overlap F1 and segmental edit score, after the evaluation of MS-TCN."""

from collections.abc import Sequence
from typing import overload

import numpy as np
import numpy.typing as npt

from otseg import checks
from otseg.metrics.sequences import LabelSequences, Video, read_classes, read_pairs, runs


@overload
def f1(
    labels: LabelSequences,
    target: LabelSequences,
    *,
    overlap: float = 0.5,
    background: Sequence[int] = (),
    ignore_labels: Sequence[int] = (),
) -> float: ...
@overload
def f1(
    labels: LabelSequences,
    target: LabelSequences,
    *,
    overlap: Sequence[float],
    background: Sequence[int] = (),
    ignore_labels: Sequence[int] = (),
) -> tuple[float, ...]: ...
def f1(
    labels: LabelSequences,
    target: LabelSequences,
    *,
    overlap: float | Sequence[float] = 0.5,
    background: Sequence[int] = (),
    ignore_labels: Sequence[int] = (),
) -> float | tuple[float, ...]:
    r"""Segmental F1 at an overlap, ``F1@k`` of MS-TCN.

    Every predicted segment looks for the true segment of its label with the largest intersection over union.
    It is a true positive if that is at least ``overlap`` and no earlier segment of the video took that true
    segment, else a false positive; true segments that nobody took are false negatives. The counts are summed
    over the videos:

    .. math::  F_1 = \frac{2\,TP}{2\,TP + FP + FN}

    Segments end with their video and never join across ignored frames. Without a true and a predicted
    segment, F1 is 1.

    Args:
        labels: Predicted classes, as by :meth:`Matching.apply`. A segment of a negative label is a false
            positive, except -1 (no prediction), which is no segment.
        target: True classes, one 1-D sequence per video.
        overlap: Least intersection over union, in (0, 1]; or several.
        background: Classes that are not scored as segments, predicted or true.
        ignore_labels: True labels whose frames are dropped.

    Returns:
        A fraction in [0, 1]; a tuple of them for several overlaps.

    Raises:
        ValueError: If the sequences do not fit together or an overlap is out of range.
        TypeError: If labels are not integers.

    Example:
        >>> f1([[0, 0, 0, 1, 1, 2]], [[0, 0, 1, 1, 1, 1]])  # overlaps 2/3, 2/4 and none
        0.8
        >>> f1([[0, 0, 0, 1, 1, 2]], [[0, 0, 1, 1, 1, 1]], overlap=[0.1, 0.6])
        (0.8, 0.4)

    References:
        :cite:`farha2019mstcn`; the measure is of :cite:`lea2017temporal`.
    """
    several = isinstance(overlap, Sequence)
    overlaps = tuple(overlap) if isinstance(overlap, Sequence) else (overlap,)
    checks.require(len(overlaps) > 0, "overlap", "a number or several", "none")
    for value in overlaps:
        checks.number("overlap", value, 0, 1, open_low=True)
    videos = read_pairs(labels, target, ignore_labels)
    values = f1_of(videos, overlaps, read_classes("background", background))
    return values if several else values[0]


def edit(
    labels: LabelSequences,
    target: LabelSequences,
    *,
    background: Sequence[int] = (),
    ignore_labels: Sequence[int] = (),
) -> float:
    """Segmental edit score: how well the order of the segments is right, whatever their lengths.

    For every video one minus the Levenshtein distance between the labels of the predicted and of the true
    segments, divided by the larger number of segments; then the mean over the videos. A fraction, where
    MS-TCN prints percent.

    Args:
        labels: Predicted classes, as by :meth:`Matching.apply`; -1 (no prediction) is no segment.
        target: True classes, one 1-D sequence per video.
        background: Classes that are not scored as segments, predicted or true.
        ignore_labels: True labels whose frames are dropped. Videos without any other frame do not count.

    Returns:
        A fraction in [0, 1]; 1 for a video without a true and a predicted segment.

    Raises:
        ValueError: If the sequences do not fit together.
        TypeError: If labels are not integers.

    Example:
        >>> edit([[0, 0, 1, 2]], [[0, 1, 1, 1]])  # one insertion in three segments
        0.6666666666666667

    References:
        :cite:`lea2016segmental`
    """
    return edit_of(read_pairs(labels, target, ignore_labels), read_classes("background", background))


def f1_of(videos: Sequence[Video], overlaps: Sequence[float], background: Sequence[int] = ()) -> tuple[float, ...]:
    """:func:`f1` of videos that were read."""
    found = np.zeros(len(overlaps), dtype=np.int64)
    n_segments = 0  # 2 TP + FP + FN = predicted + true segments
    for video in videos:
        predicted = runs(video.labels, video.kept, background)
        true = runs(video.target, video.kept, background)
        n_segments += len(predicted.label) + len(true.label)
        if len(predicted.label) == 0 or len(true.label) == 0:
            continue
        first = np.maximum(predicted.start[:, None], true.start)
        last = np.minimum(predicted.stop[:, None], true.stop)
        span = np.maximum(predicted.stop[:, None], true.stop) - np.minimum(predicted.start[:, None], true.start)
        same = predicted.label[:, None] == true.label
        iou = np.where(same, np.maximum(last - first, 0) / span, 0.0)  # (predicted, true); the span is the union
        best = iou.argmax(axis=1)
        reached = iou.max(axis=1)
        # The choice of a segment does not depend on the others: the true positives are the segments chosen.
        found += [len(np.unique(best[reached >= overlap])) for overlap in overlaps]
    return tuple(float(2 * tp / n_segments) if n_segments else 1.0 for tp in found)


def edit_of(videos: Sequence[Video], background: Sequence[int] = ()) -> float:
    """:func:`edit` of videos that were read."""
    scores = []
    for video in videos:
        if not video.kept.any():
            continue
        predicted = runs(video.labels, video.kept, background).label
        true = runs(video.target, video.kept, background).label
        longer = max(len(predicted), len(true))
        scores.append(1 - _levenshtein(predicted, true) / longer if longer else 1.0)
    return sum(scores) / len(scores)


def _levenshtein(x: npt.NDArray[np.int64], y: npt.NDArray[np.int64]) -> int:
    x, y = sorted((x, y), key=len)  # the loop runs over the shorter one
    step = np.arange(len(y) + 1)
    row = step
    for i, label in enumerate(x):
        change = np.minimum(row[1:] + 1, row[:-1] + (y != label))  # delete, or keep and replace
        row = np.minimum.accumulate(np.concatenate(([i + 1], change)) - step) + step  # insert
    return int(row[-1])
