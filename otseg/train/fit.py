"""Train a model, and score it."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from otseg import checks
from otseg.data import SequenceDataset
from otseg.models import SegmentationModel
from otseg.train.callbacks import DegenerateSolutions, Epochs, Preparation
from otseg.train.config import TrainConfig
from otseg.train.files import AtomicCheckpoints, is_first_process
from otseg.train.folders import new_folder
from otseg.train.loaders import SegmentationData, model_input, training_batches
from otseg.train.loggers import default_loggers
from otseg.train.module import SegmentationModule
from otseg.train.progress import Progress

try:
    from lightning import Trainer
    from lightning.pytorch.callbacks import ModelCheckpoint
except ModuleNotFoundError:
    checks.missing_extra("lightning", "train")

# What Lightning says about settings that are chosen here on purpose; nothing else is silenced.
_EXPECTED = (
    r".*does not have many workers",  # loading a few hundred frames takes less than starting a worker
    r".*Checkpoint directory .* exists and is not empty",  # a run that is resumed
    r".*LeafSpec.* is deprecated",  # Lightning's own use of torch
    r".*recommended to use `self.log\(.*sync_dist=True",  # what the module logs is of all processes already
)


def fit(
    model: SegmentationModel,
    train: SequenceDataset,
    val: SequenceDataset | None = None,
    *,
    config: TrainConfig = TrainConfig(),  # noqa: B008 (frozen)
    folder: str | Path | None = None,
    resume: bool = False,
    **trainer: Any,
) -> Trainer:
    """Train a model in place with Lightning.

    Prototypes are initialized once, before the first step. Order and frames of an epoch depend on the seed and the
    epoch alone, so a run that was interrupted, even killed, and is resumed ends with the same weights, bit by bit, as
    one that was not (on the same machine). torch's global generator is seeded at the start of every epoch; seed it
    yourself before you build the model.

    With several processes, such as ``devices=2, strategy="ddp"``, each takes every second sequence of the order:
    together their batches are those of one process with twice the ``batch_size``, but for the last of an epoch, which
    is filled up. Validation scores every sequence once.

    Args:
        model: The model.
        train: Training sequences; labels are not used.
        val: Sequences to score after each epoch, all frames; they need labels. No scores if ``None``.
        config: Settings of the training.
        folder: Where to write ``checkpoints/last.ckpt`` after each epoch, ``metrics.csv`` and TensorBoard's events;
            must be new or empty unless ``resume``. Nothing is written if ``None``.
        resume: Whether to go on from the last checkpoint in ``folder``, if there is one.
        **trainer: Options of :class:`lightning.Trainer`, such as ``accelerator="gpu"``, ``precision="bf16-mixed"``,
            ``enable_progress_bar=False``; ``callbacks`` and ``logger`` (one or a list) add to those of otseg.

    Returns:
        The trainer; ``trainer.lightning_module.history`` has the curves.

    Raises:
        ValueError: If ``folder`` is not empty, or the settings are not those of the checkpoint.

    Warns:
        UserWarning: If the trained model uses hardly any of its actions.
    """
    given = trainer.pop("logger", None) or []
    loggers = list(given) if isinstance(given, (list, tuple)) else [given]
    model.train_settings = asdict(config)
    train = model_input(train, config)
    data = SegmentationData(train, None if val is None else model_input(val, config), config)
    callbacks = [
        Epochs(config.seed),  # before what may draw
        Preparation(training_batches(train, config)),
        DegenerateSolutions(training_batches(train, config)),
        *trainer.pop("callbacks", ()),
    ]
    if trainer.pop("enable_progress_bar", True) and not any(isinstance(x, Progress) for x in callbacks):
        callbacks.append(Progress())
    checkpoint = None
    if folder is not None:
        folder = Path(folder)
        if not resume and is_first_process():
            new_folder(folder)
        last = folder / "checkpoints" / "last.ckpt"
        checkpoint = last if resume and last.exists() else None
        loggers = [*default_loggers(folder), *loggers]
        callbacks.append(
            ModelCheckpoint(last.parent, last.stem, save_on_train_epoch_end=True, enable_version_counter=False)
        )
    options = {
        "max_epochs": config.epochs,
        "devices": 1,
        "logger": loggers,
        "log_every_n_steps": 1,  # only epochs are logged
        "num_sanity_val_steps": 0,
        "enable_checkpointing": folder is not None,
        "enable_model_summary": False,
        "enable_progress_bar": False,
        "use_distributed_sampler": False,  # SegmentationData does it
        **({"limit_val_batches": 0} if val is None else {}),
        "plugins": [AtomicCheckpoints()],
        **trainer,
    }
    module = SegmentationModule(model, config, val.label_map if val else None, len(val or ()))
    with _quiet():
        lightning = Trainer(callbacks=callbacks, **options)
        lightning.fit(module, datamodule=data, ckpt_path=checkpoint)
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
