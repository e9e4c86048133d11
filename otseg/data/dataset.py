"""A set of sequences, in memory or read from disk one at a time."""

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Sequence as Seq
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import Dataset

from otseg import checks
from otseg.data.label_map import LabelMap
from otseg.data.sequence import Sequence, standardize


@runtime_checkable
class Source(Protocol):
    """Where a sequence comes from: a :class:`Sequence` in memory, or a file that is read when asked."""

    @property
    def name(self) -> str:
        """Name of the sequence."""
        ...

    @property
    def activity(self) -> str:
        """Activity of the sequence."""
        ...

    @property
    def labels(self) -> Int[Tensor, " N"] | None:
        """True class of every frame; labels are small and always in memory."""
        ...

    def read(self) -> Sequence:
        """Read the features."""
        ...


@dataclass(frozen=True)
class LengthMismatch:
    """Features and labels of a sequence that differ in length on disk.

    Attributes:
        name: Name of the sequence.
        n_frames: Number of frames of its features.
        n_labels: Number of its labels.
        policy: What was done: ``"truncate"`` (both to the shorter) or ``"resample"`` (labels to the frames).
    """

    name: str
    n_frames: int
    n_labels: int
    policy: str


@dataclass(frozen=True, eq=False)
class SequenceDataset(Dataset[Sequence]):
    """A frozen list of sequences with the names of their classes.

    Hours of video need not fit in memory: a source that is a file is read each time it is indexed;
    :meth:`load` reads all of them once. Methods return new data sets.

    Attributes:
        sources: The sequences, in memory or on disk; their names are unique.
        class_names: Name of every class of the ground truth; empty without labels.
        actions: Number of actions of each activity, where it is known beforehand.
        label_map: Coarser classes to evaluate with; ``None`` evaluates with the classes themselves.
        mismatches: Sequences whose features and labels differ in length on disk, and what was done.
        transforms: Functions applied to every sequence as it is read, in order.

    Example:
        >>> import torch
        >>> data = SequenceDataset([Sequence(torch.rand(n, 4), name=f"video {n}") for n in (9, 7)])
        >>> len(data), data.n_features, [sequence.n_frames for sequence in data.standardize()]
        (2, 4, [9, 7])
    """

    sources: Seq[Source]
    class_names: Seq[str] = ()
    actions: Mapping[str, int] = field(default_factory=dict)
    label_map: LabelMap | None = None
    mismatches: Seq[LengthMismatch] = ()
    transforms: Seq[Callable[[Sequence], Sequence]] = ()

    def __post_init__(self) -> None:
        checks.require(len(self.sources) > 0, "sources", "at least one sequence", "none")
        names: set[str] = set()
        for name in self.names:
            fix = "Names identify sequences in results and in files."
            checks.require(name not in names, "sources", "sequences with unique names", f"{name!r} twice", fix)
            names.add(name)
        if self.label_map is not None:
            n, found = len(self.class_names), len(self.label_map.index)
            checks.require(n == found, "label_map", f"a map of the {n} classes", f"a map of {found}")

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: int) -> Sequence:
        sequence = self.sources[index].read()
        for transform in self.transforms:
            sequence = transform(sequence)
        return sequence

    def __iter__(self) -> Iterator[Sequence]:
        return (self[i] for i in range(len(self)))

    @property
    def names(self) -> tuple[str, ...]:
        """Name of every sequence."""
        return tuple(source.name for source in self.sources)

    @property
    def activities(self) -> tuple[str, ...]:
        """The activities that occur, sorted."""
        return tuple(sorted({source.activity for source in self.sources}))

    @cached_property
    def n_features(self) -> int:
        """Number of features ``D`` of a frame."""
        return self[0].features.shape[1]

    @property
    def evaluation_names(self) -> Seq[str]:
        """Names of the classes of :meth:`evaluation_labels`."""
        return self.class_names if self.label_map is None else self.label_map.names

    @cached_property
    def n_actions(self) -> int:
        """Number of actions ``K`` to look for.

        As is usual in this field, the number of classes that occur in the ground truth, after the label map
        and without background, unless it was declared for the only activity.
        """
        if len(self.activities) == 1 and self.activities[0] in self.actions:
            return self.actions[self.activities[0]]
        found: set[int] = set()
        for source in self.sources:
            if source.labels is not None:
                found.update(torch.unique(self.evaluation_labels(source.labels)).tolist())
        fix = "Declare it with actions={activity: number}, or with --n-actions on the command line."
        checks.require(len(found - {-1}) > 0, "actions", "given where no sequence has labels", "nothing", fix)
        return len(found - {-1})

    def evaluation_labels(self, labels: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
        """The ground truth to compare predictions with: ``labels`` after the label map, if there is one."""
        return labels if self.label_map is None else self.label_map.apply(labels)

    def select(self, indices: Seq[int]) -> "SequenceDataset":
        """The data set of the given sequences, in the given order."""
        sources = [self.sources[i] for i in indices]
        names = {source.name for source in sources}
        mismatches = [mismatch for mismatch in self.mismatches if mismatch.name in names]
        return replace(self, sources=sources, mismatches=mismatches)

    def subset(self, activity: str) -> "SequenceDataset":
        """The sequences of one activity."""
        checks.choice("activity", activity, self.activities)
        return self.select([i for i, source in enumerate(self.sources) if source.activity == activity])

    def map(self, transform: Callable[[Sequence], Sequence]) -> "SequenceDataset":
        """The same data set with a function applied to every sequence as it is read."""
        return replace(self, transforms=[*self.transforms, transform])

    def standardize(self, *, scale: float = 1.0) -> "SequenceDataset":
        """The same data set, each sequence standardized on its own: :func:`otseg.data.standardize`."""
        return self.map(partial(standardize, scale=scale))

    def load(self) -> "SequenceDataset":
        """The same data set with every sequence, after the transforms, in memory."""
        return replace(self, sources=list(self), transforms=())
