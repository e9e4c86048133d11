"""The metrics of :func:`otseg.metrics.evaluate`, accumulated batch by batch and over processes.

Needs torchmetrics, so ``otseg.metrics`` does not import this file; import it by its name.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from otseg import checks
from otseg.metrics.evaluate import Evaluation, Weights, evaluate
from otseg.metrics.matching import Scope, Unmatched
from otseg.metrics.sequences import read_classes

try:
    from torchmetrics import Metric
    from torchmetrics.utilities.distributed import gather_all_tensors
except ModuleNotFoundError:
    checks.missing_extra("torchmetrics", "train")


class SegmentationMetrics(Metric):
    """All segmentation metrics of the videos seen since the last reset.

    The matching is made at the end, from all videos of all processes, so the numbers are those of
    :func:`~otseg.metrics.evaluate` on the whole data set. Labels are kept until then: a few bytes per frame.
    ``compute()`` gives the values as a dictionary of scalars, for ``log_dict``; :meth:`evaluation` all of it.

    A distributed sampler that repeats videos to fill up its last batch has them counted twice, as by any
    metric.

    Args:
        n_actions: Number of clusters, to check the labels.
        scope: As in :func:`~otseg.metrics.evaluate`, like all that follow.
        unmatched: What becomes of clusters without a class.
        ignore_labels: True labels whose frames are dropped.
        background: Classes that are not scored as segments.
        weights: How the numbers of several mappings are averaged.

    Example:
        >>> metric = SegmentationMetrics()
        >>> metric.update(torch.tensor([[0, 0, 1, 1]]), torch.tensor([[1, 1, 0, 0]]))
        >>> labels, target = torch.tensor([[1, 1, 1, -1]]), torch.tensor([[0, 0, 1, -1]])
        >>> metric.update(labels, target, mask=target >= 0)
        >>> round(float(metric.compute()["mof"]), 3), metric.evaluation().protocol.n_videos
        (0.857, 2)
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    labels: list[Tensor] | Tensor
    target: list[Tensor] | Tensor
    lengths: list[Tensor] | Tensor
    names: list[Tensor] | Tensor
    name_lengths: list[Tensor] | Tensor

    def __init__(
        self,
        n_actions: int | None = None,
        *,
        scope: Scope = "global",
        unmatched: Unmatched = "ignore",
        ignore_labels: Sequence[int] = (),
        background: Sequence[int] = (),
        weights: Weights = "frames",
    ) -> None:
        super().__init__(dist_sync_fn=_gather_integers)
        checks.choice("scope", scope, ("global", "activity", "video"))
        checks.choice("unmatched", unmatched, ("ignore", "background", "error"))
        checks.choice("weights", weights, ("frames", "equal"))
        self.n_actions = n_actions
        self.scope = scope
        self.unmatched = unmatched
        self.ignore_labels = read_classes("ignore_labels", ignore_labels)
        self.background = read_classes("background", background)
        self.weights = weights
        # Only tensors can be gathered: the frames of all videos in a row, and the bytes of their activities.
        for state in ("labels", "target", "lengths", "names", "name_lengths"):
            self.add_state(state, default=[], dist_reduce_fx="cat")

    def update(
        self,
        labels: Int[Tensor, "B N"],
        target: Int[Tensor, "B N"],
        mask: Bool[Tensor, "B N"] | None = None,
        activities: Sequence[str] = (),
    ) -> None:
        """Add the videos of a batch.

        Args:
            labels: Cluster ids.
            target: True classes.
            mask: True on real frames; all if ``None``. The labels of other frames are not looked at.
            activities: Activity of every video; none if empty.

        Raises:
            ValueError: If shapes differ, or a video has no real frame.
        """
        for name, value in (("labels", labels), ("target", target)):
            ok = isinstance(value, Tensor) and not value.is_floating_point() and value.dim() == 2
            checks.require(ok, name, "an integer tensor of shape (B, N)", checks.describe(value))
        checks.shape("target", target, tuple(labels.shape), "(B, N)")
        if mask is None:
            mask = torch.ones_like(labels, dtype=torch.bool)
        ok = isinstance(mask, Tensor) and mask.dtype == torch.bool and mask.shape == labels.shape
        checks.require(ok, "mask", f"a boolean tensor of shape {tuple(labels.shape)}", checks.describe(mask))
        lengths = mask.sum(dim=1)
        checks.require(bool((lengths > 0).all()), "mask", "True on a frame of every video", lengths.tolist())
        given = len(activities) in (0, len(labels)) and all(isinstance(name, str) for name in activities)
        checks.require(given, "activities", f"one name per video ({len(labels)})", checks.describe(activities))
        names = [name.encode() for name in activities or [""] * len(labels)]
        for state, value in (
            (self.labels, labels[mask]),
            (self.target, target[mask]),
            (self.lengths, lengths),
            (self.names, torch.tensor(list(b"".join(names)))),
            (self.name_lengths, torch.tensor([len(name) for name in names])),
        ):
            assert isinstance(state, list)
            state.append(value.to(device=self.device, dtype=torch.int64))

    def compute(self) -> dict[str, Tensor]:
        """The values of :func:`~otseg.metrics.evaluate`, as scalars on the metric's device."""
        return {name: torch.tensor(value, device=self.device) for name, value in self._evaluate().values.items()}

    def evaluation(self) -> Evaluation:
        """Values, activities and protocol; like ``compute()``, to be called by every process."""
        with self.sync_context(dist_sync_fn=self.dist_sync_fn, should_sync=not self._is_synced):
            return self._evaluate()

    def _evaluate(self) -> Evaluation:
        lengths, name_lengths = _joined(self.lengths).tolist(), _joined(self.name_lengths).tolist()
        checks.require(len(lengths) > 0, "update", "called before this", "no videos")
        names = [bytes(name.tolist()).decode() for name in torch.split(_joined(self.names), name_lengths)]
        return evaluate(
            torch.split(_joined(self.labels), lengths),
            torch.split(_joined(self.target), lengths),
            self.n_actions,
            activities=names if self.scope == "activity" or any(names) else None,
            scope=self.scope,
            unmatched=self.unmatched,
            ignore_labels=self.ignore_labels,
            background=self.background,
            weights=self.weights,
        )


def _joined(state: list[Tensor] | Tensor) -> Tensor:
    """A state as one tensor on the CPU; a list before processes are synchronized, a tensor after."""
    parts = state if isinstance(state, list) else [state]
    return torch.cat(parts).cpu() if parts else torch.zeros(0, dtype=torch.int64)


def _gather_integers(value: Tensor, group: object = None) -> list[Tensor]:
    """A process without videos contributes an empty float tensor, which must not be mixed with integers."""
    return gather_all_tensors(value.long(), group)
