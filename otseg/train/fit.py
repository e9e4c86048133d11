"""Train a model, and score it."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from otseg import checks
from otseg.data import SequenceDataset
from otseg.models import SegmentationModel
from otseg.train.callbacks import DegenerateSolutions, Epochs, Preparation
from otseg.train.config import TrainConfig
from otseg.train.folders import new_folder
from otseg.train.loaders import full_batches, model_input, training_batches
from otseg.train.module import SegmentationModule

try:
    from lightning import Trainer
    from lightning.pytorch.callbacks import ModelCheckpoint
    from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
except ModuleNotFoundError:
    checks.missing_extra("lightning", "train")

# What Lightning says about settings that are chosen here on purpose; nothing else is silenced.
_EXPECTED = (
    r".*does not have many workers",  # loading a few hundred frames takes less than starting a worker
    r"The dirpath has changed",  # a run that goes on writes into a folder of its own
    r".*smaller than the logging interval",
    r".*LeafSpec.* is deprecated",  # Lightning's own use of torch
    r"You defined a `validation_step` but have no `val_dataloader`",  # validation is the caller's choice
)


def fit(
    model: SegmentationModel,
    train: SequenceDataset,
    val: SequenceDataset | None = None,
    *,
    config: TrainConfig = TrainConfig(),  # noqa: B008 (frozen)
    folder: str | Path | None = None,
    ckpt_path: str | Path | None = None,
    **trainer: Any,
) -> Trainer:
    """Train a model in place with Lightning.

    Prototypes are initialized once, before the first step. Order and frames of an epoch depend on the seed and the
    epoch alone, so a run that is resumed from a checkpoint ends with the same weights, bit by bit, as one that was not
    interrupted (on the same machine). torch's global generator is seeded at the start of every epoch; seed it
    yourself before you build the model.

    Args:
        model: The model.
        train: Training sequences; labels are not used.
        val: Sequences to score after each epoch, all frames; they need labels. No scores if ``None``.
        config: Settings of the training.
        folder: Where to write ``checkpoints/epoch_<n>.ckpt`` (the last epoch), ``metrics.csv`` and TensorBoard's
            events; must be new or empty. Nothing is written if ``None``.
        ckpt_path: Checkpoint to go on from; give a new ``folder`` for the rest of the run.
        **trainer: Options of :class:`lightning.Trainer`, such as ``accelerator="gpu"``, ``precision="bf16-mixed"``,
            ``enable_progress_bar=False`` or ``callbacks`` to add.

    Returns:
        The trainer; ``trainer.lightning_module.history`` has the curves.

    Raises:
        ValueError: If ``folder`` is not empty, or the settings are not those of the checkpoint.

    Warns:
        UserWarning: If the trained model uses hardly any of its actions.
    """
    train = model_input(train, config)
    loader = training_batches(train, config)
    val_loader = None if val is None else full_batches(model_input(val, config))
    callbacks = [
        Preparation(training_batches(train, config)),
        Epochs(loader, config.seed),
        DegenerateSolutions(training_batches(train, config)),
        *trainer.pop("callbacks", ()),
    ]
    loggers: Any = False
    if folder is not None:
        folder = new_folder(folder)
        loggers = [CSVLogger(folder, name="", version=""), TensorBoardLogger(folder, name="", version="")]
        callbacks.append(
            ModelCheckpoint(
                folder / "checkpoints",
                filename="epoch_{epoch:04d}",
                auto_insert_metric_name=False,
                save_on_train_epoch_end=True,
            )
        )
    options = {
        "max_epochs": config.epochs,
        "devices": 1,
        "logger": loggers,
        "log_every_n_steps": len(loader),
        "num_sanity_val_steps": 0,
        "enable_checkpointing": folder is not None,
        "enable_model_summary": False,
        **trainer,
    }
    module = SegmentationModule(model, config, None if val is None else val.label_map)
    with _quiet():
        lightning = Trainer(callbacks=callbacks, **options)
        lightning.fit(module, loader, val_loader, ckpt_path=ckpt_path)
    return lightning


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's remarks about hardware and about choices that are made above."""
    log = logging.getLogger("lightning.pytorch")
    level = log.level
    with warnings.catch_warnings():
        for message in _EXPECTED:
            warnings.filterwarnings("ignore", message)
        log.setLevel(logging.WARNING)
        try:
            yield
        finally:
            log.setLevel(level)
