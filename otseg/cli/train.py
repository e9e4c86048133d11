"""`otseg train`: all activities of a data set, several seeds, one table."""

from pathlib import Path
from typing import Any

import click

from otseg.cli._common import Command, Outcome
from otseg.cli._folder import FOLDER, folder_arguments, folder_options
from otseg.cli._training import TRAINER, NumberOfActions, only_first_process, training_options
from otseg.data import load_folder
from otseg.models import METHODS


@click.command(
    cls=Command,
    examples=[
        "otseg train my_recordings --model clot --n-actions 6",
        "otseg train Breakfast --dataset breakfast --activity coffee,tea --seeds 0-4",
        "otseg train my_recordings --config settings.toml --set train.epochs=30 --output runs/mine",
    ],
)
@click.argument("folder", type=FOLDER)
@click.option("--model", "method", type=click.Choice(list(METHODS)), default="clot", help="What to train.")
@click.option("--config", type=click.Path(path_type=Path), help="TOML file with the tables [model] and [train].")
@click.option(
    "--n-actions",
    type=NumberOfActions(),
    help="Actions to look for; auto: estimated from the features; those of the labels if left out.",
)
@click.option("--restarts", type=click.IntRange(1), default=1, help="Starts; that of the lowest training loss is kept.")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="Default: runs/<model>-<data>.")
@training_options
@folder_options
def train(
    folder: Path,
    method: str,
    config: Path | None,
    n_actions: int | str | None,
    restarts: int,
    output: Path | None,
    seeds: tuple[int, ...],
    overrides: tuple[str, ...],
    dataset: str | None,
    activity: str | None,
    **options: Any,
) -> Outcome:
    """Train a model on the sequences in FOLDER, without their labels, and score it.

    One model is trained for every activity and seed; --activity may name several, separated by commas. With --dataset
    the settings are those of the benchmark; --config, --n-actions and --set replace them. A run that was interrupted,
    even killed, goes on when the same command is given again, and ends as if nothing had happened.
    """
    from otseg.train import make_settings, run_experiment  # takes seconds

    trainer = {name: options.pop(name) for name in TRAINER}
    number = [] if n_actions is None else [f"model.n_actions={n_actions}"]
    settings = make_settings(method, dataset, file=config, overrides=[*number, *overrides])
    data = load_folder(folder, **folder_arguments(dataset, **options))
    output = output or Path("runs") / f"{method}-{dataset or folder.resolve().name}"
    activities = None if activity is None else activity.split(",")
    results = run_experiment(
        settings, data, folder=output, seeds=seeds, restarts=restarts, activities=activities, **trainer
    )
    only_first_process()
    return Outcome({"folder": output, **results.as_dict()}, f"{results.markdown()}\n{_written(output)}")


def _written(output: Path) -> str:
    """Where the models are, and what to do with them."""
    models = sorted(output.glob("*/*/model.safetensors"))
    lines = [f"Written to {output}", f"Look at the run with: otseg report {output}"]
    if models:
        lines.append(f"Segment recordings with: otseg segment {models[0].parent} FILES...")
    return "\n".join(lines)
