"""Train CLOT, and compare it with ASOT and with a uniform split: tables, pictures, and models to keep.

    python examples/clot_breakfast.py
    python examples/clot_breakfast.py --data-root Breakfast --dataset breakfast --activity coffee --seeds 0 1 2
    python examples/clot_breakfast.py --data-root my_recordings --epochs 30 --n-samples 192

Without ``--data-root`` the videos are synthetic: actions, order and durations follow the coffee videos of Breakfast,
features are drawn. With it, all activities of the data set are trained unless one is named. A folder of your own has
the layout of the benchmarks: ``features/<name>.npy``, ``groundTruth/<name>`` and ``mapping/mapping.txt``.
Needs the extras ``train`` and ``plots``. ``otseg train`` does the same for any model.
"""

import argparse
import sys
import time
from pathlib import Path

import torch

from otseg.data import LAYOUTS, SequenceDataset, breakfast_like, load_dataset, load_folder
from otseg.models import uniform_split
from otseg.train import (
    compare_results,
    draw_comparison,
    draw_model,
    evaluate_baseline,
    load_model,
    make_settings,
    new_folder,
    next_folder,
    run_experiment,
    segment_dataset,
)
from otseg.train.loggers import read_history
from otseg.train.run import run_folder

RUNS = Path("runs") / "clot_breakfast"
METHODS = ("asot", "clot")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    add = parser.add_argument
    add("--data-root", type=Path, help="folder of recordings; synthetic videos if left out")
    add("--dataset", choices=["folder", *LAYOUTS], default="folder", help="benchmark that the folder holds")
    add("--activity", help="only the recordings of this activity")
    add("--n-videos", type=int, default=30, help="number of synthetic videos")
    add("--config", type=Path, help="TOML file of CLOT's settings, such as examples/configs/clot_breakfast.toml")
    add("--epochs", type=int)
    add("--n-samples", type=int, help="frames drawn of each recording in each epoch")
    add("--n-actions", type=int, help="number of actions to look for; that of the data if left out")
    add("--seeds", type=int, nargs="+", default=[0])
    add("--output", type=Path, help=f"folder of the results; {RUNS}/0001, 0002, ... if left out")
    add("--resume", action="store_true", help="go on with what is in --output")
    add("--no-progress", action="store_true", help="no progress bar")
    return parser.parse_args(arguments)


def load(args: argparse.Namespace) -> SequenceDataset:
    if args.data_root is None:
        if args.dataset != "folder":
            raise ValueError(f"--dataset {args.dataset} needs --data-root, the folder that holds it.")
        return breakfast_like(args.activity or "coffee", args.n_videos, generator=torch.Generator().manual_seed(0))
    if args.dataset == "folder":
        return load_folder(args.data_root, activity=args.activity)
    return load_dataset(args.dataset, args.data_root, activity=args.activity)


def split(n_actions: int | None, data: SequenceDataset) -> list[torch.Tensor]:
    """Every sequence in equal parts."""
    return [uniform_split(sequence.n_frames, n_actions or data.n_actions) for sequence in data]


def run(args: argparse.Namespace) -> None:
    start = time.perf_counter()
    data = load(args)
    given = {"train.epochs": args.epochs, "train.n_samples": args.n_samples, "model.n_actions": args.n_actions}
    overrides = [f"{name}={value}" for name, value in given.items() if value is not None]
    benchmark = args.dataset if args.dataset in LAYOUTS else None
    settings = {
        name: make_settings(name, benchmark, file=args.config if name == "clot" else None, overrides=overrides)
        for name in METHODS
    }
    for chosen in settings.values():  # mistakes are found before a folder is made
        chosen.configs(data.subset(data.activities[0]))
    folder = (args.output or next_folder(RUNS)) if args.resume else new_folder(args.output or next_folder(RUNS))
    frames = sum(sequence.n_frames for sequence in data)
    print(f"{len(data)} recordings, {frames} frames of {data.n_features} features")

    results = [evaluate_baseline("uniform split", lambda part: split(args.n_actions, part), data)]
    for name, chosen in settings.items():
        print(f"training {chosen.method.title}")
        results.append(
            run_experiment(chosen, data, folder=folder / name, seeds=args.seeds, progress=not args.no_progress)
        )

    shown = data.subset(data.activities[0]).load()  # for the pictures: the first activity and seed
    labels = {"uniform split": split(args.n_actions, shown)}
    for name, chosen in settings.items():
        place = run_folder(folder / name, shown.activities[0], args.seeds[0])
        model, config = load_model(place)
        labels[chosen.method.title] = segment_dataset(model, shown, config=config)
        history = read_history(place / "training" / "metrics.csv")
        draw_model(place, model, shown, config, labels[chosen.method.title], history)
    draw_comparison(folder / "comparison.png", shown, labels, results)

    table = compare_results(results)
    rules = "In percent, one matching per activity, activities weighted by frames"
    text = f"{table}\n\n{rules}; seeds: {', '.join(map(str, args.seeds))}.\n"
    (folder / "results.md").write_text(text, encoding="utf-8")
    print(f"\n{text}\n{time.perf_counter() - start:.0f} s. Tables, pictures and models: {folder}")


def main(arguments: list[str] | None = None) -> int:
    args = parse(arguments)
    try:
        run(args)
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
