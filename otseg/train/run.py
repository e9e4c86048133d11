"""One run of an experiment: a model of one activity and seed, trained, scored, and written down."""

import json
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from otseg import __version__, checks
from otseg.data import SequenceDataset
from otseg.models import Method, SegmentationModel
from otseg.ops._backend import backend_info
from otseg.train.checkpoint import save_model
from otseg.train.config import TrainConfig
from otseg.train.evaluation import evaluate_labels, segment_dataset
from otseg.train.files import is_first_process, write_json
from otseg.train.fit import fit
from otseg.train.loggers import wandb_logger
from otseg.train.progress import Progress
from otseg.train.records import write_records
from otseg.train.restarts import best_start
from otseg.train.results import SCOPES

try:
    import lightning
    from lightning import Trainer
except ModuleNotFoundError:
    checks.missing_extra("lightning", "train")


@dataclass(frozen=True, eq=False)
class Run:
    """What one run trains, and where it writes.

    Attributes:
        method: The method.
        model_config: Settings of its model.
        config: Settings of the training, with the seed of this run.
        data: Sequences of the activity.
        folder: Folder of the experiment.
        restarts: Number of starts.
    """

    method: Method
    model_config: Any
    config: TrainConfig
    data: SequenceDataset
    folder: Path
    restarts: int = 1

    @property
    def place(self) -> Path:
        """Folder of this run."""
        return run_folder(self.folder, self.data.activities[0], self.config.seed)

    def record(self) -> Mapping[str, Any] | None:
        """The record of this run if it is finished, else ``None``.

        Raises:
            ValueError: If it was run with other settings or sequences.
        """
        path = self.place / "run.json"
        if not path.exists():
            return None
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        asked = json.loads(json.dumps(self._identity()))
        found = {**record, "experiment": {"restarts": len(record.get("restart_losses", [0]))}}
        for part, values in asked.items():
            for name, value in values.items():
                if found[part].get(name) != value:
                    problem = f"was run with {name} = {found[part].get(name)!r}, not {value!r}"
                    checks.fail_file(path, problem, "Name another folder, or remove this run yourself.")
        return record

    def train(
        self,
        data: SequenceDataset,
        *,
        validate: bool = False,
        progress: bool = True,
        wandb: str | None = None,
        **trainer: Any,
    ) -> Mapping[str, Any]:
        """Train, score, and write the record last: a run with a record is finished.

        Of several processes the first scores and writes; all get its record.

        Args:
            data: The sequences, in memory.
            validate: As in :func:`otseg.train.run_experiment`, like all that follow.
            progress: Whether to show a bar.
            wandb: Project at Weights & Biases.
            **trainer: Options of :class:`lightning.Trainer`.
        """
        epochs = 0

        def start(seed: int) -> Trainer:
            nonlocal epochs
            options = {"enable_progress_bar": progress, **self._reports(seed, progress, wandb, trainer)}
            model = new_model(self.method.model, self.model_config, seed)
            config, val = replace(self.config, seed=seed), data if validate else None
            where = self.place / "training" / self._start(seed)
            done = fit(model, data, val, config=config, folder=where, resume=True, **options)
            module: Any = done.lightning_module
            epochs += config.epochs - module.first_epoch
            return done

        begin = time.perf_counter()
        best = best_start(start, self.config.seed, self.restarts)
        seconds = time.perf_counter() - begin
        strategy = best.trainer.strategy
        record: Mapping[str, Any] = {}
        if best.trainer.is_global_zero:
            model = best.model.to(strategy.root_device)
            labels = segment_dataset(model, data, config=self.config)
            record = {
                "method": type(model).__name__,
                "activity": data.activities[0],
                "seed": self.config.seed,
                **label_scores(labels, data),
                "loss": best.losses[best.seed],
                "restart_losses": {str(seed): loss for seed, loss in best.losses.items()},
                "chosen_seed": best.seed,
                "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                "seconds_per_epoch": seconds / max(1, epochs),
                **self._identity(),
                "versions": {
                    "otseg": __version__,
                    "torch": torch.__version__,
                    "lightning": lightning.__version__,
                    "python": platform.python_version(),
                    "device": str(strategy.root_device),
                    "processes": best.trainer.world_size,
                    "kernels": backend_info().get(strategy.root_device.type, "none").partition(" from")[0],
                },
            }
            path = self.place / "model.safetensors"
            path.unlink(missing_ok=True)  # of a run that was killed between these lines
            save_model(model, path, replace(self.config, seed=best.seed))
            write_records(self.place, model, data, self.config, labels)
            write_json(self.place / "run.json", record)
        agreed: Mapping[str, Any] = strategy.broadcast(record)
        return agreed

    def _start(self, seed: int) -> str:
        """Sub-folder of one of several starts; a single one needs none."""
        return f"seed_{seed}" if self.restarts > 1 else ""

    def _reports(self, seed: int, progress: bool, wandb: str | None, trainer: Mapping[str, Any]) -> dict[str, Any]:
        """The options of the trainer, with what shows or logs a start under its own title."""
        options, activity = dict(trainer), self.data.activities[0]
        title = f"{activity + ', ' if activity else ''}seed {self.config.seed}"
        title += f", start {seed}" if self.restarts > 1 else ""
        if wandb is not None and is_first_process():
            where, group = self.place / "wandb" / self._start(seed), self.folder.resolve().name
            options["logger"] = wandb_logger(wandb, f"{self.method.title} {title}", where, group=group)
        if progress:
            options["callbacks"] = [*trainer.get("callbacks", ()), Progress(title)]
        return options

    def _identity(self) -> dict[str, dict[str, Any]]:
        """What two runs of the same folder must share."""
        return {
            "model_config": asdict(self.model_config),
            "train_config": asdict(self.config),
            "data": {"names": list(self.data.names)},
            "experiment": {"restarts": self.restarts},
        }


def new_model(model: type[SegmentationModel], config: Any, seed: int) -> SegmentationModel:
    """A model whose weights are a function of the seed; torch's global generator is left as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return model(config)


def run_folder(folder: Path, activity: str, seed: int) -> Path:
    """Where a run of an experiment is."""
    return folder / (activity or "all") / f"seed_{seed}"


def label_scores(labels: list[Tensor], data: SequenceDataset, **protocol: Any) -> dict[str, Any]:
    """The metrics of labels in every scope, with their rules; empty without ground truth."""
    if any(source.labels is None for source in data.sources):
        return {"n_videos": len(labels), "n_frames": sum(map(len, labels)), "scores": {}, "rules": ""}
    found = {scope: evaluate_labels(labels, data, scope=scope, **protocol) for scope in SCOPES}
    rules = found["activity"].protocol
    return {
        "n_videos": rules.n_videos,
        "n_frames": rules.n_frames,
        "scores": {scope: evaluation.values for scope, evaluation in found.items()},
        "rules": f"unmatched={rules.unmatched}, ignore_labels={list(rules.ignore_labels)}, "
        f"background={list(rules.background)}",
    }
