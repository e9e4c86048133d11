"""All activities of a data set, several seeds: trained, scored, and written down, whatever interrupts it."""

import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from otseg import __version__, checks
from otseg.data import SequenceDataset
from otseg.models import SegmentationModel
from otseg.ops._backend import backend_info
from otseg.train.checkpoint import load_model, save_model
from otseg.train.config import TrainConfig
from otseg.train.evaluation import evaluate_labels, segment_dataset
from otseg.train.files import is_first_process, write_json
from otseg.train.fit import fit
from otseg.train.loggers import wandb_logger
from otseg.train.progress import Progress
from otseg.train.records import write_records
from otseg.train.results import SCOPES, Results
from otseg.train.settings import Settings

try:
    import lightning
except ModuleNotFoundError:
    checks.missing_extra("lightning", "train")


def run_experiment(
    settings: Settings,
    data: SequenceDataset,
    *,
    folder: str | Path,
    seeds: Sequence[int] = (0,),
    activities: Sequence[str] | None = None,
    validate: bool = False,
    progress: bool = True,
    wandb: str | None = None,
    **trainer: Any,
) -> Results:
    """Train one model for every activity and seed, and score them.

    Every run has its own folder, ``<folder>/<activity>/seed_<seed>`` with ``model.safetensors``, ``run.json`` (its
    scores and settings), ``segments.json`` and ``embedding.json`` (what ``otseg report`` shows of the sequences) and
    ``training/`` (curves and the last checkpoint); ``results.json``, ``results.md`` and
    ``results.tex`` in ``folder`` have the table of all. If the folder holds runs of the same settings already, those
    that are finished are kept, and one that was interrupted goes on from its last epoch: call this again with the same
    arguments, and it ends as if nothing had happened. Seeds and activities may be added that way, too.

    Args:
        settings: Method and settings, see :func:`make_settings`.
        data: Sequences of all activities; an activity is read into memory while it is trained. Labels are used for
            scores only; without any there are none.
        folder: Where to write.
        seeds: Seeds.
        activities: Activities to train; all if ``None``.
        validate: Whether to score after epochs, too, for the curves (``check_val_every_n_epoch`` says after which).
        progress: Whether to show a bar on the standard error.
        wandb: Project at Weights & Biases to log to as well; needs the extra ``wandb``.
        **trainer: Options of :class:`lightning.Trainer`, such as ``accelerator="gpu"``.

    Returns:
        The numbers of all runs.

    Raises:
        ValueError: If a setting is wrong, or the folder holds runs with other settings.
    """
    folder = Path(folder)
    checks.require(len(seeds) > 0, "seeds", "at least one seed", "none")
    chosen = tuple(data.activities if activities is None else activities)
    for activity in chosen:
        checks.choice("activities", activity, data.activities)
    parts = {activity: data.subset(activity) for activity in chosen}
    configs = {activity: settings.configs(part) for activity, part in parts.items()}  # all errors before any work
    runs = []
    for activity, part in parts.items():
        model_config, base = configs[activity]
        loaded = None
        for seed in seeds:
            config, place = replace(base, seed=seed), run_folder(folder, activity, seed)
            record = _finished(place, model_config, config, part)
            if record is None:
                title = f"{activity + ', ' if activity else ''}seed {seed}"
                options = {**trainer, "enable_progress_bar": progress}
                if wandb is not None:
                    name = f"{settings.method.title} {title}"
                    options["logger"] = wandb_logger(wandb, name, place / "wandb", group=str(folder.resolve().name))
                if progress:
                    options["callbacks"] = [*trainer.get("callbacks", ()), Progress(title)]
                loaded = loaded or part.load()
                model = new_model(settings.method.model, model_config, seed)
                record = _run(model, loaded, config, place, loaded if validate else None, options)
            runs.append(record)
    asked = {"source": settings.source, "published": settings.published, "benchmark": settings.benchmark}
    results = Results(settings.method.title, runs, asked)
    if is_first_process():
        results.write(folder)
    return results


