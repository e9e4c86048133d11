"""ASOT with the Python API, step by step: data, settings, training, scores, pictures, and a model to keep.

    python examples/asot_breakfast.py
    python examples/asot_breakfast.py --data-root Breakfast --activity tea --config examples/configs/asot_breakfast.toml

Without ``--data-root`` the videos are synthetic. Needs the extras ``train`` and ``plots``. ``clot_breakfast.py``
compares methods; ``otseg train`` trains all activities and several seeds.
"""

import argparse
from pathlib import Path

import torch

from otseg.data import breakfast_like, load_dataset
from otseg.metrics import evaluate
from otseg.models import ASOT, uniform_split
from otseg.train import draw_model, evaluate_model, fit, make_settings, new_folder, next_folder, save_model
from otseg.train.evaluation import true_labels

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--data-root", type=Path, help="folder of Breakfast; synthetic videos if left out")
parser.add_argument("--activity", default="coffee")
parser.add_argument("--config", type=Path, help="TOML file of settings; those that were published if left out")
parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="such as train.epochs=30 train.seed=1")
parser.add_argument("--output", type=Path, help="new folder; runs/asot_breakfast/0001, 0002, ... if left out")


def main(arguments: list[str] | None = None) -> None:
    args = parser.parse_args(arguments)
    if args.data_root is None:
        data = breakfast_like(args.activity, 30, generator=torch.Generator().manual_seed(0))
    else:
        data = load_dataset("breakfast", args.data_root, activity=args.activity).load()
    model_config, config = make_settings("asot", "breakfast", file=args.config, overrides=args.set).configs(data)
    folder = new_folder(args.output or next_folder(Path("runs") / "asot_breakfast"))

    torch.manual_seed(config.seed)
    model = ASOT(model_config)
    # unsupervised: the labels only score, on the videos trained on, as is usual in this field
    trainer = fit(
        model, data, data, config=config, folder=folder / "training", check_val_every_n_epoch=max(1, config.epochs // 5)
    )
    evaluation, labels = evaluate_model(model, data, config=config)
    save_model(model, folder / "model.safetensors", config)
    draw_model(folder, model, data, config, labels, trainer.lightning_module.history)

    split = [uniform_split(len(row), model_config.n_actions) for row in true_labels(data)]
    uniform = evaluate(split, true_labels(data), ignore_labels=(-1,))
    print(f"uniform split\n\n{uniform.table()}\n\nASOT\n\n{evaluation.table()}\n\nModel and pictures: {folder}")


if __name__ == "__main__":
    main()
