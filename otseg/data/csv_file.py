"""Reads features from a CSV file, such as the log of a sensor: the columns that hold numbers over time."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from otseg import checks

#: Names of columns that say when and not what, with a unit or without: ``time``, ``Time (s)``, ``timestamp_ms``. One
#: without a name is the index that pandas writes.
NOT_FEATURES = re.compile(
    r"((date|datetime|index|time|timestamp)([ _]?[\[(].*[\])]|[ _](s|ms|us|ns|sec|seconds|utc))?)?", re.IGNORECASE
)


@dataclass(frozen=True)
class _Form:
    """How a file is written: its delimiter, the names in its first line if there are any, the columns that count."""

    delimiter: str
    names: list[str] | None
    width: int
    columns: list[int]

    def column(self, i: int) -> str:
        """What to call a column."""
        return f"column {i + 1}" if self.names is None else f"column {self.names[i]!r}"


def read_csv(path: Path) -> npt.NDArray[np.float64]:
    """The features in a CSV file: every column but those of :data:`NOT_FEATURES`.

    Args:
        path: File with one line per frame. Cells are separated by tabs or semicolons if its first line has one, else
            by commas; a first line in which not all cells are numbers holds names.

    Returns:
        Numbers of shape (N, D).

    Raises:
        ValueError: If there is no frame, no column of features, or a cell is empty or no number.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            form = _read_form(path, file)
            how: dict[str, Any] = {"delimiter": form.delimiter, "usecols": form.columns, "quotechar": '"'}
            try:
                array: npt.NDArray[np.float64] = np.loadtxt(file, dtype=np.float64, ndmin=2, comments=None, **how)
            except ValueError as error:
                _explain(path, form)
                checks.fail_file(path, f"is not a table of numbers ({error})")
    except UnicodeDecodeError as error:
        checks.fail_file(path, f"is not a text file in UTF-8 ({error.reason})", "Save it as CSV in UTF-8.")
    return array


def csv_shape(path: Path) -> tuple[int, int]:
    """Numbers of frames and features in a CSV file; the frames are counted, not parsed. See :func:`read_csv`."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            form = _read_form(path, file)
            return sum(1 for line in file if line.strip()), len(form.columns)
    except UnicodeDecodeError as error:
        checks.fail_file(path, f"is not a text file in UTF-8 ({error.reason})", "Save it as CSV in UTF-8.")


def is_number(word: str) -> bool:
    """Whether a word of a text file can be read as a number."""
    try:
        float(word)
    except ValueError:
        return False
    return True


def _read_form(path: Path, file: TextIO) -> _Form:
    """Read the form off the first line; the file then stands at the first frame."""
    line = file.readline()
    delimiter = next((sign for sign in "\t;" if sign in line), ",")  # a comma may be in a name, or be the point
    cells = [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter))]
    names = None if all(map(is_number, cells)) else cells
    columns = [i for i in range(len(cells)) if names is None or not NOT_FEATURES.fullmatch(names[i])]
    if not columns:
        checks.fail_file(path, f"has no column of features, only {', '.join(map(repr, cells))}")
    frames = 0 if names is None else file.tell()
    if names is not None and not any(line.strip() for line in iter(file.readline, "")):
        checks.fail_file(path, "has no frame under the names of its columns", "Copy it again from its source.")
    file.seek(frames)
    return _Form(delimiter, names, len(cells), columns)


def _explain(path: Path, form: _Form) -> None:
    """Fail at the first line that is none of numbers."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=form.delimiter)
        header = form.names is not None
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if header:
                header = False
                continue
            if len(cells) != form.width:
                fix = "The file may be cut off; copy it again from its source."
                what = f"line {reader.line_num}: {len(cells)} cells, but {form.width} in the first line"
                checks.fail_file(path, what, fix)
            for i in form.columns:
                where = f"line {reader.line_num}, {form.column(i)}"
                if not cells[i].strip():
                    fix = "Fill gaps by interpolation, or cut the recording there."
                    checks.fail_file(path, f"{where} is empty", fix)
                if not is_number(cells[i]):
                    decimal = "Write decimals with a point." if is_number(cells[i].replace(",", ".")) else ""
                    fix = decimal or "Leave out columns of text, and give a column of times the name 'time'."
                    checks.fail_file(path, f"{where}: {cells[i]!r} is not a number", fix)
