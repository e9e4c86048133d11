"""One line on standard error that says how far a training is."""

import sys
from typing import Any

from otseg import checks

try:
    from lightning import Callback, LightningModule, Trainer
    from tqdm import tqdm
except ModuleNotFoundError:
    checks.missing_extra("lightning", "train")


class Progress(Callback):
    """A bar over all steps of all epochs, with the last loss; standard output stays free for results.

    Args:
        title: What is trained, at the start of the line.
    """

    def __init__(self, title: str = "") -> None:
        self.title = title
        self.bar: Any = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar, where a resumed training goes on."""
        if trainer.is_global_zero and trainer.max_epochs is not None and trainer.max_epochs > 0:
            total = trainer.max_epochs * int(trainer.num_training_batches)
            done = trainer.current_epoch * int(trainer.num_training_batches)
            self.bar = tqdm(total=total, initial=done, desc=self.title, unit="step", file=sys.stderr, mininterval=0.5)

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        """Move on."""
        if self.bar is not None:
            self.bar.update()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show epoch and loss."""
        loss = trainer.callback_metrics.get("train/loss")
        if self.bar is not None:
            values = {"epoch": f"{trainer.current_epoch + 1}/{trainer.max_epochs}"}
            self.bar.set_postfix(values if loss is None else {**values, "loss": f"{float(loss):.3f}"}, refresh=False)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Close the bar."""
        self.on_train_end(trainer, pl_module)
