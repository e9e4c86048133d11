"""Options of the commands that read a folder of sequences, and the arguments of `load_folder` they stand for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from otseg.data import LAYOUTS, layout_help

F = TypeVar("F", bound=Callable[..., Any])
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
LAYOUT = """The folder holds:
  features/[<activity>/]<sequence>.npy (or .csv, .txt): one row per frame
  groundTruth/<sequence> (or <sequence>.txt): the name of one class per line and frame; --no-labels if there is none
  mapping/mapping.txt: one line '<id> <name>' per class, the id below 0 for background"""


def folder_options(function: F) -> F:
    """Add the options of a folder; :func:`folder_arguments` turns their values into arguments."""
    policies = click.Choice(["error", "truncate", "resample"])
    for option in reversed(
        (
            click.option("--dataset", type=click.Choice(list(LAYOUTS)), help="The folder is that of this benchmark."),
            click.option("--activity", help="Only the sequences of this activity."),
            click.option("--labels/--no-labels", default=True, help="Whether there is ground truth."),
            click.option("--features", default="features", help="Sub-folder of the features."),
            click.option("--ground-truth", default="groundTruth", help="Sub-folder of the labels."),
            click.option("--mapping", default="mapping/mapping.txt", help="File of the classes."),
            click.option("--label-map", help="File in the folder that merges classes for evaluation."),
            click.option("--n-features", type=click.IntRange(1), help="Number of features of a frame."),
            click.option("--activity-pattern", help="Finds the (?P<activity>...) in the name of a sequence."),
            click.option("--length-policy", type=policies, default="error", help="If features and labels differ."),
            click.option("--tolerance", type=click.IntRange(0), default=30, help="Most frames that truncate may cut."),
        )
    ):
        function = option(function)
    return function


def folder_arguments(dataset: str | None, **options: Any) -> dict[str, Any]:
    """Arguments of :func:`otseg.data.load_folder` and :func:`otseg.data.check_folder`.

    Args:
        dataset: Name of a benchmark, whose numbers hold where an option was not given.
        options: Values of the other options.
    """
    known = {} if dataset is None else LAYOUTS[dataset].arguments()
    return known | {name: value for name, value in options.items() if value is not None}


def expected_layout(dataset: str | None) -> str:
    """What the folder must hold, as text to print."""
    return LAYOUT if dataset is None else layout_help(dataset)
