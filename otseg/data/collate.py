"""From a list of sequences to a padded batch, and back."""

from collections.abc import Sequence as Seq

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from otseg import checks
from otseg.data.sequence import Sequence
from otseg.types import Batch


def collate(sequences: Seq[Sequence]) -> Batch:
    """Pad sequences at the end to the longest of them.

    Args:
        sequences: At least one sequence, all with as many features, of one dtype and on one device.

    Returns:
        Batch with zeros as features and -1 as labels on padding. If only some sequences have labels, those
        of the others are -1; if none has, ``labels`` is ``None``.

    Raises:
        ValueError: If there is no sequence, or features differ in their number or device.
        TypeError: If dtypes differ.

    Example:
        >>> batch = collate([Sequence(torch.ones(1, 2), name="a"), Sequence(torch.ones(3, 2), name="b")])
        >>> batch.mask.int()
        tensor([[1, 0, 0],
                [1, 1, 1]], dtype=torch.int32)
    """
    checks.require(len(sequences) > 0, "sequences", "at least one sequence", "none")
    first = sequences[0].features
    for i, sequence in enumerate(sequences):
        name = f"sequences[{i}].features"
        requirement = f"of {first.shape[1]} features per frame, as sequences[0]"
        got = f"{sequence.features.shape[1]} (sequence {sequence.name!r})"
        checks.require(sequence.features.shape[1] == first.shape[1], name, requirement, got)
        checks.like(name, sequence.features, "sequences[0].features", first)
    lengths = torch.tensor([sequence.n_frames for sequence in sequences], device=first.device)
    labels = None
    if any(sequence.labels is not None for sequence in sequences):
        unknown = torch.full((int(lengths.max()),), -1, device=first.device)
        rows = [unknown[: s.n_frames] if s.labels is None else s.labels for s in sequences]
        labels = pad_sequence(rows, batch_first=True, padding_value=-1)
    return Batch(
        features=pad_sequence([sequence.features for sequence in sequences], batch_first=True),
        mask=torch.arange(int(lengths.max()), device=first.device) < lengths[:, None],
        labels=labels,
        names=tuple(sequence.name for sequence in sequences),
        activities=tuple(sequence.activity for sequence in sequences),
    )


def unpad(batch: Batch) -> list[Sequence]:
    """The real frames of every sequence of a batch: the inverse of :func:`collate`.

    Args:
        batch: Batch of sequences.

    Returns:
        One sequence for each row, in order.

    Example:
        >>> batch = collate([Sequence(torch.ones(1, 2), name="a"), Sequence(torch.ones(3, 2), name="b")])
        >>> [(sequence.name, sequence.n_frames) for sequence in unpad(batch)]
        [('a', 1), ('b', 3)]
    """
    n = len(batch.mask)
    features = unpad_tensor(batch.features, batch.mask)
    labels = [None] * n if batch.labels is None else unpad_tensor(batch.labels, batch.mask)
    names, activities = batch.names or [""] * n, batch.activities or [""] * n
    return [Sequence(*fields) for fields in zip(features, labels, names, activities, strict=True)]


def unpad_tensor(padded: Shaped[Tensor, "B N *rest"], mask: Bool[Tensor, "B N"]) -> list[Tensor]:
    """The real frames of every row of any padded tensor, such as predicted labels.

    Args:
        padded: Values of all frames, with padding.
        mask: True on real frames.

    Returns:
        One tensor for each row, of its own length.

    Example:
        >>> unpad_tensor(torch.tensor([[5, 0], [6, 7]]), torch.tensor([[True, False], [True, True]]))
        [tensor([5]), tensor([6, 7])]
    """
    checks.shape("mask", mask, tuple(padded.shape[:2]), "(B, N)")
    return [row[real] for row, real in zip(padded, mask, strict=True)]
