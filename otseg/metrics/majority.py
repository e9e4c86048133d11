"""Segment F1 of the unsupervised literature: the frames of a true segment decide whether it was found."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
import torch

from otseg import checks
from otseg.metrics.sequences import LabelSequences, Video, read_classes, read_pairs, runs

#: Whose F1: by majority (ASOT), by fraction (CTE), or as sampled by the code that was released for ASOT.
SegmentProtocol: TypeAlias = Literal["asot", "cte", "published"]

_SAMPLES, _REPEATS = 15, 50  # of the released code


def segment_f1(
    labels: LabelSequences,
    target: LabelSequences,
    *,
    protocol: SegmentProtocol = "asot",
    background: Sequence[int] = (),
    ignore_labels: Sequence[int] = (),
    generator: torch.Generator | None = None,
) -> float:
    r"""Segment F1 of the papers after CTE, where a true segment is found by the frames that are right in it.

    With :math:`r_s` the fraction of right frames of the true segment s, its value is

    .. math::  v_s = [r_s > 1/2] \ \text{(asot)}, \qquad v_s = r_s \ \text{(cte)}

    Recall is the sum of the values over the number of true segments. Precision is the same sum over the
    number of predicted segments, where every true segment credits the predicted segment that holds most of
    its right frames and no predicted segment gets more than 1. Both are in [0, 1] and 1 for a perfect
    prediction. They are exact: the published codes estimate :math:`r_s` from 15 random frames.

    The two protocols measure different quantities: ASOT, VASOT, CLOT report the first, CTE, TOT, UFSA, HVQ
    the second.

    Args:
        labels: Predicted classes, as by :meth:`Matching.apply`. A segment of a negative label is never right,
            except -1 (no prediction), which is no segment.
        target: True classes, one 1-D sequence per video.
        protocol: ``"asot"``, ``"cte"``, or ``"published"``: see the note.
        background: Classes that are not scored as segments; not for ``"published"``, which knows none.
        ignore_labels: True labels whose frames are dropped.
        generator: Draws the frames under ``"published"``; PyTorch's default generator if ``None``.

    Returns:
        A fraction in [0, 1]; under ``"published"`` it may exceed 1.

    Raises:
        ValueError: If the sequences do not fit together, or a background is given for ``"published"``.
        TypeError: If labels are not integers.

    Note:
        ``protocol="published"`` repeats the sampling of the code released with ASOT, to read published tables
        and for nothing else. (a) It is random: 15 frames of every true segment, with replacement, 50 times.
        (b) The released code draws them by a deprecated NumPy function without a seed; here the ``generator``
        decides, so numbers agree in distribution only. (c) The first frame of the next segment is drawn too:
        a perfect prediction of 2-frame segments scores 0.92, of 1-frame segments 0.53. (d) Precision divides
        by the number of videos times the number of distinct true classes: a perfect prediction scores 1.82 if
        2 actions alternate 10 times, 0.667 if every video has half of the actions. (e) Segments are found on
        the concatenated videos, without the ignored frames: equal labels on both sides of a cut are one
        segment.

    Example:
        >>> labels, target = [[0, 0, 0, 1, 1, 1]], [[0, 0, 1, 1, 1, 1]]
        >>> segment_f1(labels, target), segment_f1(labels, target, protocol="cte")
        (1.0, 0.875)

    References:
        :cite:`kukleva2019cte`, :cite:`xu2024asot`
    """
    checks.choice("protocol", protocol, ("asot", "cte", "published"))
    videos = read_pairs(labels, target, ignore_labels)
    classes = read_classes("background", background)
    if protocol != "published":
        return segment_f1_of(videos, protocol, classes)
    checks.require(classes == (), "background", "empty for protocol='published'", list(classes))
    return _published(videos, generator)


def segment_f1_of(videos: Sequence[Video], protocol: Literal["asot", "cte"], background: Sequence[int] = ()) -> float:
    """The exact kinds of :func:`segment_f1`, of videos that were read."""
    n_true = n_predicted = 0
    recalled = credited = 0.0
    for video in videos:
        true = runs(video.target, video.kept, background)
        predicted = runs(video.labels, video.kept, background)
        n_true += len(true.label)
        n_predicted += len(predicted.label)
        if len(true.label) == 0 or len(predicted.label) == 0:
            continue
        right = (video.labels == video.target) & (true.frame >= 0)
        overlap = np.zeros((len(true.label), len(predicted.label)), dtype=np.int64)
        np.add.at(overlap, (true.frame[right], predicted.frame[right]), 1)
        n_right, length = overlap.sum(axis=1), true.stop - true.start
        value = (2 * n_right > length).astype(float) if protocol == "asot" else n_right / length
        credit = np.bincount(overlap.argmax(axis=1), weights=value, minlength=len(predicted.label))
        recalled += float(value.sum())
        credited += float(np.minimum(credit, 1).sum())
    if n_true == 0 or n_predicted == 0:
        return float(n_true == n_predicted)
    precision, recall = credited / n_predicted, recalled / n_true
    return 2 * precision * recall / (precision + recall) if recalled > 0 else 0.0


def _published(videos: Sequence[Video], generator: torch.Generator | None) -> float:
    labels = np.concatenate([v.labels[v.kept] for v in videos])
    target = np.concatenate([v.target[v.kept] for v in videos])
    bounds = np.concatenate(([0], np.flatnonzero(target[1:] != target[:-1]) + 1, [len(target) - 1]))
    low, high = bounds[:-1], bounds[1:]  # both are drawn: (c)
    found = 0
    for _ in range(_REPEATS):
        draw = torch.rand(len(low), _SAMPLES, generator=generator, dtype=torch.float64).numpy()
        frame = low[:, None] + np.floor(draw * (high - low + 1)[:, None]).astype(np.int64)
        right = labels[frame] == target[low][:, None]
        found += int((right.sum(axis=1) > _SAMPLES / 2).sum())
    n_videos = sum(bool(v.kept.any()) for v in videos)
    n_claimed = n_videos * len(np.unique(target))  # (d)
    return 2 * found / _REPEATS / (n_claimed + len(low))  # the harmonic mean of found / n_claimed, found / segments
