"""`otseg report`: a run as one HTML file."""

from pathlib import Path
from typing import Any

import click

from otseg.cli._common import Command, Outcome
from otseg.cli._folder import FOLDER, folder_arguments, folder_options
from otseg.data import load_folder


@click.command(
    cls=Command,
    examples=[
        "otseg report runs/clot-mine",
        "otseg report runs/clot-breakfast/coffee/seed_0 --output coffee.html",
        "otseg report runs/old --data my_recordings",
    ],
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Default: report.html in RUN.")
@click.option("--data", "folder", type=FOLDER, help="Segment the videos in this folder again, with the saved models.")
@folder_options
def report(run: Path, output: Path | None, folder: Path | None, dataset: str | None, **options: Any) -> Outcome:
    """Write a report of RUN: one HTML file that opens in any browser, without a network.

    RUN is the folder that `otseg train` or `otseg reproduce` wrote to, or that of one activity or seed in it. What is
    not there is left out, and the report says what makes it. The data is not needed, but for runs that kept no
    segments of their videos: --data segments them again and keeps them; the options after it say how to read it.
    """
    from otseg.report import make_report, read_experiment, segment_again  # takes seconds
    from otseg.train.files import write_text

    experiment = read_experiment(run)
    if folder is not None:
        experiment = segment_again(experiment, load_folder(folder, **folder_arguments(dataset, **options)))
    found = make_report(experiment)
    output = output or run / "report.html"
    write_text(output, found.html)
    size = output.stat().st_size
    document = {
        "output": output,
        "bytes": size,
        "title": found.title,
        "runs": len(experiment.runs),
        "videos": found.n_videos,
        "warnings": found.warnings,
        "missing": found.missing,
    }
    lines = [f"{found.title}: {len(experiment.runs)} runs, {found.n_videos} videos"]
    lines += [f"warning: {text}" for text in found.warnings] + [f"missing: {text}" for text in found.missing]
    return Outcome(document, "\n".join([*lines, f"Written to {output} ({size / 1e6:.2f} MB)"]))
