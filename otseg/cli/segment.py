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
        "otseg segment model.safetensors log.csv --frame-rate 50 --picture segments.png > segments.csv",
    ],
)
@click.argument("model")
@click.argument("features", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="New folder, a file per sequence.")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="segments", help="Of files in --output.")
@click.option("--frame-rate", type=click.FloatRange(0, min_open=True), help="Frames per second: adds seconds.")
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), help="Draw the segments, such as a.png.")
def segment(
    model: str,
    features: tuple[Path, ...],
    output: Path | None,
    form: Any,
    frame_rate: float | None,
    picture: Path | None,
) -> Outcome:
    """Segment FEATURES, files (.npy, .csv or .txt) or folders of them, with MODEL.

    MODEL is a file of `otseg train`, a folder that holds model.safetensors, or a name on the Hugging Face Hub.
    Ground truth is not needed. Without --output the segments are printed as a CSV file: sequence, first frame, the
    frame after the last, and the number of the action.
    """
    from otseg.decode import segments
    from otseg.train import draw_segments, load_model, new_folder
    from otseg.train.pictures import pyplot
    from otseg.train.segmenting import feature_files, segment_files, segment_table, write_labels

    files = feature_files(features)
    if picture is not None:
        pyplot()  # before the work: it may be missing
    found, config = load_model(model)
    if output is not None:
        new_folder(output)
    every = {}
    for name, labels in segment_files(found, config, progress(files, "Segmenting")):
        every[name] = labels
        if output is not None:
            write_labels(output / f"{name}{FORMATS[form]}", labels, form, frame_rate)
    if picture is not None:
        draw_segments(picture, every, frame_rate)
    document = {name: [tuple(part) for part in segments(labels)] for name, labels in every.items()}
    written = f"{len(files)} sequences segmented, written to {output}"
    text = segment_table(every, frame_rate).rstrip() if output is None else written
    return Outcome({"output": output, "sequences": document}, text)
