"""Which frames, and which order of sequences, an epoch sees: a function of seed and epoch alone."""

from collections.abc import Iterator
from typing import Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from otseg import checks
from otseg.data.dataset import SequenceDataset
from otseg.data.sequence import Sequence

#: How frames are chosen, see :func:`sample_frames`.
How: TypeAlias = Literal["stratified", "uniform", "all"]
_FRAMES, _ORDER = 0, 1  # separate streams of random numbers


def sample_frames(
    n_frames: int, n_samples: int, *, how: How = "stratified", generator: torch.Generator | None = None
) -> Int[Tensor, " M"]:
    r"""Indices of a few frames of a sequence, in order and without repetition.

    ``"stratified"`` (training) cuts the sequence in ``n_samples`` strata of equal length, up to one frame,
    and draws one frame of each, :math:`\lfloor iN/M \rfloor \le n_i < \lfloor (i+1)N/M \rfloor`.
    ``"uniform"`` (validation) takes equally spaced frames from the first to the last, ``"all"`` takes all.

    Note:
        The strata of the published code of ASOT never contain the last frame, and a sequence shorter than
        ``n_samples`` is padded with its last frame; here it is returned whole, and a batch masks its padding.

    Args:
        n_frames: Number of frames of the sequence.
        n_samples: Number of frames to choose; all are taken where there are not more.
        how: ``"stratified"``, ``"uniform"`` or ``"all"``.
        generator: Source of randomness; torch's own if ``None``.

    Returns:
        Increasing indices.

    Example:
        >>> sample_frames(9, 3, how="uniform")
        tensor([0, 4, 8])
    """
    checks.number("n_frames", n_frames, low=1, integer=True)
    checks.number("n_samples", n_samples, low=1, integer=True)
    checks.choice("how", how, ("stratified", "uniform", "all"))
    if how == "all" or n_frames <= n_samples:
        return torch.arange(n_frames)
    if how == "uniform":
        return torch.linspace(0, n_frames - 1, n_samples, dtype=torch.float64).round().long()
    edges = torch.arange(n_samples + 1) * n_frames // n_samples  # (M + 1,)
    widths = edges.diff()  # (M,), at least 1
    u = torch.rand(n_samples, dtype=torch.float64, generator=generator)
    # u < 1, but u * width can round up to width
    return edges[:-1] + torch.minimum((u * widths).long(), widths - 1)


class SampledDataset(Dataset[Sequence]):
    """A data set that shows a few frames of each sequence, other ones in every epoch.

    The draw depends on ``(seed, epoch, index)`` alone: training that is resumed, or that reads with several
    workers, sees the same frames. Call :meth:`set_epoch` before each epoch; persistent workers follow.

    Args:
        dataset: All frames.
        n_samples: Number of frames shown of each sequence; shorter sequences are shown whole.
        seed: Seed of the draws, >= 0.
        how: See :func:`sample_frames`.

    Example:
        >>> data = SampledDataset(SequenceDataset([Sequence(torch.rand(9, 4))]), n_samples=3, seed=0)
        >>> data.set_epoch(5)
        >>> data[0].features.shape
        torch.Size([3, 4])
    """

    def __init__(self, dataset: SequenceDataset, n_samples: int, *, seed: int = 0, how: How = "stratified") -> None:
        checks.number("n_samples", n_samples, low=1, integer=True)
        checks.number("seed", seed, low=0, integer=True)
        checks.choice("how", how, ("stratified", "uniform", "all"))
        self.dataset, self.n_samples, self.seed, self.how = dataset, n_samples, seed, how
        self._epoch = torch.zeros((), dtype=torch.int64)
        self._epoch.share_memory_()  # type: ignore[no-untyped-call]  # so that persistent workers follow

    @property
    def epoch(self) -> int:
        """The current epoch."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Show the frames of another epoch, counted from 0."""
        checks.number("epoch", epoch, low=0, integer=True)
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sequence:
        index = range(len(self))[index]  # the last sequence is the same one as the one at -1
        sequence = self.dataset[index]
        generator = _generator(_FRAMES, self.seed, self.epoch, index)
        return sequence.take(sample_frames(sequence.n_frames, self.n_samples, how=self.how, generator=generator))


class EpochSampler(Sampler[int]):
    """A shuffled order of ``n`` sequences, another one in every epoch; a function of ``(seed, epoch)``.

    Args:
        n: Number of sequences.
        seed: Seed of the order, >= 0.

    Example:
        >>> sampler = EpochSampler(3, seed=0)
        >>> sampler.set_epoch(5)
        >>> sorted(sampler)
        [0, 1, 2]
    """

    def __init__(self, n: int, *, seed: int = 0) -> None:
        checks.number("n", n, low=1, integer=True)
        checks.number("seed", seed, low=0, integer=True)
        self.n, self.seed, self.epoch = n, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Take the order of another epoch, counted from 0."""
        checks.number("epoch", epoch, low=0, integer=True)
        self.epoch = epoch

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[int]:
        yield from torch.randperm(self.n, generator=_generator(_ORDER, self.seed, self.epoch, 0)).tolist()


def _generator(stream: int, seed: int, epoch: int, index: int) -> torch.Generator:
    """A generator whose seed mixes four numbers, so that neighboring ones give unrelated draws."""
    words = np.random.SeedSequence([stream, seed, epoch, index]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(words[0]))
