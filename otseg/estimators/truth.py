"""True classes as users have them: numbers or names, in the form of the recordings."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from otseg import checks
from otseg.estimators.recordings import Recordings


def read_truth(y: Any, recordings: Recordings) -> list[npt.NDArray[np.int64]]:
    """The true class of every frame of every recording, as numbers.

    Args:
        y: A list of arrays, one long array, or a mapping by name, as the recordings are. Integers stay what they are,
            with -1 where the class is unknown; anything else, such as names, is numbered in order of appearance, and
            unknown where it is ``None``, NaN or ``pandas.NA``.
        recordings: What the classes belong to.

    Raises:
        ValueError: If there are not as many classes as frames.
    """
    names, n_frames = recordings.dataset.names, recordings.n_frames
    if recordings.form == "long":
        target, n = _plain(y), sum(n_frames)
        checks.require(target.shape == (n,), "y", f"of shape (N,) = ({n},), as `X`", f"shape {target.shape}")
        return _numbered(np.split(target, np.cumsum(n_frames)[:-1]))
    if isinstance(y, Mapping):
        missing = [name for name in names if name not in y]
        checks.require(not missing, "y", "labels of every recording", f"none for {missing[:3]}")
        y = [y[name] for name in names]
    fix = "Give one array of labels for each recording."
    checks.require(isinstance(y, Iterable) and not isinstance(y, str), "y", "a list of labels", checks.describe(y), fix)
    truth = [_plain(target) for target in y]
    checks.require(len(truth) == len(names), "y", f"labels of {len(names)} recordings", len(truth), fix)
    for name, target, n in zip(names, truth, n_frames, strict=True):
        checks.require(target.shape == (n,), f"y[{name}]", f"of shape (N,) = ({n},)", f"shape {target.shape}")
    return _numbered(truth)


def _plain(labels: Any) -> npt.NDArray[Any]:
    return labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)


def _numbered(truth: list[npt.NDArray[Any]]) -> list[npt.NDArray[np.int64]]:
    """One numbering of all classes, unless they are integers already."""
    if all(labels.dtype.kind in "iu" for labels in truth):
        return [labels.astype(np.int64) for labels in truth]
    numbers: dict[object, int] = {}
    return [
        np.array([-1 if _unknown(x) else numbers.setdefault(x, len(numbers)) for x in labels.tolist()], dtype=np.int64)
        for labels in truth
    ]


def _unknown(label: object) -> bool:
    """None; and NaN, NaT and pandas.NA, which are not equal to themselves."""
    same = label == label
    return label is None or not (isinstance(same, (bool, np.bool_)) and bool(same))
