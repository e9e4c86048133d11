"""The frames of one recording, from whatever holds them: seen as an array of NumPy without a copy, and checked."""

from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from otseg import checks, data

#: Numbers that are looked at together, so that little of a memory map is in memory.
_BLOCK = 2**22


@dataclass(frozen=True, eq=False)
class Frames:
    """A recording in memory, or in a memory map: it is converted each time it is read.

    Attributes:
        array: Real numbers, of shape (N, D).
        name: Name of the recording.
    """

    array: npt.NDArray[Any]
    name: str
    activity: str = ""
    labels: None = None

    def read(self) -> data.Sequence:
        """A copy in float32."""
        return data.Sequence(torch.from_numpy(np.array(self.array, dtype=np.float32, order="C")), name=self.name)


def read_frames(name: str, value: Any) -> npt.NDArray[Any]:
    """The frames of a recording, in the type and the place in which they are, where those are of use.

    Args:
        name: Of the recording, for errors.
        value: An array of NumPy, a memory map, a tensor, a data frame, or rows of numbers.

    Returns:
        Real numbers of shape (N, D), which float32 can hold.

    Raises:
        ValueError: If the shape is another, or a value is not finite.
        TypeError: If the values are not real numbers.
    """
    array = plain_array(value)
    fix = "Read the file, or give the path of its folder."
    checks.require(not isinstance(value, (str, PathLike)), name, "an array", f"a path ({value})", fix, TypeError)
    fix = "Give a list of arrays, one array with lengths=, or a folder."
    checks.require(
        array.dtype.kind != "O" or array.ndim > 0, name, "an array", checks.describe(array[()]), fix, TypeError
    )
    fix = "Reshape your data: one row per frame, with array.reshape(-1, 1) or series.to_frame() for one feature."
    checks.require(array.ndim == 2, name, "of shape (N, D)", f"shape {array.shape}", fix)
    fix = "Complex data not supported: give real and imaginary parts as features."
    checks.require(not np.iscomplexobj(array), name, "real", f"dtype {array.dtype}", fix)
    if array.dtype.kind not in "fiub":
        array = _numbers(name, value, array)
    n, d = array.shape
    for count, one, many in ((n, "frame", "sample(s)"), (d, "feature", "feature(s)")):
        got = f"{count} {many} (shape={array.shape}) while a minimum of 1 is required"
        checks.require(count > 0, name, f"at least one {one}", got)
    _require_order(name, value)
    if array.dtype.kind == "f":
        _require_finite(name, value, array)
    return array


def plain_array(value: Any) -> npt.NDArray[Any]:
    """An array of NumPy over the same memory, where there is one."""
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        array: npt.NDArray[Any] = (value.float() if value.dtype == torch.bfloat16 else value).numpy()
        return array
    if hasattr(value, "toarray"):
        fix = "Convert it with .toarray()."
        checks.fail("X", "dense", f"a sparse matrix ({type(value).__name__})", fix, TypeError)
    return value if isinstance(value, np.memmap) else np.asarray(value)


def _numbers(name: str, value: Any, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Numbers out of a table of mixed types, in which pandas.NA is NaN."""
    try:
        if array.dtype.kind in "mM":
            raise TypeError("times are no features")
        if hasattr(value, "iloc"):
            array = value.to_numpy(na_value=np.nan)
        numbers: npt.NDArray[Any] = array.astype(np.float64)
        return numbers
    except (TypeError, ValueError) as error:
        got = f"dtype {array.dtype} ({error})"
        if hasattr(value, "iloc"):
            wrong = [
                (column, kind) for column, kind in value.dtypes.items() if getattr(kind, "kind", "O") not in "fiub"
            ]
            got = "the columns " + ", ".join(f"{column!r} ({kind})" for column, kind in wrong)
        fix = "Leave out columns of text; make a column of times the index, or leave it out."
        checks.fail(name, "numeric", got, fix, type(error))


def _require_order(name: str, value: Any) -> None:
    """The times of a data frame, if its index holds some, must not go back."""
    index: Any = getattr(value, "index", None)
    if getattr(getattr(index, "dtype", None), "kind", None) not in ("m", "M"):
        return
    back = np.flatnonzero(index[1:] < index[:-1])
    got = f"a time before the last one at row {back[0] + 1 if back.size else 0}"
    checks.require(back.size == 0, name, "in temporal order", got, "Sort it with X.sort_index(), or split it there.")


def _require_finite(name: str, value: Any, array: npt.NDArray[Any]) -> None:
    """Finite in float32, block by block."""
    n, d = array.shape
    rows = max(1, _BLOCK // d)
    for start in range(0, n, rows):
        with np.errstate(over="ignore"):
            bad = ~np.isfinite(array[start : start + rows].astype(np.float32))
        if bad.any():
            row, feature = (int(i) for i in np.argwhere(bad)[0])
            number = array[start + row, feature]
            kind = "NaN" if np.isnan(number) else "inf" if np.isinf(number) else f"{number}, too large for float32,"
            columns = list(getattr(value, "columns", range(d)))
            fix = "Fill gaps by interpolation, or cut the recording there."
            checks.fail(name, "finite", f"{kind} at frame {start + row}, feature {columns[feature]!r}", fix)
