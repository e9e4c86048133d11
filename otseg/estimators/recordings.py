"""What users have at hand, read as recordings; and results given back in the same form."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from otseg import checks, data
from otseg.data.files import features_shape

#: Recordings: a list of ``(N_i, D)`` arrays, one ``(N, D)`` array, or a folder of ``.npy`` files.
Recorded: TypeAlias = Any
#: One array for each recording, in the form of the input: a list, one long array, or by name of the file.
Arrays: TypeAlias = list[npt.NDArray[Any]] | npt.NDArray[Any] | dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Recordings:
    """Recordings, and the form in which they were given.

    Attributes:
        dataset: The recordings; those of a folder stay on disk until they are read.
        n_frames: Length of each.
        n_features: Number of features, the same for all.
        form: ``"list"``, ``"long"`` (one array) or ``"folder"``.
    """

    dataset: data.SequenceDataset
    n_frames: tuple[int, ...]
    n_features: int
    form: Literal["list", "long", "folder"]

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
        ValueError: If there is no recording, or one is empty, not finite, or differs in its number of features; or if
            ``lengths`` do not add up, or are given without a long array.
        TypeError: If the values are not real numbers.
    """
    if isinstance(X, (str, PathLike)):
        _refuse_lengths(lengths, "a folder")
        return _read_folder(Path(X))
    if isinstance(X, (list, tuple)) and len(X) > 0 and np.ndim(_plain(X[0])) != 1:
        _refuse_lengths(lengths, "a list of recordings")
        return _in_memory([_frames(f"X[{i}]", x) for i, x in enumerate(X)], "list", "X[{}]")
    checks.require(not isinstance(X, (list, tuple)) or len(X) > 0, "X", "at least one recording", "none")
    frames = _frames("X", X)
    if lengths is None:
        return _in_memory([frames], "long", "X")
    return _in_memory(list(torch.split(frames, split_lengths(lengths, len(frames)))), "long", "recording {} of X")


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


def _refuse_lengths(lengths: Iterable[int] | None, form: str) -> None:
    fix = "Its recordings have their own lengths."
    checks.require(lengths is None, "lengths", f"None where `X` is {form}", "lengths", fix)


def _plain(value: Any) -> Any:
    """An array of NumPy, from whatever holds frames."""
    if isinstance(value, Tensor):
        return value.detach().cpu().numpy() if value.dtype != torch.bfloat16 else value.detach().cpu().float().numpy()
    if hasattr(value, "toarray"):
        fix = "Convert it with .toarray()."
        checks.fail("X", "dense", f"a sparse matrix ({type(value).__name__})", fix, TypeError)
    return np.asarray(value)


def _frames(name: str, value: Any) -> Tensor:
    """The frames of a recording in float32, checked."""
    array = _plain(value)
    fix = "Reshape your data: one row per frame, with array.reshape(-1, 1) if there is a single feature."
    checks.require(array.ndim == 2, name, "of shape (N, D)", f"shape {array.shape}", fix)
    fix = "Complex data not supported: give real and imaginary parts as features."
    checks.require(not np.iscomplexobj(array), name, "real", f"dtype {array.dtype}", fix)
    if array.dtype.kind not in "fiub":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            checks.fail(name, "numeric", f"dtype {array.dtype} ({error})", "Leave out columns of text.", type(error))
    n, d = array.shape
    checks.require(
        n > 0, name, "at least one frame", f"0 sample(s) (shape={array.shape}) while a minimum of 1 is required"
    )
    checks.require(
        d > 0, name, "at least one feature", f"0 feature(s) (shape={array.shape}) while a minimum of 1 is required"
    )
    with np.errstate(over="ignore"):
        frames = torch.from_numpy(np.array(array, dtype=np.float32))
    bad = ~np.isfinite(array) if array.dtype.kind == "f" else np.zeros((1, 1), dtype=bool)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        kind = "NaN" if np.isnan(array[where]) else "inf"
        fix = "Fill gaps by interpolation, or cut the recording there."
        checks.fail(name, "finite", f"{kind} at frame {where[0]}, feature {where[1]} ({bad.sum()} such values)", fix)
    checks.finite(name, frames)  # what is too large for float32
    return frames


def _in_memory(frames: list[Tensor], form: Literal["list", "long"], name: str) -> Recordings:
    d = frames[0].shape[1]
    for i, x in enumerate(frames):
        requirement = f"of {d} features, as the first recording"
        checks.require(x.shape[1] == d, name.format(i), requirement, x.shape[1])
    dataset = data.SequenceDataset([data.Sequence(x, name=str(i)) for i, x in enumerate(frames)])
    return Recordings(dataset, tuple(len(x) for x in frames), d, form)


def _read_folder(folder: Path) -> Recordings:
    if not folder.is_dir():
        checks.fail_file(folder, "there is no such folder", error=FileNotFoundError)
    paths = sorted(folder.glob("*.npy"))
    if not paths:
        checks.fail_file(
            folder, "no .npy file in the folder", "Save each recording as an (N, D) array with numpy.save."
        )
    shapes = [features_shape(path) for path in paths]
    d = shapes[0][1]
    for path, (_, found) in zip(paths, shapes, strict=True):
        if found != d:
            checks.fail_file(path, f"{found} features, and {d} in {paths[0].name}")
    files = [data.SequenceFile(path, path.stem, "", None, n) for path, (n, _) in zip(paths, shapes, strict=True)]
    return Recordings(data.SequenceDataset(files), tuple(n for n, _ in shapes), d, "folder")
