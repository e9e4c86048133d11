"""Train from several starts and keep the best by its training loss, as k-means does."""

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

#: Seeds of successive starts are this far apart, so that runs with neighboring seeds share none.
STRIDE = 1009


@dataclass(frozen=True, eq=False)
class Restarts:
    """What training from several starts found.

    Attributes:
        model: The model with the lowest loss.
        seed: The seed that it was built and trained with: ``fit`` alone with that seed gives the same model.
        losses: The training loss in the last epoch of every start, by its seed.
    """

    model: SegmentationModel
    seed: int
    losses: dict[int, float]


def fit_restarts(
    build: Callable[[], SegmentationModel],
    train: SequenceDataset,
    *,
    n_restarts: int = 3,
    config: TrainConfig = TrainConfig(),  # noqa: B008
    folder: str | Path | None = None,
    **trainer: Any,
) -> Restarts:
    """Train a model from several random starts, and keep the one whose training loss is lowest in the last epoch.

    Training of this kind ends in one of several solutions, according to the start, and their losses differ: one that
    splits an action in two cannot tell its halves apart. No label takes part in the choice. The first start is the
    one of ``fit`` with the same seed.

    Args:
        build: Makes a new model; torch's global generator is seeded before every call.
        train: Training sequences; labels are not used.
        n_restarts: Number of starts, at least 1; each costs a whole training.
        config: Settings of the training; its ``seed`` is that of the first start.
        folder: The starts write into folders ``seed_<n>`` in it, see :func:`otseg.train.fit`; nothing is written if
            ``None``.
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
    checks.number("n_restarts", n_restarts, 1, integer=True)
    best: SegmentationModel | None = None
    losses: dict[int, float] = {}
    for start in range(n_restarts):
        seed = (config.seed + start * STRIDE) % 2**31
        torch.manual_seed(seed)
        model = build()
        where = None if folder is None else Path(folder) / f"seed_{seed}"
        done = fit(model, train, config=replace(config, seed=seed), folder=where, **trainer)
        module: Any = done.lightning_module
        loss = module.history["train/loss"][config.epochs]
        if best is None or loss < min(losses.values()):
            best = model
        losses[seed] = loss
    assert best is not None
    return Restarts(best, min(losses, key=lambda seed: losses[seed]), losses)
