"""`otseg eval`: the scores of a trained model, or of all models of an experiment."""

from pathlib import Path
from typing import Any

import click

from otseg.cli._common import Command, Outcome
from otseg.cli._folder import FOLDER, folder_arguments, folder_options
from otseg.data import load_folder


@click.command(
    "eval",
    cls=Command,
    examples=[
        "otseg eval runs/clot-breakfast Breakfast --dataset breakfast",
        "otseg eval model.safetensors my_recordings --scope video",
    ],
)
@click.argument("model")
@click.argument("folder", type=FOLDER)
@click.option("--scope", type=click.Choice(["global", "activity", "video"]), default="global", help="One model only.")
@click.option(
    "--unmatched",
    type=click.Choice(["ignore", "background", "error"]),
    default="ignore",
    help="What becomes of clusters without a class.",
)
@folder_options
def evaluate(model: str, folder: Path, scope: str, unmatched: str, dataset: str | None, **options: Any) -> Outcome:
    """Score MODEL on the labeled sequences in FOLDER.

    MODEL is a file of `otseg train`, a folder that holds model.safetensors, a name on the Hugging Face Hub, or the
    folder of an experiment, whose models are scored each on its own activity. --scope says which sequences share one
    matching of clusters and classes.
    """
    from otseg.train import evaluate_experiment, evaluate_model, load_model  # takes seconds

    data = load_folder(folder, **folder_arguments(dataset, **options))
    if (Path(model) / "results.json").is_file():
        results = evaluate_experiment(model, data, unmatched=unmatched)
        return Outcome(results.as_dict(), results.markdown())
    found, config = load_model(model)
    evaluation, _ = evaluate_model(found, data, config=config, scope=scope, unmatched=unmatched)
    return Outcome(evaluation.as_dict(), evaluation.table())
