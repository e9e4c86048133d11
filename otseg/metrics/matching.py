"""Hungarian matching of predicted clusters with true classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from otseg import checks
from otseg.metrics.sequences import (
    NO_PREDICTION,
    LabelSequences,
    Video,
    check_clusters,
    read_classes,
    read_pairs,
    read_sequences,
)

#: Which videos share one mapping: all, those of an activity, or each has its own.
Scope: TypeAlias = Literal["global", "activity", "video"]
#: What becomes of clusters without a class.
Unmatched: TypeAlias = Literal["ignore", "background", "error"]
#: Names a mapping: ``""`` (global), an activity, or the index of a video.
Key: TypeAlias = str | int


@dataclass(frozen=True)
class Matching:
    """A mapping of clusters to classes, with the rules it was made by.

    Attributes:
        mappings: For every key (``""`` in global scope, the activity, or the index of the video) the class of
            every matched cluster.
        leftovers: For every key the clusters that have frames and no class.
        keys: Key of every video that was matched.
        scope: Which videos share a mapping.
        unmatched: What becomes of clusters without a class.
        ignore_labels: True labels whose frames were dropped.
        background: True classes that are not scored as segments.
    """

    mappings: Mapping[Key, Mapping[int, int]]
    leftovers: Mapping[Key, tuple[int, ...]]
    keys: tuple[Key, ...]
    scope: Scope
    unmatched: Unmatched
    ignore_labels: tuple[int, ...]
    background: tuple[int, ...]

    @property
    def protocol(self) -> str:
        """The rules in one line, to be printed beside every number."""
        return (
            f"scope={self.scope}, unmatched={self.unmatched}, "
            f"ignore_labels={list(self.ignore_labels)}, background={list(self.background)}"
        )

    def apply(self, labels: LabelSequences, activities: Sequence[str] | None = None) -> list[npt.NDArray[np.int64]]:
        """Replace clusters by their classes.

        A cluster ``k`` without a class becomes ``-2 - k`` under ``unmatched="ignore"``: a number that equals
        no class and keeps neighboring leftovers apart as segments. -1 (no prediction) stays -1.

        Args:
            labels: Cluster ids, one sequence per video: the matched videos or, except in video scope, others.
            activities: Activity of every video, in activity scope; those of the matched videos if ``None``.

        Returns:
            One int64 array of classes per video.

        Raises:
            ValueError: If a video has no mapping, or a cluster has no class and ``unmatched="error"``.
        """
        sequences = read_sequences("labels", labels)
        if self.scope == "global":
            keys: Sequence[Key] = [""] * len(sequences)
        elif self.scope == "activity" and activities is not None:
            keys = group_keys("activity", activities, len(sequences))
        else:
            keys = self.keys
            got, fix = (
                f"{len(sequences)} sequences",
                "Match the new videos, or use a scope that holds for them.",
            )
            checks.require(len(sequences) == len(keys), "labels", f"the {len(keys)} matched videos", got, fix)
        for i, (key, sequence) in enumerate(zip(keys, sequences, strict=True)):
            known = ", ".join(repr(k) for k in self.mappings)
            checks.require(key in self.mappings, f"activities[{i}]", f"one that was matched: {known}", repr(key))
            check_clusters(f"labels[{i}]", sequence)
        return [self._replace(key, sequence) for key, sequence in zip(keys, sequences, strict=True)]

    def _replace(self, key: Key, sequence: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        mapping = self.mappings[key]
        leftover = np.where(sequence == NO_PREDICTION, False, ~np.isin(sequence, list(mapping)))
        if self.unmatched == "error":
            _refuse_leftovers(key, np.unique(sequence[leftover]).tolist())
        code = self.background[0] if self.unmatched == "background" else -2 - sequence
        out: npt.NDArray[np.int64] = np.where(leftover, code, NO_PREDICTION)
        for cluster, class_ in mapping.items():
            out[sequence == cluster] = class_
        return out


def match(
    labels: LabelSequences,
    target: LabelSequences,
    n_actions: int | None = None,
    *,
    scope: Scope = "global",
    activities: Sequence[str] | None = None,
    unmatched: Unmatched = "ignore",
    ignore_labels: Sequence[int] = (),
    background: Sequence[int] = (),
) -> Matching:
    """One-to-one mapping of clusters to classes that gets most frames right (Hungarian algorithm).

    The numbers of clusters and of classes may differ. A cluster is left over when every class that it
    overlaps goes to another cluster: a pair without a common frame is no match. Equal overlaps are resolved
    by SciPy from the table of overlaps alone, so the order of the videos does not matter and the same table
    gives the same matching.

    Args:
        labels: Cluster ids in ``0 .. K - 1``, one 1-D sequence per video; -1 is a frame without a prediction.
        target: True classes, likewise; at least 0 where they are not ignored.
        n_actions: Number of clusters K, to check ``labels``; not checked if ``None``.
        scope: Which videos share one mapping: ``"global"`` all, ``"activity"`` those of one activity,
            ``"video"`` none.
        activities: Activity of every video; required in activity scope.
        unmatched: What becomes of the frames of clusters without a class. ``"ignore"``: they are wrong, as
            they equal no class; ``"background"``: they get the first class of ``background``; ``"error"``:
            they are refused.
        ignore_labels: True labels whose frames are dropped before anything else, such as an unlabeled
            background.
        background: Classes that are not scored as segments. Here they are classes like the others.

    Returns:
        The mapping; :meth:`Matching.apply` turns clusters into classes.

    Raises:
        ValueError: If the sequences do not fit together, or a cluster is left over and ``unmatched="error"``.
        TypeError: If labels are not integers.

    Example:
        >>> matching = match([[2, 2, 0, 0, 1]], [[5, 5, 5, 7, 7]])
        >>> matching.mappings[""]
        {0: 7, 2: 5}
        >>> matching.apply([[2, 2, 0, 0, 1]])[0].tolist()
        [5, 5, 7, 7, -3]
        >>> matching.protocol
        'scope=global, unmatched=ignore, ignore_labels=[], background=[]'
    """
    videos = read_pairs(labels, target, ignore_labels, clusters=True)
    checks.choice("scope", scope, ("global", "activity", "video"))
    checks.choice("unmatched", unmatched, ("ignore", "background", "error"))
    classes = read_classes("background", background)
    fix = "Name the background class."
    checks.require(unmatched != "background" or classes != (), "background", "given for this `unmatched`", "()", fix)
    if n_actions is not None:
        checks.number("n_actions", n_actions, 1, integer=True)
        highest = max(int(video.labels.max()) for video in videos)
        checks.require(highest < n_actions, "labels", f"below `n_actions` ({n_actions})", highest)
    keys = group_keys(scope, activities, len(videos))
    mappings, leftovers = {}, {}
    for key in dict.fromkeys(keys):
        group = [video for k, video in zip(keys, videos, strict=True) if k == key]
        mappings[key], leftovers[key] = _assign(group)
        if unmatched == "error":
            _refuse_leftovers(key, leftovers[key])
    ignored = read_classes("ignore_labels", ignore_labels)
    return Matching(mappings, leftovers, tuple(keys), scope, unmatched, ignored, classes)


def group_keys(scope: Scope, activities: Sequence[str] | None, n_videos: int) -> list[Key]:
    """The key of the mapping of every video; checks ``activities`` where they are given."""
    if activities is not None:
        named = isinstance(activities, Sequence) and not isinstance(activities, str)
        named = named and all(isinstance(activity, str) for activity in activities)
        checks.require(named, "activities", "a list of strings", checks.describe(activities), error=TypeError)
        length = f"one name per video ({n_videos})"
        checks.require(len(activities) == n_videos, "activities", length, len(activities))
    if scope == "activity":
        fix = "Give the activity of every video."
        checks.require(activities is not None, "activities", "given in activity scope", "None", fix)
        assert activities is not None
        return list(activities)
    return [""] * n_videos if scope == "global" else list(range(n_videos))


def _assign(videos: Sequence[Video]) -> tuple[dict[int, int], tuple[int, ...]]:
    """The best mapping of some videos, and the clusters that it leaves over."""
    predicted = np.concatenate([v.labels[v.kept & (v.labels != NO_PREDICTION)] for v in videos])
    true = np.concatenate([v.target[v.kept & (v.labels != NO_PREDICTION)] for v in videos])
    clusters, row = np.unique(predicted, return_inverse=True)
    classes, column = np.unique(true, return_inverse=True)
    shape = (len(clusters), len(classes))
    overlap = np.bincount(row * len(classes) + column, minlength=shape[0] * shape[1]).reshape(shape)
    from scipy.optimize import linear_sum_assignment  # only here: it takes as long to import as torch

    pairs = zip(*linear_sum_assignment(overlap, maximize=True), strict=True)
    mapping = {int(clusters[r]): int(classes[c]) for r, c in pairs if overlap[r, c] > 0}
    return mapping, tuple(int(k) for k in clusters if int(k) not in mapping)


def _refuse_leftovers(key: Key, clusters: Sequence[int]) -> None:
    where = f" of {key!r}" if key != "" else ""
    fix = "Use as many clusters as classes, or unmatched='ignore'."
    checks.require(
        not clusters, "labels", "such that every cluster has a class", f"{list(clusters)}{where} without", fix
    )
