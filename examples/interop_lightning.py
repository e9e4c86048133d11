"""otseg with Lightning, in two ways: inside a LightningModule of yours, and with the module that comes ready-made.

    python examples/interop_lightning.py

1. ``PseudoLabels`` is your own module, with your network and your optimizer: its training step asks ``gromov_ot`` for
   pseudo-labels, its validation feeds ``SegmentationMetrics``, which score all videos with one matching, also where
   several processes saw them.
2. ``SegmentationModule`` wraps any model of otseg for a Trainer of yours; two callbacks prepare the prototypes and tell
   loader and model their epoch. ``otseg.train.fit`` is this and checkpoints, loggers and an exact resume.

Both train on the same drawn activity, without its labels. Needs the extra ``train``.
"""

import logging
import time
import warnings
from typing import Any

import torch
from lightning import LightningModule, Trainer
from torch import nn
from torch.utils.data import DataLoader

import otseg
from otseg.costs import cosine
from otseg.data import SampledDataset, SequenceDataset, collate, make_activity
from otseg.metrics.streaming import SegmentationMetrics
from otseg.models import ASOT, ASOTConfig
from otseg.nn import pseudo_label_cross_entropy
from otseg.train import TrainConfig
from otseg.train.callbacks import Epochs, Preparation
from otseg.train.loaders import SegmentationData, training_batches
from otseg.train.module import SegmentationModule
from otseg.types import Batch

N_ACTIONS = 4
EPOCHS = 8


class PseudoLabels(LightningModule):
    """Your module: an encoder and prototypes that learn from plans."""

    def __init__(self, n_features: int, size: int = 24) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(n_features, 64), nn.GELU(), nn.Linear(64, size), nn.LayerNorm(size))
        self.prototypes = nn.Parameter(torch.randn(N_ACTIONS, size))
        self.metrics = SegmentationMetrics(N_ACTIONS)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """The cost of every frame and action, ``(B, N, K)``."""
        return cosine(self.encoder(features), self.prototypes)

    def plan(self, cost: torch.Tensor, mask: torch.Tensor) -> otseg.OTResult:
        """Neighboring frames share an action, the actions come roughly in order, their shares may differ."""
        options: dict[str, Any] = {"epsilon": 0.07, "alpha": 0.4, "radius": 0.04, "order": 0.2, "rho_b": 0.1}
        return otseg.gromov_ot(cost.detach(), mask=mask, grad="none", **options)

    def training_step(self, batch: Batch, index: int) -> torch.Tensor:
        """Cross-entropy against the plan; ``batch.labels`` is not looked at."""
        cost = self(batch.features)
        loss = pseudo_label_cross_entropy(-cost / 0.1, self.plan(cost, batch.mask).plan, batch.mask)
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=len(batch.features))
        return loss

    def validation_step(self, batch: Batch, index: int) -> None:
        """Labels of all frames, kept until the end."""
        labels = self.plan(self(batch.features), batch.mask).labels()
        assert batch.labels is not None
        self.metrics.update(labels, batch.labels, batch.mask)

    def on_validation_epoch_end(self) -> None:
        """One matching for all videos."""
        self.log_dict({f"val/{name}": value.float() for name, value in self.metrics.compute().items()})
        self.metrics.reset()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Yours."""
        return torch.optim.AdamW(self.parameters(), lr=5e-3)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Lightning does not know how to move a Batch."""
        return batch.to(device)


def new_trainer(**options: Any) -> Trainer:
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return Trainer(accelerator="cpu", max_epochs=EPOCHS, num_sanity_val_steps=0, **quiet, **options)


def your_module(data: SequenceDataset) -> dict[str, float]:
    """A module, loaders and a Trainer of your own."""
    torch.manual_seed(0)
    module = PseudoLabels(data.n_features)
    drawn = SampledDataset(data, 64)  # 64 frames of every video; `data` itself gives all frames
    train = DataLoader(drawn, batch_size=4, shuffle=True, collate_fn=collate)
    trainer = new_trainer()
    trainer.fit(module, train, DataLoader(data, batch_size=4, collate_fn=collate))
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def ready_made(data: SequenceDataset) -> dict[str, float]:
    """A model of otseg in a Trainer of your own."""
    torch.manual_seed(0)
    model = ASOT(ASOTConfig(n_actions=N_ACTIONS, n_features=data.n_features, layers=(32, 24)))
    config = TrainConfig(epochs=EPOCHS, batch_size=4, n_samples=64, learning_rate=5e-3, standardize=False)
    module = SegmentationModule(model, config, n_val=len(data))
    callbacks = [Epochs(config.seed), Preparation(training_batches(data, config))]
    trainer = new_trainer(callbacks=callbacks, use_distributed_sampler=False)
    trainer.fit(module, datamodule=SegmentationData(data, data, config))
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def main() -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers")  # the data is in memory
    warnings.filterwarnings("ignore", message=".*LeafSpec.* is deprecated")  # Lightning's own use of torch
    generator = torch.Generator().manual_seed(0)
    data = make_activity(12, N_ACTIONS, 16, n_frames=(100, 160), difficulty=0.3, generator=generator)
    data = data.standardize(scale=data.n_features**-0.5).load()

    print(f"{'':<28} {'loss':>6} {'MoF':>6} {'F1@50':>6} {'edit':>6}   {EPOCHS} epochs, {len(data)} videos")
    for name, train in (("your LightningModule", your_module), ("SegmentationModule of ASOT", ready_made)):
        begin = time.perf_counter()
        found = train(data)
        scores = " ".join(f"{found[f'val/{metric}']:>6.1%}" for metric in ("mof", "f1_50", "edit"))
        print(f"{name:<28} {found['train/loss']:>6.3f} {scores}   {time.perf_counter() - begin:.0f} s")
        assert found["val/mof"] > 0.6, found
    print("\nScores of all frames of all videos under one matching, as they are logged after the last epoch (val/...).")
    print("Both give most frames to the right action. The losses are those of two networks: not to be compared.")


if __name__ == "__main__":
    main()
