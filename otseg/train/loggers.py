"""Where the curves of a training go: a CSV file always, TensorBoard if it is installed, Weights & Biases if asked."""

import csv
import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from otseg import checks
from otseg.train.files import replacing

try:
    from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
    from lightning.pytorch.utilities import rank_zero_only
except ModuleNotFoundError:
    checks.missing_extra("lightning", "train")


class EpochTable(Logger):
    """A CSV file with one row per epoch, counted from 1, and one column per name that is logged.

    The file is whole at every moment, and goes on where it was when a run is resumed.

    Args:
        path: The file.
    """

    name = version = ""  # of folders, of which there are none

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.rows: dict[int, dict[str, str]] = {}
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                self.rows = {int(row["epoch"]): row for row in csv.DictReader(file)}

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Set the values of an epoch; those of later epochs, from before a resume, are dropped."""
        epoch = int(metrics["epoch"]) + 1
        self.rows = {number: row for number, row in self.rows.items() if number <= epoch}
        values = {name: repr(float(value)) for name, value in metrics.items() if name != "epoch"}
        self.rows.setdefault(epoch, {"epoch": str(epoch)}).update(values)
        names = dict.fromkeys(name for row in self.rows.values() for name in row)
        with replacing(self.path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(names), restval="")
            writer.writeheader()
            writer.writerows(self.rows[number] for number in sorted(self.rows))

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: the settings are in the checkpoint and in the files of an experiment."""


def read_history(path: Path) -> dict[str, dict[int, float]]:
    """The curves in a file of :class:`EpochTable`: for every name its value after each epoch.

    Args:
        path: The file.
    """
    history: dict[str, dict[int, float]] = {}
    for epoch, row in EpochTable(path).rows.items():
        for name, value in row.items():
            if name != "epoch" and value:
                history.setdefault(name, {})[epoch] = float(value)
    return history


def default_loggers(folder: Path) -> list[Any]:
    """CSV, and TensorBoard if it is installed.

    Args:
        folder: Folder of the training.
    """
    loggers: list[Any] = [EpochTable(folder / "metrics.csv")]
    if importlib.util.find_spec("tensorboard") is not None:
        loggers.append(TensorBoardLogger(folder, name="", version=""))
    return loggers


def wandb_logger(project: str, name: str, folder: Path, *, group: str | None = None) -> Any:
    """A logger for Weights & Biases; needs the extra ``wandb``.

    A run that is started again, in the same folder, goes on as the same run there. ``WANDB_MODE=offline`` in the
    environment writes to the folder only, for ``wandb sync`` later.

    Args:
        project: Name of the project there.
        name: Name of the run.
        folder: Folder of the run, for local files.
        group: Runs that belong together, such as the seeds of an experiment.
    """
    if importlib.util.find_spec("wandb") is None:
        checks.missing_extra("wandb", "wandb")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "wandb_id"
    if not file.exists():
        with replacing(file) as partial:
            partial.write_text(os.urandom(6).hex(), encoding="utf-8")
    identity = file.read_text(encoding="utf-8")
    return WandbLogger(name=name, save_dir=folder, id=identity, project=project, group=group, resume="allow")
