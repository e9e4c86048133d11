"""Loads a folder in the layout of the benchmarks: one file of features and one of labels per sequence."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TypeAlias

from jaxtyping import Int
from torch import Tensor

from otseg import checks
from otseg.data.dataset import LengthMismatch, SequenceDataset
from otseg.data.files import features_shape, read_features, read_groups, read_labels, read_mapping
from otseg.data.folder import LengthPolicy, find_sequences, fit_labels, ground_truth_file, is_transposed
from otseg.data.label_map import LabelMap
from otseg.data.sequence import Sequence

#: Path of a folder or a file.
AnyPath: TypeAlias = str | PathLike[str]
#: Coarse class of every fine class, or a file that says so, see :func:`otseg.data.files.read_groups`.
Groups: TypeAlias = Mapping[str, str | None] | AnyPath
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class SequenceFile:
    """A sequence whose features stay on disk until they are read.

    Attributes:
        path: File of the features.
        name: Name of the sequence: the name of the file without its ending.
        activity: Activity of the sequence.
        labels: Label of every frame; ``None`` without ground truth.
        n_frames: Number of frames to read, from the first.
        transposed: Whether the file holds (D, N).
    """

    path: Path
    name: str
    activity: str
    labels: Int[Tensor, " N"] | None
    n_frames: int
    transposed: bool = False

    def read(self) -> Sequence:
        """Read the features."""
        features = read_features(self.path, transposed=self.transposed)[: self.n_frames]
        return Sequence(features, self.labels, self.name, self.activity)


def load_folder(
    root: AnyPath,
    *,
    activity: str | None = None,
    labels: bool = True,
    features: str = "features",
    ground_truth: str = "groundTruth",
    mapping: str = "mapping/mapping.txt",
    label_map: Groups | None = None,
    n_features: int | None = None,
    actions: Mapping[str, int] | None = None,
    activity_pattern: str | None = None,
    length_policy: LengthPolicy = "error",
    tolerance: int = 30,
) -> SequenceDataset:
    """Open a folder of features, ground truth and a mapping, the layout of the benchmarks.

    The folder holds ``features/[<activity>/]<name>.npy`` (or ``.txt``), ``groundTruth/<name>`` (or ``.txt``)
    and ``mapping/mapping.txt``. Labels are read now, features when a sequence is indexed
    (:meth:`SequenceDataset.load` reads all of them).
    :func:`otseg.data.check_folder` takes the same arguments and lists every problem instead of the first.

    Args:
        root: The folder.
        activity: Only the sequences of this activity; ``None`` takes all.
        labels: Whether there is ground truth; without it the mapping is not read either.
        features: Folder of the features in ``root``; its sub-folders, if any, are the activities.
        ground_truth: Folder of the labels in ``root``: one class name per line and frame.
        mapping: File in ``root`` with a line ``<id> <name>`` per class; an id below 0 is background (-1).
        label_map: Coarser classes for evaluation: a dictionary from fine to coarse names, or a file in
            ``root``.
        n_features: Number of features ``D``. A file of shape (D, N) is transposed only if this is given.
        actions: Number of actions of each activity, where it is known beforehand.
        activity_pattern: Regular expression with a group ``activity`` that is searched in the names of
            sequences without a sub-folder.
        length_policy: Where features and labels differ in length: ``"error"``; ``"truncate"`` both to the
            shorter; ``"resample"`` the labels to the frames by the nearest in time. What was done is logged
            and kept in :attr:`SequenceDataset.mismatches`.
        tolerance: Largest difference, in frames, that ``"truncate"`` accepts; the default is two seconds at
            15 frames per second.

    Returns:
        Data set, sorted by activity and name.

    Raises:
        FileNotFoundError: If a folder or a file is missing.
        ValueError: If a file is malformed, or its length or number of features does not fit.
    """
    checks.choice("length_policy", length_policy, ("error", "truncate", "resample"))
    checks.number("tolerance", tolerance, low=0, integer=True)
    root = Path(root)
    found = find_sequences(root / features, activity, activity_pattern)
    classes = read_mapping(root / mapping) if labels else {}
    sources, mismatches, reference = [], [], None
    for path, name, of_activity in found:
        target = None
        if labels:
            target = read_labels(ground_truth_file(root / ground_truth, name, of_activity), classes)
        shape = features_shape(path)
        n_labels = None if target is None else len(target)
        transposed = is_transposed(path, shape, n_features, reference, n_labels)
        reference = reference or (path, shape[1])
        n_frames = shape[int(transposed)]
        if target is not None and len(target) != n_frames:
            mismatches.append(LengthMismatch(name, n_frames, len(target), length_policy))
            target = fit_labels(path, target, n_frames, length_policy, tolerance)
            n_frames = len(target)
        sources.append(SequenceFile(path, name, of_activity, target, n_frames, transposed))
    if mismatches:
        text = "%s: features and labels differ in length in %d of %d sequences (%s); policy %r; see .mismatches"
        example = "{0.name}: {0.n_frames} frames, {0.n_labels} labels".format(mismatches[0])
        _log.warning(text, root, len(mismatches), len(sources), example, length_policy)
    names = tuple(name for name, label in classes.items() if label >= 0)
    return SequenceDataset(
        sources=sources,
        class_names=names,
        actions=dict(actions or {}),
        label_map=read_label_map(root, label_map, names) if labels and label_map is not None else None,
        mismatches=mismatches,
    )


def read_label_map(root: Path, groups: Groups, class_names: tuple[str, ...]) -> LabelMap:
    """The label map of :func:`load_folder`, from a dictionary or a file in the folder."""
    if isinstance(groups, Mapping):
        return LabelMap.make(class_names, groups)
    path = root / groups
    found = read_groups(path)
    try:
        return LabelMap.make(class_names, found)
    except ValueError as error:
        checks.fail_file(path, str(error).rstrip("."))
