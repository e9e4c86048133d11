"""Train from several starts and keep the best by its training loss, as k-means does."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from otseg import checks
from otseg.data import SequenceDataset
from otseg.models import SegmentationModel
from otseg.train.config import TrainConfig
from otseg.train.fit import fit

try:
    from lightning import Trainer
except ModuleNotFoundError:
    checks.missing_extra("lightning", "train")

#: Seeds of successive starts are this far apart, so that runs with neighboring seeds share none.
STRIDE = 1009


@dataclass(frozen=True, eq=False)
class Restarts:
    """What training from several starts found.

    Attributes:
        trainer: Lightning's trainer of the start with the lowest loss; ``trainer.lightning_module.history`` has its
            curves.
        seed: The seed that it was built and trained with: ``fit`` alone with that seed gives the same model.
        losses: The training loss in the last epoch of every start, by its seed.
    """

    trainer: Trainer
    seed: int
    losses: dict[int, float]

    @property
    def model(self) -> SegmentationModel:
        """The model with the lowest loss."""
        module: Any = self.trainer.lightning_module
        model: SegmentationModel = module.model
        return model


def fit_restarts(
    build: Callable[[], SegmentationModel],
    train: SequenceDataset,
    val: SequenceDataset | None = None,
    *,
    n_restarts: int = 3,
    config: TrainConfig = TrainConfig(),  # noqa: B008
    folder: str | Path | None = None,
    resume: bool = False,
    **trainer: Any,
) -> Restarts:
    """Train a model from several random starts, and keep the one whose training loss is lowest in the last epoch.

    Training of this kind ends in one of several solutions, according to the start, and their losses differ: one that
    splits an action in two cannot tell its halves apart. No label takes part in the choice. The first start is the
    one of ``fit`` with the same seed.

    Args:
        build: Makes a new model; torch's global generator is seeded before every call.
        train: Training sequences; labels are not used.
        val: Sequences to score after each epoch, for the curves alone.
        n_restarts: Number of starts, at least 1; each costs a whole training.
        config: Settings of the training; its ``seed`` is that of the first start.
        folder: The starts write into folders ``seed_<n>`` in it, see :func:`otseg.train.fit`; nothing is written if
            ``None``.
        resume: Whether starts that are in ``folder`` already go on from their last checkpoint.
        **trainer: Options of :class:`lightning.Trainer`.

    Returns:
        The best model, with the losses of all.

    Example:
        >>> from otseg.data import breakfast_like
        >>> from otseg.models import ASOT, ASOTConfig
        >>> from otseg.train import TrainConfig, fit_restarts
        >>> data = breakfast_like("coffee", 2, frames_scale=0.1, generator=torch.Generator().manual_seed(0))
        >>> config = TrainConfig(epochs=1, n_samples=64)
        >>> build = lambda: ASOT(ASOTConfig(n_actions=7))
        >>> found = fit_restarts(build, data, n_restarts=2, config=config, enable_progress_bar=False)
        >>> list(found.losses), found.losses[found.seed] == min(found.losses.values())
        ([0, 1009], True)
    """

    def start(seed: int) -> Trainer:
        torch.manual_seed(seed)
        model, where = build(), None if folder is None else Path(folder) / f"seed_{seed}"
        return fit(model, train, val, config=replace(config, seed=seed), folder=where, resume=resume, **trainer)

    return best_start(start, config.seed, n_restarts)


def best_start(start: Callable[[int], Trainer], seed: int, n_restarts: int) -> Restarts:
    """Train from several starts, one after the other; of two the one with the lower loss is kept, NaN losing to all.

    Args:
        start: Trains a new model with a seed to the end, and returns the trainer of :func:`otseg.train.fit`.
        seed: Seed of the first start.
        n_restarts: Number of starts, at least 1.
    """
    checks.number("n_restarts", n_restarts, 1, integer=True)
    best: Restarts | None = None
    losses: dict[int, float] = {}
    for i in range(n_restarts):
        own = (seed + i * STRIDE) % 2**31
        trainer = start(own)
        module: Any = trainer.lightning_module
        loss = losses[own] = module.history["train/loss"][module.config.epochs]
        if best is None or loss < losses[best.seed] or math.isnan(losses[best.seed]):
            best = Restarts(trainer, own, losses)
    assert best is not None
    return best
