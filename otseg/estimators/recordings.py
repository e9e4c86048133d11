"""What users have at hand, read as recordings; and results given back in the same form."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from otseg import checks, data
from otseg.data.files import FEATURE_SUFFIXES, features_shape
from otseg.estimators.columns import column_names, common_names
from otseg.estimators.frames import Frames, plain_array, read_frames

#: Recordings: a list of ``(N_i, D)`` arrays, one ``(N, D)`` array, or a folder of files.
Recorded: TypeAlias = Any
#: One array for each recording, in the form of the input: a list, one long array, or by name of the file.
Arrays: TypeAlias = list[npt.NDArray[Any]] | npt.NDArray[Any] | dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Recordings:
    """Recordings, and the form in which they were given.

    Attributes:
        dataset: The recordings; those on disk stay there until they are read.
        n_frames: Length of each.
        n_features: Number of features, the same for all.
        form: ``"list"``, ``"long"`` (one array) or ``"folder"``.
        columns: Names of the features, if all recordings are data frames that have some.
    """

    dataset: data.SequenceDataset
    n_frames: tuple[int, ...]
    n_features: int
    form: Literal["list", "long", "folder"]
    columns: tuple[str, ...] | None = None

    @property
    def in_memory(self) -> bool:
        """Whether no recording is in a file or a memory map."""
        return all(isinstance(s, Frames) and not isinstance(s.array, np.memmap) for s in self.dataset.sources)

    @property
    def item_bytes(self) -> float:
        """What a recording weighs on its way to another process, on average."""
        arrays = [source.array.nbytes for source in self.dataset.sources if isinstance(source, Frames)]
        return sum(arrays) / len(self.dataset)

    def restore(self, values: Sequence[npt.NDArray[Any]]) -> Arrays:
        """One array for each recording in the form of the input."""
        if self.form == "long":
            return np.concatenate(values)
        return list(values) if self.form == "list" else dict(zip(self.dataset.names, values, strict=True))


def read_recordings(X: Recorded, lengths: Iterable[int] | None = None) -> Recordings:
    """Read recordings in any of the forms of :class:`~otseg.estimators.OTSegmenter`, and check them.

    Args:
        X: The recordings.
        lengths: Length of each recording in one long array; ``None`` is a single recording.

    Raises:
        ValueError: If there is no recording, or one is empty, not finite, or differs in its number of features or in
            their names; or if ``lengths`` do not add up, or are given without a long array.
        TypeError: If the values are not real numbers.
    """
    if isinstance(X, (str, PathLike)):
        _refuse_lengths(lengths, "a folder")
        return _read_folder(Path(X).absolute())
    if _is_list(X):
        _refuse_lengths(lengths, "a list of recordings")
        arrays = [read_frames(f"X[{i}]", x) for i, x in enumerate(X)]
        return _given(arrays, "list", "X[{}]", names_of(X))
    checks.require(not isinstance(X, (list, tuple)) or len(X) > 0, "X", "at least one recording", "none")
    rows = X if hasattr(X, "iloc") else plain_array(X)  # a data frame keeps its index
    arrays = [read_frames("X", rows)] if lengths is None else _split(rows, split_lengths(lengths, _length(rows)))
    return _given(arrays, "long", "X", names_of(X))


def names_of(X: Recorded) -> tuple[str, ...] | None:
    """Names of the features, if all recordings are data frames that have some."""
    return common_names(X) if _is_list(X) else column_names("X", X)


def split_lengths(lengths: Iterable[int], n: int) -> list[int]:
    """The lengths of recordings that make up ``n`` frames, checked."""
    values: list[int] = [integer(length) for length in lengths]
    for i, length in enumerate(values):
        checks.number(f"lengths[{i}]", length, 1, integer=True)
    checks.require(sum(values) == n, "lengths", f"numbers with the sum {n}, the frames of `X`", sum(values))
    return values


def integer(value: Any) -> Any:
    """NumPy's integers as Python's; anything else as it is."""
    return value.item() if isinstance(value, np.integer) else value


def _is_list(X: Recorded) -> bool:
    """Whether this is a list of recordings, and not one of frames."""
    return isinstance(X, (list, tuple)) and len(X) > 0 and np.ndim(X[0]) != 1


def _refuse_lengths(lengths: Iterable[int] | None, form: str) -> None:
    fix = "Its recordings have their own lengths."
    checks.require(lengths is None, "lengths", f"None where `X` is {form}", "lengths", fix)


def _length(rows: Any) -> int:
    return int(rows.shape[0]) if rows.ndim else 0


def _split(rows: Any, lengths: list[int]) -> list[npt.NDArray[Any]]:
    """The recordings in a long array; the times of a data frame may start again in each."""
    parts = [slice(stop - length, stop) for stop, length in zip(np.cumsum(lengths), lengths, strict=True)]
    rows = getattr(rows, "iloc", rows)
    return [read_frames(f"X[{part.start}:{part.stop}]", rows[part]) for part in parts]


def _given(
    arrays: list[npt.NDArray[Any]], form: Literal["list", "long"], name: str, columns: tuple[str, ...] | None
) -> Recordings:
    d = arrays[0].shape[1]
    for i, array in enumerate(arrays):
        requirement = f"of {d} features, as the first recording"
        checks.require(array.shape[1] == d, name.format(i), requirement, array.shape[1])
    dataset = data.SequenceDataset([Frames(array, str(i)) for i, array in enumerate(arrays)])
    return Recordings(dataset, tuple(len(array) for array in arrays), d, form, columns)


def _read_folder(folder: Path) -> Recordings:
    """The files of features in a folder and its sub-folders, by their path in it without the ending."""
    if folder.is_file():
        fix = "Read a single file with numpy.load or pandas.read_csv, or give its folder."
        checks.fail_file(folder, "is no folder", fix, NotADirectoryError)
    if not folder.is_dir():
        checks.fail_file(folder, "there is no such folder", error=FileNotFoundError)
    if (folder / "groundTruth").is_dir():
        fix = "Give its sub-folder of features, or use otseg.data.load_folder."
        checks.fail_file(folder, "holds labels too: files of them are no recordings", fix)
    paths = sorted(path for path in folder.rglob("[!.]*") if path.suffix in FEATURE_SUFFIXES and path.is_file())
    if not paths:
        fix = "Save each recording as an (N, D) array with numpy.save."
        checks.fail_file(folder, f"no file of features in the folder ({' or '.join(FEATURE_SUFFIXES)})", fix)
    names: dict[str, Path] = {}
    for path in paths:
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in names:
            checks.fail_file(path, f"has the name of another recording, {names[name].name}", "Keep one of the two.")
        names[name] = path
    shapes = [features_shape(path) for path in paths]
    d = shapes[0][1]
    for path, (_, found) in zip(paths, shapes, strict=True):
        if found != d:
            checks.fail_file(path, f"{found} features, and {d} in {paths[0].relative_to(folder)}")
    files_of = zip(names.items(), shapes, strict=True)
    sources = [data.SequenceFile(path, name, "", None, n) for (name, path), (n, _) in files_of]
    return Recordings(data.SequenceDataset(sources), tuple(n for n, _ in shapes), d, "folder")
