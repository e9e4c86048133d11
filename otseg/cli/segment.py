"""`otseg segment`: the action of every frame of files of features."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import click

from otseg.cli._common import Command, Outcome, advancing, progress

FORMATS = {"frames": ".txt", "segments": ".csv"}
#: Name of a file, and the first frame, the frame after the last and the action of its segments.
Found: TypeAlias = Iterator[tuple[str, list[tuple[int, ...]]]]


@click.command(
    cls=Command,
    examples=[
        "otseg segment runs/clot-mine/all/seed_0 new_recordings/features --output labels",
        "otseg segment model.safetensors recording.npy",
        "otseg segment model.safetensors a_week.npy --window 20000 --output labels",
    ],
)
@click.argument("model")
@click.argument("features", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="New folder, a file per sequence.")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="segments", help="Of files in --output.")
@click.option("--window", type=click.IntRange(1), help="Segment window by window, so many frames at a time.")
@click.option("--lookahead", type=click.IntRange(0), help="Frames that are known after each: below --window, or 1/4.")
@click.option("--passes", type=click.IntRange(1), help="How often a file is read with --window; once if not given.")
def segment(
    model: str, features: tuple[Path, ...], output: Path | None, form: Any, window: int | None, **options: int | None
) -> Outcome:
    """Segment FEATURES, files (.npy or .txt) or folders of them, with MODEL.

    MODEL is a file of `otseg train`, a folder that holds model.safetensors, or a name on the Hugging Face Hub.
    Ground truth is not needed. Without --output the segments are printed: sequence, first frame, the frame after the
    last, and the number of the action.

    With --window, .npy files of any length are segmented in bounded memory, a window at a time; more --passes come
    closer to the answer to the whole sequence.
    """
    from otseg.train import feature_files, load_model, new_folder

    given = {name: value for name, value in options.items() if value is not None}
    if given and window is None:
        raise click.UsageError("--lookahead and --passes need --window.")
    files = feature_files(features)
    found, config = load_model(model)
    if output is not None:
        new_folder(output)
    targets = {path: None if output is None else output / f"{path.stem}{FORMATS[form]}" for path in files}
    if window is None:
        labeled = _whole(found, config, targets, form)
    else:
        labeled = _by_window(found, config, targets, form, window, given)
    document, lines = {}, ["sequence,start,stop,action"]
    for name, parts in labeled:
        document[name] = parts
        lines += [f"{name},{start},{stop},{action}" for start, stop, action in parts]
    text = "\n".join(lines) if output is None else f"{len(files)} sequences segmented, written to {output}"
    return Outcome({"output": output, "sequences": document}, text)


def _whole(model: Any, config: Any, targets: dict[Path, Path | None], form: Any) -> Found:
    """Segment every file as a whole."""
    from otseg.decode import segments
    from otseg.train import segment_files, write_labels

    labeled = segment_files(model, config, progress(list(targets), "Segmenting"))
    for (name, labels), target in zip(labeled, targets.values(), strict=True):
        if target is not None:
            write_labels(target, labels, form)
        yield name, [tuple(part) for part in segments(labels)]


def _by_window(
    model: Any, config: Any, targets: dict[Path, Path | None], form: Any, window: int, options: dict[str, int]
) -> Found:
    """Segment every file window by window."""
    from otseg.streaming import stream_segments
    from otseg.train.long_files import long_file, segment_long_file, written

    blocks = {path: long_file(path, model, window) for path in targets}
    with advancing(sum(file.n_frames for file in blocks.values()), "Segmenting") as advance:

        def followed(parts: Any) -> Iterator[Any]:
            for part in parts:
                advance(len(part.shares))
                yield part

        for path, target in targets.items():
            decided = segment_long_file(model, config, blocks[path], window=window, **options)
            parts = stream_segments(followed(decided))
            yield path.stem, [tuple(p) for p in (parts if target is None else written(parts, target, form))]
