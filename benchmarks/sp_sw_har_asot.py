"""ASOT on real inertial recordings: quality and seconds per epoch, next to two yardsticks and the published code.

The data (CC BY 4.0) is not part of the repository: Matey-Sanz, Casteleyn, Granell, Dataset of inertial measurements
of smartphones and smartwatches for human activity recognition, Data in Brief 2023, in the folder layout of
``otseg.data.load_folder``. Usage: ``python benchmarks/sp_sw_har_asot.py --data-root sp_sw_har --seeds 0 1 2 3 4``.
"""

import argparse
import json
import platform
import statistics
import time
from dataclasses import asdict
from pathlib import Path

import lightning
import sklearn
import torch

import otseg
from otseg.data import SequenceDataset, load_folder
from otseg.metrics import Evaluation, evaluate
from otseg.models import ASOT, ASOTConfig, kmeans_frames, uniform_split
from otseg.train import TrainConfig, evaluate_model, fit

METRICS = {"mof": "MoF", "miou": "mIoU", "f1_50": "F1@50", "edit": "Edit"}
PUBLISHED = "| published ASOT code, its Breakfast settings, seeds 0 to 4 | 65.5 ± 5.4 | 44.3 ± 6.3 | 43.3 ± 10.9 | - |"
SEEDS = [0, 1, 2, 3, 4]  # those of the published row
N_SAMPLES = 192


def train(data: SequenceDataset, seed: int, protocol: str) -> tuple[Evaluation, float, ASOTConfig, TrainConfig]:
    torch.manual_seed(seed)
    model_config = ASOTConfig(n_actions=data.n_actions, n_features=data.n_features, protocol=protocol)
    config = TrainConfig(seed=seed, n_samples=N_SAMPLES)
    model = ASOT(model_config)
    start = time.process_time()  # the machine may be shared; with one thread this is what an idle one takes
    fit(model, data, config=config, accelerator="cpu", enable_progress_bar=False)
    seconds = (time.process_time() - start) / config.epochs
    return evaluate_model(model, data, config=config)[0], seconds, model_config, config


def row(name: str, evaluations: list[Evaluation]) -> str:
    cells = [name]
    for metric in METRICS:
        values = [100 * evaluation.values[metric] for evaluation in evaluations]
        spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
        cells.append(f"{statistics.mean(values):.1f}{spread}")
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "sp_sw_har_asot")
    parser.add_argument("--protocol", choices=["default", "published"], default="default")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    data = load_folder(arguments.data_root).load()
    target = [sequence.labels for sequence in data]
    uniform = evaluate([uniform_split(len(labels), data.n_actions) for labels in target], target)
    features = [sequence.features for sequence in data.standardize()]
    clusters, runs, seconds = [], [], []
    for seed in arguments.seeds:
        generator = torch.Generator().manual_seed(seed)
        clusters.append(evaluate(kmeans_frames(features, data.n_actions, generator=generator), target))
        evaluation, per_epoch, model_config, config = train(data, seed, arguments.protocol)
        runs.append(evaluation)
        seconds.append(per_epoch)
        print(row(f"seed {seed}", [evaluation]), f"{per_epoch:.2f} CPU s per epoch", flush=True)

    seeds = ", ".join(map(str, arguments.seeds))
    name = "otseg ASOT" if arguments.protocol == "default" else 'otseg ASOT, protocol="published"'
    same = [run for seed, run in zip(arguments.seeds, runs, strict=True) if seed in SEEDS]
    lines = [
        "# ASOT on sp_sw_har",
        "",
        f"{len(data)} recordings, {runs[0].protocol.n_frames} frames, {data.n_actions} actions. Trained and scored "
        "on the same recordings, all frames, one matching of all; in percent, mean ± standard deviation over seeds.",
        "",
        "| method | " + " | ".join(METRICS.values()) + " |",
        "|---|" + "---:|" * len(METRICS),
        row("uniform split", [uniform]),
        row(f"k-means of standardized frames, seeds {seeds}", clusters),
        PUBLISHED,
        *([row(f"{name}, Breakfast settings, seeds 0 to 4", same)] if len(same) == len(SEEDS) < len(runs) else []),
        row(f"{name}, Breakfast settings, seeds {seeds}", runs),
        *(row(f"- seed {seed}", [run]) for seed, run in zip(arguments.seeds, runs, strict=True)),
        "",
        f"otseg: {statistics.median(seconds):.2f} s of CPU time per epoch (median over seeds; {config.epochs} epochs "
        f"of {-(-len(data) // config.batch_size)} steps of {config.batch_size} x {config.n_samples} frames, "
        f"preparation included, {arguments.threads} thread(s), {platform.machine()}). "
        "The row of the published code was measured once, with that code, not by this script.",
        "",
        f"Protocol: {runs[0].protocol}",
        "",
        f"Settings: {model_config}, {config}",
        "",
        f"Versions: otseg {otseg.__version__}, torch {torch.__version__}, lightning {lightning.__version__}, "
        f"scikit-learn {sklearn.__version__}, Python {platform.python_version()}.",
        "",
        "Data: Matey-Sanz, Casteleyn, Granell, Dataset of inertial measurements of smartphones and smartwatches for "
        "human activity recognition, Data in Brief 2023 (CC BY 4.0).",
    ]
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    report = {
        "uniform": uniform.as_dict(),
        "kmeans": [evaluation.as_dict() for evaluation in clusters],
        "asot": [
            {"seed": seed, "cpu_seconds_per_epoch": s, **run.as_dict()}
            for seed, s, run in zip(arguments.seeds, seconds, runs, strict=True)
        ],
        "model_config": asdict(model_config),
        "train_config": asdict(config),
        "threads": arguments.threads,
        "versions": {"otseg": otseg.__version__, "torch": torch.__version__, "lightning": lightning.__version__},
    }
    arguments.output.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
