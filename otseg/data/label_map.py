"""A coarser set of classes: which class of the ground truth belongs to which coarse class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from otseg import checks


@dataclass(frozen=True)
class LabelMap:
    """A map from fine to coarse classes, applied to the ground truth when, and only when, it is evaluated.

    The ``eval`` classes of 50 Salads are such a map of its ``mid`` classes. Models are trained without
    labels, so that the map takes no part in training; matching clusters with the fine classes first, and
    mapping both afterwards, is another protocol and gives other numbers.

    Attributes:
        names: Name of every coarse class.
        index: Coarse class of every fine class; -1 drops a fine class from evaluation.

    Example:
        >>> groups = {"cut_tomato": "cut", "cut_cheese": "cut", "mix": "mix"}
        >>> coarse = LabelMap.make(["cut_tomato", "cut_cheese", "mix"], groups)
        >>> coarse.names, coarse.apply(torch.tensor([0, 1, 2, -1]))
        (('cut', 'mix'), tensor([ 0,  0,  1, -1]))
    """

    names: tuple[str, ...]
    index: tuple[int, ...]

    @classmethod
    def make(cls, class_names: Sequence[str], groups: Mapping[str, str | None]) -> "LabelMap":
        """Build the map from names.

        Args:
            class_names: Names of the fine classes, in the order of their labels.
            groups: Name of the coarse class of every fine class, or ``None`` to drop it from evaluation.
                Coarse classes are numbered in the order in which they first appear.

        Returns:
            The map.

        Raises:
            ValueError: If a fine class has no coarse class, or a name is not a fine class.
        """
        missing = [name for name in class_names if name not in groups]
        fix = "Give every class a coarse class, or None to drop it from evaluation."
        checks.require(not missing, "groups", "a coarse class for every class", f"none for {missing}", fix)
        unknown = [name for name in groups if name not in class_names]
        fix = f"The classes are {list(class_names)}."
        checks.require(not unknown, "groups", "keyed by the names of the classes", f"also {unknown}", fix)
        names = tuple(dict.fromkeys(group for group in groups.values() if group is not None))
        found = [groups[name] for name in class_names]
        return cls(names, tuple(-1 if group is None else names.index(group) for group in found))

    def apply(self, labels: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
        """Coarse class of every label; -1 stays -1.

        Args:
            labels: Fine classes, -1 where unknown.

        Returns:
            Coarse classes, -1 where the label is -1 or its class is dropped.

        Raises:
            ValueError: If a label is not a fine class.
        """
        n = len(self.index)
        if checks.readable(labels) and labels.numel():
            low, high = int(labels.min()), int(labels.max())
            checks.require(low >= -1 and high < n, "labels", f"classes below {n}, or -1", f"{low} to {high}")
        table = torch.tensor([*self.index, -1], dtype=labels.dtype, device=labels.device)
        return table[labels]  # -1 reads the last entry
