"""Names of features, as scikit-learn keeps them: those of the columns of data frames, and tables of embeddings."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from otseg import checks


def column_names(name: str, frames: Any) -> tuple[str, ...] | None:
    """The columns of a data frame; ``None`` for what has no columns, or has numbers for them.

    Args:
        name: Of the recording, for errors.
        frames: A recording.

    Raises:
        TypeError: If some columns have names and others do not.
    """
    columns = list(getattr(frames, "columns", ()))
    text = [isinstance(column, str) for column in columns]
    if not any(text):
        return None
    fix = "Rename them all with X.columns = X.columns.astype(str)."
    found = sorted({type(column).__name__ for column in columns})
    checks.require(all(text), name, "of columns whose names are all strings, or none", found, fix, TypeError)
    return tuple(columns)


def common_names(recordings: Sequence[Any]) -> tuple[str, ...] | None:
    """The columns of all recordings of a list; ``None`` if some have no names.

    Raises:
        ValueError: If two of them differ.
    """
    named = [(i, names) for i, x in enumerate(recordings) if (names := column_names(f"X[{i}]", x)) is not None]
    for i, names in named:
        first, same = named[0]
        fix = f"Select them by name, in one order: X[{i}][X[{first}].columns]."
        checks.require(names == same, f"X[{i}]", f"with the columns of X[{first}], {list(same)}", list(names), fix)
    return named[0][1] if len(named) == len(recordings) else None


def require_names(names: tuple[str, ...] | None, fitted: npt.NDArray[Any] | None) -> None:
    """Compare the columns of new recordings with those of the training, in scikit-learn's words.

    Args:
        names: Of the new recordings.
        fitted: Of the training.

    Raises:
        ValueError: If they differ.

    Warns:
        UserWarning: If only one of the two has names.
    """
    if names is None and fitted is not None:
        message = "X does not have valid feature names, but OTSegmenter was fitted with feature names"
        warnings.warn(message, UserWarning, stacklevel=5)
    if names is not None and fitted is None:
        message = "X has feature names, but OTSegmenter was fitted without feature names"
        warnings.warn(message, UserWarning, stacklevel=5)
    if names is None or fitted is None or names == tuple(fitted):
        return
    lines = ["The feature names should match those that were passed during fit."]
    for title, some in (
        ("Feature names unseen at fit time:", sorted(set(names) - set(fitted))),
        ("Feature names seen at fit time, yet now missing:", sorted(set(fitted) - set(names))),
    ):
        lines += [title, *(f"- {name}" for name in some[:5]), *(["- ..."] if len(some) > 5 else [])] if some else []
    if len(lines) == 1:
        lines.append("Feature names must be in the same order as they were in fit.")
    lines.append("Select them with X[segmenter.feature_names_in_].")
    checks.fail("X", "of the columns of `fit`", "others", "\n".join(lines))


def as_tables(container: str, names: Sequence[str], found: Any, given: Any) -> Any:
    """The arrays of all recordings as tables.

    Args:
        container: ``"default"`` (arrays) or ``"pandas"``.
        names: Of the columns.
        found: One array, a list of them, or a mapping by name of the file.
        given: The recordings as they were given; where one is a data frame of pandas, its table has its index.
    """
    checks.choice("transform", container, ("default", "pandas"))
    if container == "default":
        return found
    try:
        import pandas
    except ModuleNotFoundError:
        checks.missing_extra("pandas", "pandas")

    def table(values: npt.NDArray[Any], frames: Any = None) -> Any:
        index = frames.index if isinstance(frames, pandas.DataFrame) else None
        return pandas.DataFrame(values, columns=list(names), index=index)

    if isinstance(found, dict):
        return {name: table(values) for name, values in found.items()}
    if isinstance(found, list):
        return [table(values, frames) for values, frames in zip(found, given, strict=True)]
    return table(found, given)
