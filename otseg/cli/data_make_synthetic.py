"""`otseg data make-synthetic`: a folder of synthetic sequences in the layout of the benchmarks."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import torch

from otseg.cli._common import Command, Outcome
from otseg.data import Sequence, SequenceDataset, breakfast_like, breakfast_statistics, make_activity, save_folder

RATE = click.FloatRange(0, 1)
#: Options that one of the two kinds of data knows, and the other does not.
OF_ACTIVITY = (
    "n_actions",
    "n_frames",
    "order_variation",
    "repeat_probability",
    "skip_probability",
    "duration_tail",
    "background",
)
OF_BREAKFAST = ("frames_scale",)


@click.command(
    "make-synthetic",
    cls=Command,
    examples=[
        "otseg data make-synthetic demo --sequences 10 --actions 5",
        "otseg data make-synthetic breakfast --like coffee --like tea --frames-scale 0.2",
        "otseg data make-synthetic hard --order-variation 0.3 --background 0.2 --difficulty 0.8",
    ],
)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--like",
    multiple=True,
    type=click.Choice(list(breakfast_statistics()["activities"])),
    help="Order and durations of actions as in this activity of Breakfast; several are several activities.",
)
@click.option("--sequences", "n_sequences", type=click.IntRange(1), default=20, help="Sequences (of each activity).")
@click.option("--features", "n_features", type=click.IntRange(1), default=64, help="Features of a frame.")
@click.option("--seed", type=int, default=0, help="The same seed gives the same files.")
@click.option("--difficulty", type=RATE, default=0.5, help="From 0 (easy) to 1 (hard).")
@click.option("--noise-correlation", type=click.FloatRange(0, 1, max_open=True), default=0.9, help="Between frames.")
@click.option("--video-offset", type=click.FloatRange(0), default=0.5, help="Offset of each sequence's features.")
@click.option("--actions", "n_actions", type=click.IntRange(1), default=6, help="Actions; not with --like.")
@click.option("--frames", "n_frames", nargs=2, type=int, default=(200, 400), help="Least and most; not with --like.")
@click.option("--order-variation", type=RATE, default=0.0, help="0: one order, 1: any; not with --like.")
@click.option("--repeat-probability", type=RATE, default=0.0, help="Of an action to return; not with --like.")
@click.option("--skip-probability", type=RATE, default=0.0, help="Of an action to be left out; not with --like.")
@click.option("--duration-tail", type=click.FloatRange(0), default=0.5, help="0: equal lengths; not with --like.")
@click.option("--background", type=RATE, default=0.0, help="Share of frames without action; not with --like.")
@click.option("--frames-scale", type=click.FloatRange(0, min_open=True), default=1.0, help="Only with --like.")
def make_synthetic(folder: Path, like: tuple[str, ...], seed: int, **options: Any) -> Outcome:
    """Write synthetic sequences to a new FOLDER.

    The folder has features, ground truth and a mapping, in the layout that all commands read: something to try the
    library on, and to compare methods on data whose difficulties are known.
    """
    ctx = click.get_current_context()
    for name in OF_ACTIVITY if like else OF_BREAKFAST:
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            flag = next(option.opts[0] for option in ctx.command.params if option.name == name)
            raise click.UsageError(f"{flag} is {'not for' if like else 'only for'} data --like an activity.")
        del options[name]
    generator = torch.Generator().manual_seed(seed)
    if like:
        dataset = _join([breakfast_like(name, generator=generator, **options) for name in dict.fromkeys(like)])
    else:
        dataset = make_activity(generator=generator, **options)
    save_folder(dataset, folder)
    frames = sum(sequence.n_frames for sequence in dataset)
    document = {
        "folder": folder,
        "sequences": len(dataset),
        "frames": frames,
        "features": dataset.n_features,
        "classes": list(dataset.class_names),
        "activities": list(dataset.activities),
        "seed": seed,
    }
    size = f"{len(dataset)} sequences, {frames} frames, {dataset.n_features} features"
    text = f"{folder}: {size}, {len(dataset.class_names)} classes\nnext: otseg data check {folder}"
    return Outcome(document, text)


def _join(datasets: list[SequenceDataset]) -> SequenceDataset:
    """Activities in one data set, whose classes are those of all."""
    names = list(dict.fromkeys(name for dataset in datasets for name in dataset.class_names))
    sequences: list[Sequence] = []
    for dataset in datasets:
        index = torch.tensor([names.index(name) for name in dataset.class_names])
        for sequence in dataset:
            assert sequence.labels is not None
            sequences.append(replace(sequence, labels=index[sequence.labels]))
    return SequenceDataset(sequences, class_names=names)
