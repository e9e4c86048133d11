"""What training does around its steps: prepare the model, tell the data its epoch, warn of degenerate solutions."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch.utils.data import DataLoader

from otseg import checks
from otseg.metrics.degenerate import effective_actions, warn_if_degenerate
from otseg.models import SegmentationModel
from otseg.train.loaders import set_epoch
from otseg.train.module import SegmentationModule
from otseg.types import Batch

try:
    from lightning import Callback, LightningModule, Trainer
except ModuleNotFoundError:
    checks.missing_extra("lightning", "train")

__all__ = ["DegenerateSolutions", "Epochs", "Preparation", "effective_actions"]


class Preparation(Callback):
    """Calls ``model.prepare`` once, before the first step, and ``model.refresh`` before every later epoch.

    A run that is resumed is prepared already. With several processes the first one prepares and refreshes, and its
    weights are sent to the others.

    Args:
        batches: Batches of all training sequences.
    """

    def __init__(self, batches: "DataLoader[Batch]") -> None:
        self.batches, self.done = batches, False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Prepare the model, unless it is."""
        if self.done:
            return
        assert isinstance(pl_module, SegmentationModule)
        generator = torch.Generator().manual_seed(pl_module.config.seed)
        self._on_first_process(trainer, pl_module, partial(pl_module.model.prepare, generator=generator))
        self.done = True

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refresh the model, unless it is new."""
        assert isinstance(pl_module, SegmentationModule)
        if trainer.current_epoch > 0 and type(pl_module.model).refresh is not SegmentationModel.refresh:
            self._on_first_process(trainer, pl_module, partial(pl_module.model.refresh, epoch=trainer.current_epoch))

    def _on_first_process(
        self, trainer: Trainer, pl_module: SegmentationModule, estimate: Callable[[Iterator[Batch]], None]
    ) -> None:
        if trainer.is_global_zero:
            estimate(batch.to(pl_module.device) for batch in self.batches)
        if trainer.world_size > 1:
            pl_module.model.load_state_dict(trainer.strategy.broadcast(pl_module.model.state_dict()))

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"done": self.done}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it up again."""
        self.done = state_dict["done"]


class Epochs(Callback):
    """Makes everything that is random in an epoch a function of seed and epoch, so that a resume is exact.

    Tells the loader and the model which epoch begins, and seeds torch, for models with dropout; every process in its
    own way.

    Args:
        seed: Seed of the training.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the epoch."""
        assert trainer.train_dataloader is not None
        set_epoch(trainer.train_dataloader, trainer.current_epoch)
        assert isinstance(pl_module, SegmentationModule)
        pl_module.model.epoch = trainer.current_epoch
        torch.manual_seed(self.seed * 1_000_003 + trainer.current_epoch + trainer.global_rank * 7_919)


class DegenerateSolutions(Callback):
    """Warns after the training if the model uses only a few of its actions: :func:`~otseg.metrics.warn_if_degenerate`.

    Args:
        batches: Batches of training sequences.
    """

    def __init__(self, batches: "DataLoader[Batch]") -> None:
        self.batches = batches

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Segment the training sequences and count the actions."""
        if not trainer.is_global_zero:
            return
        assert isinstance(pl_module, SegmentationModule)
        model, training = pl_module.model, pl_module.model.training
        model.eval()
        labels, n_actions = [], 1
        for batch in self.batches:
            result = model.segment(batch.features.to(pl_module.device), batch.mask.to(pl_module.device))
            labels.append(result.labels())
            n_actions = result.plan.shape[2]
        model.train(training)
        warn_if_degenerate(labels, n_actions)
