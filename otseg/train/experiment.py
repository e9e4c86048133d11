"""All activities of a data set, several seeds: trained, scored, and written down, whatever interrupts it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from otseg import checks
from otseg.data import SequenceDataset
from otseg.train.checkpoint import load_model
from otseg.train.evaluation import segment_dataset
from otseg.train.files import is_first_process
from otseg.train.results import Results
from otseg.train.run import Run, label_scores
from otseg.train.settings import Settings


def run_experiment(
    settings: Settings,
    data: SequenceDataset,
    *,
    folder: str | Path,
    seeds: Sequence[int] = (0,),
    restarts: int = 1,
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

    With several processes (``devices=2, strategy="ddp"``) all of them call this with the same arguments, and train as
    in :func:`otseg.train.fit`. The first one scores and writes, the others get its records; all must see the same
    files in ``folder``. An interrupted run goes on with the same number of processes only, for another one would
    train on other batches.

    Args:
        settings: Method and settings, see :func:`make_settings`.
        data: Sequences of all activities; an activity is read into memory while it is trained. Labels are used for
            scores only; without any there are none.
        folder: Where to write.
        seeds: Seeds.
        restarts: Starts of every run, of which that with the lowest training loss is kept, see
            :func:`otseg.train.fit_restarts`; each costs a whole training. If above 1, ``training/`` has a folder for
            each, ``seed_<n>``. The record has all losses (``restart_losses``) and the ``chosen_seed``.
        activities: Activities to train; all if ``None``.
        validate: Whether to score after epochs, too, for the curves (``check_val_every_n_epoch`` says after which).
        progress: Whether to show a bar on the standard error.
        wandb: Project at Weights & Biases to log to as well, which needs the extra ``wandb``.
        **trainer: Options of :class:`lightning.Trainer`, such as ``accelerator="gpu"``.

    Returns:
        The numbers of all runs.

    Raises:
        ValueError: If a setting is wrong, or the folder holds runs with other settings.
    """
    folder = Path(folder)
    checks.require(len(seeds) > 0, "seeds", "at least one seed", "none")
    checks.number("restarts", restarts, 1, integer=True)
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
            run = Run(settings.method, model_config, replace(base, seed=seed), part, folder, restarts)
            record = run.record()
            if record is None:
                loaded = loaded or part.load()
                record = run.train(loaded, validate=validate, progress=progress, wandb=wandb, **trainer)
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
            runs.append({**record, **label_scores(segment_dataset(model, part, config=config), part, **protocol)})
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
        segment: From the sequences of an activity to their labels, such as :func:`otseg.models.uniform_split`.
        data: Sequences with labels.
        activities: Activities to score; all if ``None``.
        **protocol: Options of :func:`otseg.metrics.evaluate`, other than the scope.
    """
    runs = []
    for activity in data.activities if activities is None else activities:
        part = data.subset(activity)
        runs.append({"activity": activity, "seed": 0, **label_scores(segment(part), part, **protocol)})
    return Results(title, runs, {"source": title, "published": False})
