"""From a data set to the batches that training and evaluation read, each process its share of them."""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler

from otseg import checks
from otseg.data import EpochSampler, SampledDataset, Sequence, SequenceDataset, collate
from otseg.train.config import TrainConfig
from otseg.types import Batch

try:
    from lightning import LightningDataModule
except ModuleNotFoundError:
    checks.missing_extra("lightning", "train")


def model_input(dataset: SequenceDataset, config: TrainConfig) -> SequenceDataset:
    """The data set as a model sees it: standardized if the settings say so.

    Data in memory is standardized once, data on disk whenever it is read.

    Args:
        dataset: Features as they are stored.
        config: Settings of the training.
    """
    if not config.standardize:
        return dataset
    in_memory = all(isinstance(source, Sequence) for source in dataset.sources)
    dataset = dataset.standardize(scale=dataset.n_features**-0.5)
    return dataset.load() if in_memory else dataset


class SharedSampler(Sampler[int]):
    """Every ``world_size``-th index of an order, from ``rank`` on, so that processes share the work evenly.

    The order is filled up from its start where it cannot be divided evenly, as by torch's ``DistributedSampler``.
    The processes' batches number ``i`` together are batch ``i`` of one process with ``world_size`` times the size.

    Args:
        order: Sampler of the whole order, the same in every process.
        rank: Number of this process.
        world_size: Number of processes.

    Example:
        >>> [list(SharedSampler(range(5), rank, 2)) for rank in (0, 1)]
        [[0, 2, 4], [1, 3, 0]]
    """

    def __init__(self, order: "Sampler[int] | range", rank: int, world_size: int) -> None:
        self.order, self.rank, self.world_size = order, rank, world_size

    def __len__(self) -> int:
        return -(-len(self.order) // self.world_size)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[int]:
        order = list(self.order)
        for i in range(self.rank, len(self) * self.world_size, self.world_size):
            yield order[i % len(order)]


def training_batches(
    dataset: SequenceDataset, config: TrainConfig, rank: int = 0, world_size: int = 1
) -> "DataLoader[Batch]":
    """Shuffled batches of drawn frames; order and draw depend on seed and epoch alone, see :func:`set_epoch`.

    Args:
        dataset: As a model sees it, see :func:`model_input`.
        config: Settings of the training.
        rank: Number of this process.
        world_size: Number of processes.
    """
    return DataLoader(
        SampledDataset(dataset, config.n_samples, seed=config.seed),  # type: ignore[arg-type]
        batch_size=config.batch_size,
        sampler=SharedSampler(EpochSampler(len(dataset), seed=config.seed), rank, world_size),
        collate_fn=collate,
        generator=torch.Generator(),  # else an iterator draws from torch's own, in some epochs before it is seeded
    )


def set_epoch(batches: "DataLoader[Batch]", epoch: int) -> None:
    """Show the order and the frames of another epoch, counted from 0.

    Args:
        batches: Of :func:`training_batches`.
        epoch: The epoch.
    """
    parts: tuple[Any, Any] = batches.dataset, batches.sampler
    parts[0].set_epoch(epoch)
    parts[1].order.set_epoch(epoch)


def full_batches(dataset: SequenceDataset, rank: int = 0, world_size: int = 1) -> "DataLoader[Batch]":
    """All frames of every sequence, one sequence at a time, in order.

    Args:
        dataset: As a model sees it, see :func:`model_input`.
        rank: Number of this process.
        world_size: Number of processes. Some sequences are seen twice if they cannot be divided evenly: batch ``i``
            of a process holds a new sequence only if ``i * world_size + rank`` is below their number.
    """
    sampler = SharedSampler(range(len(dataset)), rank, world_size)
    return DataLoader(dataset, batch_size=1, sampler=sampler, collate_fn=collate)  # type: ignore[arg-type]


class SegmentationData(LightningDataModule):
    """Training and validation batches of this process.

    Args:
        train: Training sequences as a model sees them, see :func:`model_input`.
        val: Validation sequences, likewise; none if ``None``.
        config: Settings of the training.
    """

    def __init__(self, train: SequenceDataset, val: SequenceDataset | None, config: TrainConfig) -> None:
        super().__init__()
        self.train, self.val, self.config = train, val, config

    def train_dataloader(self) -> "DataLoader[Batch]":
        """See :func:`training_batches`."""
        assert self.trainer is not None
        return training_batches(self.train, self.config, self.trainer.global_rank, self.trainer.world_size)

    def val_dataloader(self) -> "DataLoader[Batch]":
        """See :func:`full_batches`; not called without validation sequences."""
        assert self.trainer is not None
        assert self.val is not None
        return full_batches(self.val, self.trainer.global_rank, self.trainer.world_size)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move a batch."""
        return batch.to(device)
