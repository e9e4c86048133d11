"""`otseg reproduce`: a published experiment, with our numbers beside the published ones."""

from pathlib import Path
from typing import Any

import click

from otseg.cli._common import Command, Outcome
from otseg.cli._training import only_first_process, training_options
from otseg.models import BENCHMARKS, METHODS


@click.command(
    cls=Command,
    examples=[
        "otseg reproduce clot --dataset breakfast --dry-run",
        "otseg reproduce clot --dataset breakfast --data-root Breakfast --seeds 0-4",
        "otseg reproduce asot --dataset 50salads-eval --data-root 50salads --accelerator gpu",
    ],
)
@click.argument("method", type=click.Choice(list(METHODS)))
@click.option("--dataset", type=click.Choice(list(BENCHMARKS)), required=True, help="The benchmark.")
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder that holds it.")
@click.option("--dry-run", is_flag=True, help="Only say what is needed: data, settings, time.", show_default=False)
@click.option("--activity", help="Only these activities, separated by commas.")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="Default: runs/<method>-<dataset>.")
@training_options
def reproduce(
    method: str,
    dataset: str,
    data_root: Path | None,
    dry_run: bool,
    activity: str | None,
    output: Path | None,
    seeds: tuple[int, ...],
    overrides: tuple[str, ...],
    **options: Any,
) -> Outcome:
    """Run the published experiment of METHOD on a benchmark, and compare with what was published.

    With --dry-run, or without --data-root, it says what to put where, with which settings it will train, and how long
    that takes. An experiment that was interrupted goes on when the same command is given again.
    """
    from otseg.train.reproduce import compare_with_published, plan_reproduction  # takes seconds
    from otseg.train.reproduce import reproduce as run

    if dry_run or data_root is None:
        plan = plan_reproduction(method, dataset, seeds=seeds, overrides=overrides)
        rest = "" if dry_run else "\n\nNothing was run: give the folder of the data with --data-root."
        return Outcome(plan.as_dict(), plan.text() + rest)
    output = output or Path("runs") / f"{method}-{dataset}"
    activities = None if activity is None else activity.split(",")
    results = run(
        method, dataset, data_root, folder=output, seeds=seeds, overrides=overrides, activities=activities, **options
    )
    only_first_process()
    comparison = compare_with_published(results, dataset)
    document = {"folder": output, **plan_reproduction(method, dataset, estimate=False).as_dict(), **results.as_dict()}
    return Outcome(document, f"{results.markdown()}\n{comparison}\n\nWritten to {output}")
