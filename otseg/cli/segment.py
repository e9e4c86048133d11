"""`otseg segment`: the action of every frame of files of features."""

from pathlib import Path
from typing import Any

import click

from otseg.cli._common import Command, Outcome, progress

FORMATS = {"frames": ".txt", "segments": ".csv"}


@click.command(
    cls=Command,
    examples=[
        "otseg segment runs/clot-mine/all/seed_0 new_recordings/features --output labels",
        "otseg segment model.safetensors recording.npy",
        "otseg segment model.safetensors recordings --output labels --jobs 8",
    ],
)
@click.argument("model")
@click.argument("features", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="New folder, a file per sequence.")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="segments", help="Of files in --output.")
@click.option("--jobs", type=int, help="Processes, each with a file at a time; -1: one per processor.")
@click.option("--dask", metavar="ADDRESS", help="Scheduler of a Dask cluster that does the work, tcp://host:port.")
def segment(
    model: str, features: tuple[Path, ...], output: Path | None, form: Any, jobs: int | None, dask: str | None
) -> Outcome:
    """Segment FEATURES, files (.npy or .txt) or folders of them, with MODEL.

    MODEL is a file of `otseg train`, a folder that holds model.safetensors, or a name on the Hugging Face Hub.
    Ground truth is not needed. Without --output the segments are printed: sequence, first frame, the frame after the
    last, and the number of the action. The workers of a cluster must see the files under the same paths.
    """
    from otseg.cli._cluster import cluster
    from otseg.decode import segments
    from otseg.train import load_model, new_folder
    from otseg.train.segmenting import feature_files, segment_files, write_labels

    files = feature_files(features)
    found, config = load_model(model)
    if output is not None:
        new_folder(output)
    document, lines = {}, ["sequence,start,stop,action"]
    with cluster(dask):
        found_labels = segment_files(found, config, files, n_jobs=jobs)
        for name, labels in progress(found_labels, "Segmenting", len(files)):
            document[name] = [tuple(part) for part in segments(labels)]
            lines += [f"{name},{start},{stop},{action}" for start, stop, action in document[name]]
            if output is not None:
                write_labels(output / f"{name}{FORMATS[form]}", labels, form)
    text = "\n".join(lines) if output is None else f"{len(files)} sequences segmented, written to {output}"
    return Outcome({"output": output, "sequences": document}, text)
