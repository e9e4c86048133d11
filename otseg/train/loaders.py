"""From a data set to the batches that training and evaluation read."""

from torch.utils.data import DataLoader

from otseg.data import EpochSampler, SampledDataset, Sequence, SequenceDataset, collate
from otseg.train.config import TrainConfig
from otseg.types import Batch


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


def training_batches(dataset: SequenceDataset, config: TrainConfig) -> "DataLoader[Batch]":
    """Shuffled batches of drawn frames; order and draw depend on seed and epoch alone.

    Args:
        dataset: As a model sees it, see :func:`model_input`.
        config: Settings of the training.
    """
    return DataLoader(
        SampledDataset(dataset, config.n_samples, seed=config.seed),  # type: ignore[arg-type]
        batch_size=config.batch_size,
        sampler=EpochSampler(len(dataset), seed=config.seed),
        collate_fn=collate,
    )


def full_batches(dataset: SequenceDataset) -> "DataLoader[Batch]":
    """All frames of every sequence, one sequence at a time, in order.

    Args:
        dataset: As a model sees it, see :func:`model_input`.
    """
    return DataLoader(dataset, batch_size=1, collate_fn=collate)  # type: ignore[arg-type]
