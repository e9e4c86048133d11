"""Train ASOT and look at what it found: data, training, metrics, pictures, and a model to keep.

    python examples/asot_breakfast.py
    python examples/asot_breakfast.py --data-root Breakfast --dataset breakfast --activity coffee
    python examples/asot_breakfast.py --data-root my_recordings --epochs 30 --n-samples 192

Without ``--data-root`` the videos are synthetic: actions, order and durations follow the coffee videos of Breakfast,
features are drawn. A folder of your own has the layout of the benchmarks: ``features/<name>.npy``,
``groundTruth/<name>`` and ``mapping/mapping.txt``. Needs the extras ``train`` and ``plots``.
"""

import argparse
import json
import platform
import shutil
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch

import otseg
from otseg.data import LAYOUTS, SequenceDataset, breakfast_like, load_dataset, load_folder
from otseg.metrics import Evaluation, evaluate, match
from otseg.metrics.evaluate import TITLES
from otseg.models import ASOT, ASOTConfig, model_preset, uniform_split
from otseg.train import TrainConfig, evaluate_model, fit, new_folder, next_folder, read_config, save_model, train_preset
from otseg.train.loaders import model_input

RUNS = Path("runs") / "asot_breakfast"
FILES = ("metrics.json", "model.safetensors", "ribbons.png", "plan.png", "cost.png", "curves.png")
N_RIBBONS = 10


def parse(arguments: list[str] | None) -> argparse.Namespace:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    add = parser.add_argument
    add("--data-root", type=Path, help="folder of recordings; synthetic videos if left out")
    add("--dataset", choices=["folder", *LAYOUTS], default="folder", help="benchmark that the folder holds")
    add("--activity", help="only the recordings of this activity")
    add("--config", type=Path, help="TOML file of settings, such as examples/configs/asot_breakfast.toml")
    add("--epochs", type=int)
    add("--n-samples", type=int, help="frames drawn of each recording in each epoch")
    add("--n-actions", type=int, help="number of actions to look for; that of the data if left out")
    add("--seed", type=int)
    add("--output", type=Path, help=f"folder of the results; {RUNS}/0001, 0002, ... if left out")
    add("--overwrite", action="store_true", help="replace the results of an earlier run in --output")
    add("--no-progress", action="store_true", help="no progress bar")
    return parser.parse_args(arguments)


def load(args: argparse.Namespace) -> SequenceDataset:
    if args.data_root is None:
        if args.dataset != "folder":
            raise ValueError(f"--dataset {args.dataset} needs --data-root, the folder that holds it.")
        return breakfast_like(args.activity or "coffee", 30, generator=torch.Generator().manual_seed(0))
    if args.dataset == "folder":
        return load_folder(args.data_root, activity=args.activity).load()
    return load_dataset(args.dataset, args.data_root, activity=args.activity).load()


def settings(args: argparse.Namespace, data: SequenceDataset) -> tuple[ASOTConfig, TrainConfig]:
    """Published settings of the benchmark, or those of the file; then what the data and the command line say."""
    if args.config is not None:
        model, train = read_config(args.config, ASOTConfig)
    elif args.dataset in LAYOUTS:
        model, train = model_preset("asot", args.dataset, args.activity or ""), train_preset("asot", args.dataset)
    else:
        model, train = ASOTConfig(n_actions=data.n_actions), TrainConfig()
    given = {name: getattr(args, name) for name in ("epochs", "n_samples", "seed")}
    train = replace(train, **{name: value for name, value in given.items() if value is not None})
    n_actions = model.n_actions if args.n_actions is None else args.n_actions
    return replace(model, n_actions=n_actions, n_features=data.n_features), train


def prepare_output(folder: Path | None, overwrite: bool) -> Path:
    """A new folder; with ``overwrite`` the files of an earlier run, and nothing else, are removed first."""
    if folder is None:
        return new_folder(next_folder(RUNS))
    if overwrite:
        for name in FILES:
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder / "training", ignore_errors=True)
    return new_folder(folder)


