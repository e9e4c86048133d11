"""`otseg segment`: the action of every frame of files of features."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import click

from otseg.cli._common import Command, Outcome, advancing, progress

FORMATS = {"frames": ".txt", "segments": ".csv"}

#: Name of a sequence, and its segments.
Found: TypeAlias = Iterator[tuple[str, list[Any]]]


@click.command(
    cls=Command,
    examples=[
        "otseg segment runs/clot-mine/all/seed_0 new_recordings/features --output labels",
        "otseg segment model.safetensors log.csv --frame-rate 50 --picture segments.png > segments.csv",
        "otseg segment model.safetensors recordings --output labels --jobs 8",
        "otseg segment model.safetensors a_week.npy --window 20000 --output labels",
    ],
)
@click.argument("model")
@click.argument("features", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="New folder, a file per sequence.")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="segments", help="Of files in --output.")
@click.option("--frame-rate", type=click.FloatRange(0, min_open=True), help="Frames per second: adds seconds.")
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), help="Draw the segments, such as a.png.")
@click.option("--jobs", type=int, help="Processes, each with a file at a time; -1: one per processor.")
@click.option("--dask", metavar="ADDRESS", help="Scheduler of a Dask cluster that does the work, tcp://host:port.")
@click.option("--window", type=click.IntRange(1), help="Segment window by window, so many frames at a time.")
@click.option("--lookahead", type=click.IntRange(0), help="Frames that are known after each: below --window, or 1/4.")
@click.option("--passes", type=click.IntRange(1), help="How often a file is read with --window; once if not given.")
def segment(
    model: str,
    features: tuple[Path, ...],
    output: Path | None,
    form: Any,
    frame_rate: float | None,
    window: int | None,
    **options: Any,
) -> Outcome:
    """Segment FEATURES, files (.npy, .csv or .txt) or folders of them, with MODEL.

    MODEL is a file of `otseg train`, a folder that holds model.safetensors, or a name on the Hugging Face Hub.
    Ground truth is not needed. Without --output the segments are printed as a CSV file: sequence, first frame, the
    frame after the last, and the number of the action. The workers of a cluster must see the files under the same
    paths.

    With --window, .npy files of any length are segmented in bounded memory, a window at a time; more --passes come
    closer to the answer to the whole sequence.
    """
    from otseg.train import feature_files, load_model, new_folder
    from otseg.train.segmenting import table_columns, table_rows, table_text

    given = {name: value for name, value in options.items() if value is not None}
    _require_fitting(given, window)
    files = feature_files(features)
    if "picture" in given:
        from otseg.train.pictures import pyplot

        pyplot()  # before the work: it may be missing
    found, config = load_model(model)
    if output is not None:
        new_folder(output)
    targets = {path: None if output is None else output / f"{path.stem}{FORMATS[form]}" for path in files}
    how: Any = _whole if window is None else _by_window
    window_option = {} if window is None else {"window": window}
    document = dict(how(found, config, targets, form, frame_rate, **window_option, **given))
    text = f"{len(files)} sequences segmented, written to {output}"
    if output is None:
        rows = [(name, *row) for name, parts in document.items() for row in table_rows(parts, frame_rate)]
        text = table_text([("sequence", *table_columns(frame_rate)), *rows]).rstrip()
    return Outcome({"output": output, "sequences": {n: [tuple(p) for p in s] for n, s in document.items()}}, text)


def _require_fitting(given: dict[str, Any], window: int | None) -> None:
    """Refuse options of the other way to segment."""
    whole, by_window = {"picture", "jobs", "dask"} & given.keys(), {"lookahead", "passes"} & given.keys()
    if window is None and by_window:
        raise click.UsageError("--lookahead and --passes need --window.")
    if window is not None and whole:
        names = " and ".join(f"--{name}" for name in sorted(whole))
        raise click.UsageError(f"{names} cannot go with --window. Leave one of them out.")


def _whole(
    model: Any,
    config: Any,
    targets: dict[Path, Path | None],
    form: Any,
    frame_rate: float | None,
    jobs: int | None = None,
    dask: str | None = None,
    picture: Path | None = None,
) -> Found:
    """Segment every file as a whole."""
    from otseg.cli._cluster import cluster
    from otseg.decode import segments
    from otseg.train import draw_segments, segment_files, write_labels

    every = {}
    with cluster(dask):
        labeled = segment_files(model, config, list(targets), n_jobs=jobs)
        for target, (name, labels) in zip(targets.values(), progress(labeled, "Segmenting", len(targets)), strict=True):
            if target is not None:
                write_labels(target, labels, form, frame_rate)
            if picture is not None:
                every[name] = labels
            yield name, segments(labels)
    if picture is not None:
        draw_segments(picture, every, frame_rate)


def _by_window(
    model: Any,
    config: Any,
    targets: dict[Path, Path | None],
    form: Any,
    frame_rate: float | None,
    **options: Any,
) -> Found:
    """Segment every file window by window."""
    from otseg.streaming import stream_segments
    from otseg.train.long_files import long_file, segment_long_file, written

    blocks = {path: long_file(path, model, options["window"]) for path in targets}
    with advancing(sum(file.n_frames for file in blocks.values()), "Segmenting") as advance:

        def followed(parts: Any) -> Iterator[Any]:
            for part in parts:
                advance(len(part.shares))
                yield part

        for path, target in targets.items():
            parts = stream_segments(followed(segment_long_file(model, config, blocks[path], **options)))
            yield path.stem, list(parts if target is None else written(parts, target, form, frame_rate))
