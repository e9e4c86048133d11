"""Metrics of single frames: mean over frames (MoF) and mean intersection over union (mIoU)."""

from collections.abc import Sequence

import numpy as np

from otseg.metrics.sequences import LabelSequences, Video, read_pairs


def mof(labels: LabelSequences, target: LabelSequences, *, ignore_labels: Sequence[int] = ()) -> float:
    """Mean over frames: the fraction of frames, of all videos together, whose label is right.

    Args:
        labels: Predicted classes, as by :meth:`Matching.apply`; a negative number is no class and never
            right.
        target: True classes, one 1-D sequence per video.
        ignore_labels: True labels whose frames are dropped.

    Returns:
        A fraction in [0, 1].

    Raises:
        ValueError: If the sequences do not fit together.
        TypeError: If labels are not integers.

    Example:
        >>> mof([[0, 0, 1, 1]], [[0, 1, 1, 1]])
        0.75
    """
    return mof_of(read_pairs(labels, target, ignore_labels))


def miou(labels: LabelSequences, target: LabelSequences, *, ignore_labels: Sequence[int] = ()) -> float:
    r"""Mean over the true classes of the intersection over union of their frames.

    .. math::  \frac{1}{|\mathcal{K}|} \sum_{k \in \mathcal{K}}
               \frac{|\{n : \hat y_n = k\} \cap \{n : y_n = k\}|}{|\{n : \hat y_n = k\} \cup \{n : y_n = k\}|}

    over the set :math:`\mathcal{K}` of the classes that occur in ``target``, and all videos together.
    Predicted labels that occur in no target count only through the frames that they miss.

    Args:
        labels: Predicted classes, as by :meth:`Matching.apply`; a negative number is no class and never
            right.
        target: True classes, one 1-D sequence per video.
        ignore_labels: True labels whose frames are dropped.

    Returns:
        A fraction in [0, 1].

    Raises:
        ValueError: If the sequences do not fit together.
        TypeError: If labels are not integers.

    Example:
        >>> miou([[0, 0, 1, 1]], [[0, 1, 1, 1]])  # 1/2 and 2/3
        0.5833333333333333
    """
    return miou_of(read_pairs(labels, target, ignore_labels))


def mof_of(videos: Sequence[Video]) -> float:
    """:func:`mof` of videos that were read."""
    right = sum(int((v.labels == v.target)[v.kept].sum()) for v in videos)
    return right / sum(int(v.kept.sum()) for v in videos)


def miou_of(videos: Sequence[Video]) -> float:
    """:func:`miou` of videos that were read."""
    labels = np.concatenate([v.labels[v.kept] for v in videos])
    target = np.concatenate([v.target[v.kept] for v in videos])
    ratios = []
    for k in np.unique(target):
        union = int(((labels == k) | (target == k)).sum())
        ratios.append(int(((labels == k) & (target == k)).sum()) / union)
    return sum(ratios) / len(ratios)
