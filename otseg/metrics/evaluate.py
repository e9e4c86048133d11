"""All metrics of one prediction, after one matching."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from otseg import checks
from otseg.metrics.frames import miou_of, mof_of
from otseg.metrics.majority import segment_f1_of
from otseg.metrics.matching import Scope, Unmatched, match
from otseg.metrics.segments import edit_of, f1_of
from otseg.metrics.sequences import LabelSequences, Video, read_pairs, read_sequences

#: How the numbers of several mappings are averaged: by their frames, or all alike.
Weights: TypeAlias = Literal["frames", "equal"]

#: The values of an :class:`Evaluation`, with their names in a table.
TITLES = {
    "mof": "MoF",
    "miou": "mIoU",
    "f1_10": "F1@10",
    "f1_25": "F1@25",
    "f1_50": "F1@50",
    "edit": "Edit",
    "f1_asot": "F1 (ASOT)",
    "f1_cte": "F1 (CTE)",
}


@dataclass(frozen=True)
class EvaluationProtocol:
    """Everything that numbers must share to be compared.

    Attributes:
        scope: Which videos share a mapping, and are scored together.
        unmatched: What becomes of clusters without a class.
        ignore_labels: True labels whose frames were dropped.
        background: True classes that are not scored as segments.
        weights: How the numbers of several mappings were averaged.
        n_videos: Number of videos with a frame that was scored.
        n_frames: Number of frames that were scored.
        n_ignored: Number of frames that were dropped.
        n_classes: Number of true classes that occur.
        n_clusters: Number of clusters: ``n_actions`` if given, else the largest id plus one.
        n_mappings: Number of mappings: 1, or how many activities or videos.
        n_leftovers: Number of clusters without a class, summed over the mappings.
    """

    scope: Scope
    unmatched: Unmatched
    ignore_labels: tuple[int, ...]
    background: tuple[int, ...]
    weights: Weights
    n_videos: int
    n_frames: int
    n_ignored: int
    n_classes: int
    n_clusters: int
    n_mappings: int
    n_leftovers: int

    def __str__(self) -> str:
        return ", ".join(
            f"{name}={list(value) if isinstance(value, tuple) else value}" for name, value in asdict(self).items()
        )


@dataclass(frozen=True)
class Evaluation:
    """All metrics of one prediction, as fractions in [0, 1].

    Attributes:
        mof: Mean over frames, :func:`~otseg.metrics.mof`.
        miou: Mean intersection over union, :func:`~otseg.metrics.miou`.
        f1_10: Segmental F1 at overlap 0.10, :func:`~otseg.metrics.f1`.
        f1_25: The same at 0.25.
        f1_50: The same at 0.50.
        edit: Segmental edit score, :func:`~otseg.metrics.edit`.
        f1_asot: Segment F1 by majority, :func:`~otseg.metrics.segment_f1`.
        f1_cte: Segment F1 by fraction of frames.
        per_activity: The same values, ``n_videos`` and ``n_frames`` of every activity; empty without
            activities.
        protocol: The rules behind the numbers.
    """

    mof: float
    miou: float
    f1_10: float
    f1_25: float
    f1_50: float
    edit: float
    f1_asot: float
    f1_cte: float
    per_activity: Mapping[str, Mapping[str, float]]
    protocol: EvaluationProtocol

    @property
    def values(self) -> dict[str, float]:
        """The numbers by name, without activities and protocol."""
        return {name: getattr(self, name) for name in TITLES}

    def as_dict(self) -> dict[str, Any]:
        """Everything as dictionaries, lists, strings and numbers, ready for JSON."""
        lists = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self.protocol).items()}
        activities = {name: dict(row) for name, row in self.per_activity.items()}
        return {**self.values, "per_activity": activities, "protocol": lists}

    def table(self) -> str:
        """A Markdown table in percent, one row per activity and one for all, with the protocol under it."""
        whole = {**self.values, "n_videos": self.protocol.n_videos, "n_frames": self.protocol.n_frames}
        rows = [["activity", "videos", "frames", *TITLES.values()]]
        for name, row in [*self.per_activity.items(), ("all", whole)]:
            counts = [str(row["n_videos"]), str(row["n_frames"])]
            rows.append([name, *counts, *(f"{100 * row[metric]:.1f}" for metric in TITLES)])
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = [
            "| " + " | ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) + " |" for row in rows
        ]
        lines.insert(1, "|" + "|".join(["-" * (widths[0] + 2)] + ["-" * (w + 1) + ":" for w in widths[1:]]) + "|")
        return "\n".join([*lines, "", f"In percent. Protocol: {self.protocol}"])


def evaluate(
    labels: LabelSequences,
    target: LabelSequences,
    n_actions: int | None = None,
    *,
    activities: Sequence[str] | None = None,
    scope: Scope = "global",
    unmatched: Unmatched = "ignore",
    ignore_labels: Sequence[int] = (),
    background: Sequence[int] = (),
    weights: Weights = "frames",
) -> Evaluation:
    """Match clusters to classes once, then compute every metric with that matching.

    Videos that share a mapping are scored together: all in global scope, those of an activity, or every video
    alone. The numbers of several mappings are averaged with ``weights``. With ``activities``, the same is
    done for the videos of each of them. Videos without a frame that is scored do not count.

    Args:
        labels: Cluster ids in ``0 .. K - 1``, one 1-D sequence per video; -1 is a frame without a prediction,
            which is wrong and no segment.
        target: True classes, likewise; at least 0 where they are not ignored.
        n_actions: Number of clusters K, to check ``labels``.
        activities: Activity of every video.
        scope: Which videos share one mapping, see :func:`~otseg.metrics.match`.
        unmatched: What becomes of clusters without a class, see :func:`~otseg.metrics.match`. Under
            ``"ignore"`` their segments are wrong predictions.
        ignore_labels: True labels whose frames are dropped before anything else. They cut segments.
        background: Classes that are not scored as segments, but are matched and count as frames.
        weights: ``"frames"``: mappings weigh by their frames, as in the literature; ``"equal"``: all alike.

    Returns:
        The numbers, per activity too, with the protocol that they depend on.

    Raises:
        ValueError: If the sequences do not fit together, or a cluster is left over and ``unmatched="error"``.
        TypeError: If labels are not integers.

    Example:
        >>> result = evaluate([[0, 0, 1, 1], [1, 1, 1, 0]], [[1, 1, 1, 0], [0, 0, 0, 1]])
        >>> result.mof, result.edit
        (0.875, 1.0)
        >>> print(result.table())  # doctest: +ELLIPSIS
        | activity | videos | frames |  MoF | mIoU | F1@10 | F1@25 | F1@50 |  Edit | F1 (ASOT) | F1 (CTE) |
        |----------|-------:|-------:|-----:|-----:|------:|------:|------:|------:|----------:|---------:|
        | all      |      2 |      8 | 87.5 | 77.5 | 100.0 | 100.0 | 100.0 | 100.0 |     100.0 |     91.7 |
        <BLANKLINE>
        In percent. Protocol: scope=global, unmatched=ignore, ignore_labels=[], background=[], ...
    """
    checks.choice("weights", weights, ("frames", "equal"))
    matching = match(
        labels,
        target,
        n_actions,
        scope=scope,
        activities=activities,
        unmatched=unmatched,
        ignore_labels=ignore_labels,
        background=background,
    )
    pairs = read_pairs(matching.apply(labels), target, matching.ignore_labels)
    parts: dict[tuple[object, str], list[Video]] = {}  # by mapping and activity
    names = activities if activities is not None else [""] * len(pairs)
    for key, name, video in zip(matching.keys, names, pairs, strict=True):
        if video.kept.any():
            parts.setdefault((key, name), []).append(video)
    videos = [video for part in parts.values() for video in part]
    scores = {part: _Score.of(parts[part], matching.background) for part in parts}
    per_activity = {}
    for activity in dict.fromkeys(name for _, name in parts) if activities is not None else ():
        own = [score for (_, name), score in scores.items() if name == activity]
        counts = {"n_videos": sum(s.n_videos for s in own), "n_frames": sum(s.n_frames for s in own)}
        per_activity[activity] = {**_average(own, weights), **counts}
    pooled = scope == "global" and len(parts) > 1  # the activities share one mapping
    whole = [_Score.of(videos, matching.background)] if pooled else list(scores.values())
    n_clusters = n_actions or 1 + max(int(x.max()) for x in read_sequences("labels", labels))
    n_frames = sum(int(v.kept.sum()) for v in videos)
    protocol = EvaluationProtocol(
        scope=scope,
        unmatched=unmatched,
        ignore_labels=matching.ignore_labels,
        background=matching.background,
        weights=weights,
        n_videos=len(videos),
        n_frames=n_frames,
        n_ignored=sum(len(v.kept) for v in pairs) - n_frames,
        n_classes=len(set().union(*(v.target[v.kept].tolist() for v in videos))),
        n_clusters=n_clusters,
        n_mappings=len(matching.mappings),
        n_leftovers=sum(map(len, matching.leftovers.values())),
    )
    return Evaluation(**_average(whole, weights), per_activity=per_activity, protocol=protocol)


class _Score(NamedTuple):
    """The metrics of videos that are scored together."""

    values: dict[str, float]
    n_videos: int
    n_frames: int

    @classmethod
    def of(cls, videos: Sequence[Video], background: Sequence[int]) -> "_Score":
        f1_10, f1_25, f1_50 = f1_of(videos, (0.10, 0.25, 0.50), background)
        values = {
            "mof": mof_of(videos),
            "miou": miou_of(videos),
            "f1_10": f1_10,
            "f1_25": f1_25,
            "f1_50": f1_50,
            "edit": edit_of(videos, background),
            "f1_asot": segment_f1_of(videos, "asot", background),
            "f1_cte": segment_f1_of(videos, "cte", background),
        }
        return cls(values, len(videos), sum(int(v.kept.sum()) for v in videos))


def _average(scores: Sequence[_Score], weights: Weights) -> dict[str, float]:
    """The weighted mean of every metric."""
    shares = [score.n_frames if weights == "frames" else 1 for score in scores]
    total = sum(shares)
    return {name: sum(w * s.values[name] for w, s in zip(shares, scores, strict=True)) / total for name in TITLES}
