"""Reads the single files of a benchmark folder: features, labels, mappings. Every error names its file."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor

from otseg import checks
from otseg.data.csv_file import csv_shape, is_number, read_csv

#: Endings of the files that hold features.
FEATURE_SUFFIXES = (".npy", ".csv", ".txt")


def read_features(path: Path, *, transposed: bool = False) -> Float[Tensor, "N D"]:
    """Features of every frame, from an array (``.npy``), a table (``.csv``) or lines of numbers (``.txt``).

    Args:
        path: File of shape (N, D), or one line per frame. The columns of a table may have names in its first line; one
            that is called ``time``, ``timestamp``, ``date``, ``datetime`` or ``index``, with a unit or without, is no
            feature, nor is one without a name (:mod:`otseg.data.csv_file`). Other text has numbers separated by white
            space.
        transposed: Whether the file holds (D, N).

    Returns:
        Finite float32 features.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is empty, truncated, not numeric, not two-dimensional, or not finite.
    """
    array = open_array(path) if path.suffix == ".npy" else _parse_text(path)
    if transposed:
        array = array.T
    with np.errstate(over="ignore"):  # what overflows float32 is reported below
        x = torch.from_numpy(np.array(array, dtype=np.float32, order="C"))
    bad = ~torch.isfinite(x)
    if bool(bad.any()):
        frame, feature = (int(i) for i in bad.nonzero()[0])
        what = f"feature {feature} of frame {frame} is {float(x[frame, feature])}"
        count = f"{int(bad.sum())} such values in {int(bad.any(dim=1).sum())} frames"
        checks.fail_file(path, f"{what} ({count})", "Extract these features again, or set these frames to zero.")
    return x


def features_shape(path: Path) -> tuple[int, int]:
    """Shape of the array in a file of features, as stored, without reading all of its numbers into memory.

    Args:
        path: See :func:`read_features`.

    Returns:
        Numbers of rows and columns. The rows of a text file are counted, not parsed.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is empty, truncated or not a two-dimensional array.
    """
    if path.suffix == ".npy":
        rows, columns = open_array(path).shape
        return rows, columns
    _require_content(path)
    if path.suffix == ".csv":
        return csv_shape(path)
    rows = columns = 0
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                columns = columns or len(line.split())
                rows += 1
    return rows, columns


def read_mapping(path: Path) -> dict[str, int]:
    """Label of every class name, from lines ``<id> <name>``.

    Classes are numbered 0, 1, ... in the order of their ids; an id below 0 marks background, label -1.

    Args:
        path: The mapping file.

    Returns:
        Label of every name, sorted by label.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line is malformed, or an id or a name appears twice.
    """
    if not path.is_file():
        fix = "It names the classes; without ground truth, pass labels=False (--no-labels)."
        checks.fail_file(path, "does not exist or is not a file", fix, FileNotFoundError)
    ids: dict[str, int] = {}
    for number, identifier, name in _mapping_lines(path):
        if name in ids:
            checks.fail_file(path, f"line {number}: name {name!r} appears twice", "Keep one of the two lines.")
        if identifier >= 0 and identifier in ids.values():
            fix = "Give every class its own id. If the file merges classes, pass it as label_map= instead."
            checks.fail_file(path, f"line {number}: id {identifier} appears twice", fix)
        ids[name] = identifier
    names = sorted((name for name in ids if ids[name] >= 0), key=ids.__getitem__)
    return {name: -1 for name in ids if ids[name] < 0} | {name: label for label, name in enumerate(names)}


def read_groups(path: Path) -> dict[str, str | None]:
    """Coarse class of every fine class, from lines ``<id> <fine name>`` in which merged classes share an id.

    This is the form of ``mapping/mappingeval.txt`` of 50 Salads.

    Args:
        path: The mapping file.

    Returns:
        Name of the coarse class (its fine names joined by ``+``) of every fine class, in the order of ids,
        for :meth:`otseg.data.LabelMap.make`; ``None`` where the id is below 0.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line is malformed or a name appears twice.
    """
    ids: dict[str, int] = {}
    members: dict[int, list[str]] = {}
    for number, identifier, name in _mapping_lines(path):
        if name in ids:
            checks.fail_file(path, f"line {number}: name {name!r} appears twice", "Keep one of the two lines.")
        ids[name] = identifier
        members.setdefault(identifier, []).append(name)
    order = sorted(ids, key=ids.__getitem__)
    return {name: "+".join(members[ids[name]]) if ids[name] >= 0 else None for name in order}


def read_labels(path: Path, classes: Mapping[str, int]) -> Int[Tensor, " N"]:
    """Label of every frame, from lines that hold one class name each.

    Args:
        path: The ground truth of one sequence.
        classes: Label of every class name, see :func:`read_mapping`.

    Returns:
        Labels.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is empty or a name is not a class.
    """
    names = _lines(path)
    unknown = [i for i, name in enumerate(names) if name not in classes]
    if unknown:
        first = unknown[0]
        what = f"line {first + 1}: label {names[first]!r} is not in the mapping ({len(unknown)} such lines)"
        fix = f"Known are {', '.join(classes)}. Correct the label, or add it to the mapping file."
        checks.fail_file(path, what, fix)
    return torch.tensor([classes[name] for name in names])


def _lines(path: Path) -> list[str]:
    """The stripped lines of a text file, without blank lines at its end."""
    _require_content(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        checks.fail_file(path, f"is not a text file in UTF-8 ({error.reason})", "Save it as plain text.")
    return [line.strip() for line in text.rstrip().splitlines()]


def _mapping_lines(path: Path) -> list[tuple[int, int, str]]:
    """Line number, id and name of every line of a mapping file."""
    found = []
    for number, line in enumerate(_lines(path), start=1):
        identifier, _, name = line.replace("\t", " ").partition(" ")
        if not re.fullmatch(r"-?\d+", identifier) or not name.strip():
            checks.fail_file(path, f"line {number}: {line!r} is not of the form '<id> <name>'")
        found.append((number, int(identifier), name.strip()))
    return found


def _require_content(path: Path) -> None:
    """Refuse a file that is missing or holds nothing."""
    if not path.is_file():
        checks.fail_file(path, "does not exist or is not a file", error=FileNotFoundError)
    with path.open("rb") as file:
        if not any(line.strip() for line in file):
            checks.fail_file(path, "is empty", "Copy it again from its source.")


def open_array(path: Path) -> npt.NDArray[np.generic]:
    """A memory map of a numeric array of shape (rows, columns)."""
    _require_content(path)
    try:
        array: npt.NDArray[np.generic] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        fix = "Copy it again from its source, or save it with np.save(path, array.astype(np.float32))."
        checks.fail_file(path, f"is not a readable array ({str(error).rstrip('.')})", fix)
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
        checks.fail_file(path, f"must hold real numbers, and holds {checks.describe(array)}")
    if array.ndim != 2 or 0 in array.shape:
        checks.fail_file(path, f"must have shape (frames, features), and has {array.shape}")
    return array


def _parse_text(path: Path) -> npt.NDArray[np.generic]:
    """Rows of numbers of a text file."""
    _require_content(path)
    if path.suffix == ".csv":
        return read_csv(path)
    try:
        return np.loadtxt(path, dtype=np.float64, ndmin=2, comments=None)
    except ValueError as error:
        _explain_rows(path, _lines(path))
        checks.fail_file(path, f"is not a table of numbers ({error})")


def _explain_rows(path: Path, lines: Sequence[str]) -> None:
    """Fail at the first line that makes a text file no table of numbers."""
    columns = 0
    for number, line in enumerate(lines, start=1):
        words = line.split()
        columns = columns or len(words)
        if words and len(words) != columns:
            fix = "The file may be cut off; copy it again from its source."
            checks.fail_file(path, f"line {number}: {len(words)} numbers, but {columns} before", fix)
        bad = [word for word in words if not is_number(word)]
        if bad:
            fix = "Separate numbers by white space."
            checks.fail_file(path, f"line {number}: {bad[0]!r} is not a number", fix)
