"""A thin LightningModule around any segmentation model."""

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from otseg import checks
from otseg.data import LabelMap
from otseg.metrics.streaming import SegmentationMetrics
from otseg.models import SegmentationModel
from otseg.train.config import TrainConfig
from otseg.types import Batch

try:
    from lightning import LightningModule
except ModuleNotFoundError:
    checks.missing_extra("lightning", "train")


class SegmentationModule(LightningModule):
    """Trains a model with Adam on the sum of its loss terms, and scores it on validation data.

    Logs, once per epoch, ``train/<term>`` and ``train/loss``, and after a validation ``val/<metric>`` of
    :func:`otseg.metrics.evaluate` with one matching of all sequences.

    Args:
        model: The model.
        config: Settings of the training.
        label_map: Coarser classes to validate with, see :class:`otseg.data.SequenceDataset`.
        n_val: Number of sequences to validate with.

    Attributes:
        history: For every name that is logged its value after each epoch, counted from 1; goes on after a resume.
        first_epoch: Number of epochs that a resumed run had done before.
    """

    def __init__(
        self, model: SegmentationModel, config: TrainConfig, label_map: LabelMap | None = None, n_val: int = 0
    ) -> None:
        super().__init__()
        self.model, self.config, self.label_map, self.n_val = model, config, label_map, n_val
        self.metrics = SegmentationMetrics(ignore_labels=(-1,))
        self.history: dict[str, dict[int, float]] = {}
        self.first_epoch = 0
        self._sums: dict[str, Tensor] = {}
        self._n_sequences = 0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam over all parameters."""
        config = self.config
        return torch.optim.Adam(self.model.parameters(), config.learning_rate, weight_decay=config.weight_decay)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The loss of a batch. Terms are summed here and logged per epoch: logging every step costs more than it."""
        terms = self.model.loss(batch)
        loss = torch.stack(list(terms.values())).sum()
        weight = len(batch.features)
        for name, value in {**terms, "loss": loss}.items():
            self._sums[name] = self._sums.get(name, 0) + value.detach() * weight
        self._n_sequences += weight
        return loss

    def on_train_epoch_end(self) -> None:
        """Log the means over the sequences of the epoch, those of all processes."""
        strategy = self.trainer.strategy
        n = strategy.reduce(torch.tensor(float(self._n_sequences), device=self.device), reduce_op="sum")
        means = {f"train/{name}": strategy.reduce(value, reduce_op="sum") / n for name, value in self._sums.items()}
        self._sums, self._n_sequences = {}, 0
        self._log_epoch(means)

    def validation_step(self, batch: Batch, index: int) -> None:
        """Segment the sequences of a batch, all frames, and keep the labels until the end of the validation."""
        fix = "Validate on labeled data, or leave `val` out."
        labeled = batch.labels is not None
        checks.require(labeled, "val", "a data set with labels", f"none for {list(batch.names)}", fix)
        assert batch.labels is not None
        if index * self.trainer.world_size + self.trainer.global_rank >= self.n_val:
            return  # seen by another process: see full_batches
        target = batch.labels if self.label_map is None else self.label_map.apply(batch.labels)
        labels = self.model.segment(batch.features, batch.mask).labels()
        self.metrics.update(labels, target, batch.mask, batch.activities)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of all sequences."""
        values = {f"val/{name}": value.float() for name, value in self.metrics.compute().items()}
        self.metrics.reset()
        self._log_epoch(values)

    def _log_epoch(self, values: dict[str, Tensor]) -> None:
        for name, value in values.items():
            self.log(name, value, prog_bar=name in ("train/loss", "val/mof"))
            self.history.setdefault(name, {})[self.current_epoch + 1] = float(value)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the history, and the settings to refuse a resume with other ones."""
        checkpoint["otseg"] = {**self._settings(), "history": self.history}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up the history; refuse settings that differ from those saved, other than the number of epochs."""
        saved = checkpoint["otseg"]
        for part, settings in self._settings().items():
            for name, value in settings.items():
                found = saved.get(part, settings).get(name)
                fix = "A run is resumed with its own settings; only `epochs` may change."
                same = name == "epochs" or found == value
                checks.require(same, name, f"{found!r}, as in the checkpoint", repr(value), fix)
        self.history = saved["history"]
        self.first_epoch = len(self.history["train/loss"])

    def _settings(self) -> dict[str, dict[str, Any]]:
        processes = {"processes": self.trainer.world_size}  # which share a batch
        return {"model": asdict(self.model.config), "train": asdict(self.config), "trainer": processes}