def compare(evaluations: dict[str, Evaluation]) -> str:
    """One row per method, in percent."""
    width = max(map(len, evaluations))
    lines = [" " * width + "".join(f"{title:>11}" for title in TITLES.values())]
    for name, evaluation in evaluations.items():
        lines.append(name.ljust(width) + "".join(f"{100 * value:11.1f}" for value in evaluation.values.values()))
    return "\n".join(lines)


def draw(
    folder: Path, model: ASOT, data: SequenceDataset, config: TrainConfig, labels: list[torch.Tensor], history: dict
) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    from otseg.plots import plot_cost, plot_curves, plot_plan, plot_segments

    target = [data.evaluation_labels(sequence.labels) for sequence in data.sources]
    matching = match(labels, target, model.config.n_actions, ignore_labels=(-1,))
    classes = matching.mappings[""]
    names = [data.evaluation_names[classes[k]] if k in classes else "-" for k in range(model.config.n_actions)]
    columns = [f"{k} {name}" for k, name in enumerate(names)]
    result = model.segment(model_input(data.select([0]), config)[0].features.unsqueeze(0))

    matched = [torch.from_numpy(row) for row in matching.apply(labels)]
    shown = slice(0, N_RIBBONS)
    axes = {
        "ribbons": plot_segments(
            matched[shown], target[shown], names=data.names[shown], class_names=data.evaluation_names
        ),
        "plan": plot_plan(result, class_names=columns, target=target[0]),
        "cost": plot_cost(result, class_names=columns),
    }
    axes["ribbons"].set_title("ASOT, clusters named by their matching with the truth")
    axes["plan"].set_title(f"{data.names[0]}: probability of every action")
    axes["cost"].set_title(f"{data.names[0]}: cost of every action")
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    plot_curves({"loss": history["train/loss"]}, ax=left, ylabel="training loss")
    scores = {TITLES[name]: history[f"val/{name}"] for name in ("mof", "miou", "f1_50")}
    plot_curves(scores, ax=right, ylabel="all frames, fraction")
    right.set_ylim(0, 1)
    for name, ax in axes.items():
        ax.figure.savefig(folder / f"{name}.png", dpi=120, bbox_inches="tight")
    figure.savefig(folder / "curves.png", dpi=120)
    plt.close("all")


def run(args: argparse.Namespace) -> None:
    data = load(args)
    model_config, config = settings(args, data)
    folder = prepare_output(args.output, args.overwrite)
    frames = sum(sequence.n_frames for sequence in data)
    print(f"{len(data)} recordings, {frames} frames of {data.n_features} features, {model_config.n_actions} actions")

    torch.manual_seed(config.seed)
    model = ASOT(model_config)
    start = time.perf_counter()
    trainer = fit(
        model,
        data,
        data,  # unsupervised: the labels only score, on the recordings trained on, as is usual in this field
        config=config,
        folder=folder / "training",
        check_val_every_n_epoch=max(1, config.epochs // 5),
        enable_progress_bar=not args.no_progress,
    )
    seconds = time.perf_counter() - start
    evaluation, labels = evaluate_model(model, data, config=config)
    target = [data.evaluation_labels(sequence.labels) for sequence in data.sources]
    split = [uniform_split(len(row), model_config.n_actions) for row in target]
    evaluations = {"uniform split": evaluate(split, target, ignore_labels=(-1,)), "ASOT": evaluation}

    report = {
        "metrics": {name: result.as_dict() for name, result in evaluations.items()},
        "model_config": asdict(model_config),
        "train_config": asdict(config),
        "seed": config.seed,
        "data": {"root": str(args.data_root), "dataset": args.dataset, "names": list(data.names)},
        "training_seconds": seconds,
        "versions": {
            "otseg": otseg.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }
    (folder / "metrics.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    save_model(model, folder / "model.safetensors", config)
    draw(folder, model, data, config, labels, trainer.lightning_module.history)

    print(f"\n{compare(evaluations)}\n\nIn percent. Protocol: {evaluation.protocol}")
    print(f"Trained in {seconds:.0f} s. Results: {folder}")


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
