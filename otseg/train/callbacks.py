"""What training does around its steps: prepare the model, tell the data its epoch, warn of degenerate solutions."""

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import DataLoader

from otseg import checks
from otseg.models import SegmentationModel
from otseg.train.loaders import set_epoch
from otseg.train.module import SegmentationModule
from otseg.types import Batch

try:
    from lightning import Callback, LightningModule, Trainer
except ModuleNotFoundError:
    checks.missing_extra("lightning", "train")


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

    Tells the loader which epoch begins, and seeds torch, for models with dropout; every process in its own way.

    Args:
        seed: Seed of the training.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the epoch."""
        assert trainer.train_dataloader is not None
        set_epoch(trainer.train_dataloader, trainer.current_epoch)
        torch.manual_seed(self.seed * 1_000_003 + trainer.current_epoch + trainer.global_rank * 7_919)


class DegenerateSolutions(Callback):
    """Warns after the training if the model uses only a few of its actions.

    Unsupervised models can collapse: all frames fall into one or two actions, and the loss is small. The warning is
    given if the effective number of actions (:func:`effective_actions`) is below 1.5 or a quarter of all.

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
        per_batch = []
        for batch in self.batches:
            result = model.segment(batch.features.to(pl_module.device), batch.mask.to(pl_module.device))
            labels = result.labels()
            per_batch.append(torch.bincount(labels[labels >= 0], minlength=result.plan.shape[2]))
        model.train(training)
        counts = torch.stack(per_batch).sum(dim=0)
        effective = effective_actions(counts)
        if len(counts) > 1 and effective < max(1.5, len(counts) / 4):
            warnings.warn(
                f"The model uses {effective:.1f} of {len(counts)} actions (effective number over the training "
                "sequences): a degenerate solution. Train with another seed, raise `rho_b` or `order`, or ask "
                "for fewer actions.",
                stacklevel=2,
            )


def effective_actions(counts: Int[Tensor, " K"]) -> float:
    r"""Effective number of actions: :math:`\exp(-\sum_k p_k \log p_k)` of their shares ``p`` of the frames.

    ``K`` where all actions are equally frequent, 1 where all frames fall into one.

    Args:
        counts: Number of frames of every action, not all 0.

    Example:
        >>> round(effective_actions(torch.tensor([10, 10, 0])), 6)
        2.0
    """
    return float(torch.special.entr(counts.double() / counts.sum()).sum().exp())