def evaluate_experiment(folder: str | Path, data: SequenceDataset, **protocol: Any) -> Results:
    """Score the models of an experiment on a data set, such as one that they were not trained on.

    Args:
        folder: Folder of :func:`run_experiment`.
        data: Sequences with labels; activities without a model are left out.
        **protocol: Options of :func:`otseg.metrics.evaluate`, other than the scope.

    Raises:
        FileNotFoundError: If there is no model in the folder for any of the activities.
    """
    runs = []
    for path in sorted(Path(folder).glob("*/seed_*/run.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["activity"] in data.activities:
            model, config = load_model(path.parent / "model.safetensors")
            part = data.subset(record["activity"])
            labels = segment_dataset(model, part, config=config)
            runs.append({**record, **_scores(labels, part, **protocol)})
    if not runs:
        fix = "Give the folder of `otseg train`, and data with the activities it was trained on."
        checks.fail_file(folder, "holds no finished runs of these activities", fix, FileNotFoundError)
    title = type(model).__name__
    return Results(title, runs, {"source": str(folder), "published": False})


def evaluate_baseline(
    title: str,
    segment: Callable[[SequenceDataset], list[Tensor]],
    data: SequenceDataset,
    *,
    activities: Sequence[str] | None = None,
    **protocol: Any,
) -> Results:
    """Score a function that labels all sequences of an activity, as if it were a model with one seed.

    Args:
        title: Its name in tables.
        segment: From the sequences of an activity to their labels, such as :func:`otseg.models.kmeans_frames`.
        data: Sequences with labels.
        activities: Activities to score; all if ``None``.
        **protocol: Options of :func:`otseg.metrics.evaluate`, other than the scope.
    """
    runs = []
    for activity in data.activities if activities is None else activities:
        part = data.subset(activity)
        runs.append({"activity": activity, "seed": 0, **_score_labels(segment(part), part, **protocol)})
    return Results(title, runs, {"source": title, "published": False})


def new_model(model: type[SegmentationModel], config: Any, seed: int) -> SegmentationModel:
    """A model whose weights are a function of the seed; torch's global generator is left as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return model(config)


def run_folder(folder: Path, activity: str, seed: int) -> Path:
    """Where a run of an experiment is."""
    return folder / (activity or "all") / f"seed_{seed}"


def _finished(place: Path, model_config: Any, config: TrainConfig, data: SequenceDataset) -> Mapping[str, Any] | None:
    """The record of a run that is finished; an error if it had other settings or sequences."""
    path = place / "run.json"
    if not path.exists():
        return None
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    asked = json.loads(json.dumps(_identity(model_config, config, data)))
    for part, values in asked.items():
        for name, value in values.items():
            if record[part].get(name) != value:
                found = f"was run with {name} = {record[part].get(name)!r}, not {value!r}"
                checks.fail_file(path, found, "Name another folder, or remove this run yourself.")
    return record


def _identity(model_config: Any, config: TrainConfig, data: SequenceDataset) -> dict[str, dict[str, Any]]:
    return {
        "model_config": asdict(model_config),
        "train_config": asdict(config),
        "data": {"names": list(data.names)},
    }


def _run(
    model: SegmentationModel,
    data: SequenceDataset,
    config: TrainConfig,
    place: Path,
    val: SequenceDataset | None,
    options: Mapping[str, Any],
) -> Mapping[str, Any]:
    """Train, score, and write the record last: a run with a record is finished."""
    start = time.perf_counter()
    trainer = fit(model, data, val, config=config, folder=place / "training", resume=True, **options)
    seconds = time.perf_counter() - start
    module: Any = trainer.lightning_module
    labels = segment_dataset(model.to(trainer.strategy.root_device), data, config=config)
    record = {
        "method": type(model).__name__,
        "activity": data.activities[0],
        "seed": config.seed,
        **_scores(labels, data),
        "loss": module.history["train/loss"][config.epochs],
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seconds_per_epoch": seconds / max(1, config.epochs - module.first_epoch),
        **_identity(model.config, config, data),
        "versions": {
            "otseg": __version__,
            "torch": torch.__version__,
            "lightning": lightning.__version__,
            "python": platform.python_version(),
            "device": str(trainer.strategy.root_device),
            "kernels": backend_info().get(trainer.strategy.root_device.type, "none").partition(" from")[0],
        },
    }
    if is_first_process():
        (place / "model.safetensors").unlink(missing_ok=True)  # of a run that was killed between these lines
        save_model(model, place / "model.safetensors", config)
        write_records(place, model, data, config, labels)
        write_json(place / "run.json", record)
    return record


def _scores(labels: list[Tensor], data: SequenceDataset, **protocol: Any) -> dict[str, Any]:
    """The metrics in every scope, with their rules; empty without ground truth."""
    if any(source.labels is None for source in data.sources):
        return {"n_videos": len(labels), "n_frames": sum(map(len, labels)), "scores": {}, "rules": ""}
    return _score_labels(labels, data, **protocol)


def _score_labels(labels: list[Tensor], data: SequenceDataset, **protocol: Any) -> dict[str, Any]:
    found = {scope: evaluate_labels(labels, data, scope=scope, **protocol) for scope in SCOPES}
    rules = found["activity"].protocol
    return {
        "n_videos": rules.n_videos,
        "n_frames": rules.n_frames,
        "scores": {scope: evaluation.values for scope, evaluation in found.items()},
        "rules": f"unmatched={rules.unmatched}, ignore_labels={list(rules.ignore_labels)}, "
        f"background={list(rules.background)}",
    }
