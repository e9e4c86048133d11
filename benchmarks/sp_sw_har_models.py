"""All models and baselines on real recordings and on synthetic videos, and the ablation of CLOT.

    python benchmarks/sp_sw_har_models.py --data-root ../shared/data/sp_sw_har
    python benchmarks/sp_sw_har_models.py --data-root ../shared/data/sp_sw_har --methods CLOT ASOT --seeds 0 1
    python benchmarks/sp_sw_har_models.py --tables-only

Every run of a method with a seed on a data set is one JSON file under ``--runs``; a run whose file is there is not
repeated, so that a stopped benchmark goes on. The tables hold what is there. Add a method to ``METHODS``: a function of
data and seed that returns labels, and no label of the data may influence it.
"""

import argparse
import json
import platform
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

import otseg
from otseg.data import SequenceDataset, breakfast_like, load_folder
from otseg.metrics import evaluate
from otseg.models import (
    ASOT,
    CLOT,
    DCLOT,
    ASOTConfig,
    CLOTConfig,
    DCLOTConfig,
    SegmentationModel,
    kmeans_frames,
    uniform_split,
)
from otseg.train import TrainConfig, fit, segment_dataset

METRICS = {"mof": "MoF", "miou": "mIoU", "f1_50": "F1@50", "edit": "Edit", "f1_asot": "F1 (majority)"}
RESULTS = Path(__file__).parent / "results"
N_SAMPLES = 192


@dataclass
class Outcome:
    """What a method found: labels of every sequence; other ways to read the same model; cost and settings."""

    labels: list[torch.Tensor]
    variants: dict[str, list[torch.Tensor]] = field(default_factory=dict)
    seconds_per_epoch: float | None = None
    settings: dict[str, Any] = field(default_factory=dict)


Method = Callable[[SequenceDataset, int], Outcome]


def trained(model_class: type[SegmentationModel], config_class: type, **settings: Any) -> Method:
    """Train a model with the protocol of this benchmark; models with two plans are read by both."""

    def method(data: SequenceDataset, seed: int) -> Outcome:
        torch.manual_seed(seed)
        model = model_class(config_class(n_actions=data.n_actions, n_features=data.n_features, **settings))
        config = TrainConfig(seed=seed, n_samples=N_SAMPLES)
        start = time.process_time()  # the machine may be shared; with one thread this is what an idle one takes
        fit(model, data, config=config, accelerator="cpu", enable_progress_bar=False)
        seconds = (time.process_time() - start) / config.epochs
        outcome = Outcome(segment_dataset(model, data, config=config), {}, seconds)
        outcome.settings = {"model": asdict(model.config), "train": asdict(config)}
        if getattr(model.config, "refinement", False):
            other = model_class(replace(model.config, inference="frames"))
            other.load_state_dict(model.state_dict())
            outcome.variants["by T"] = segment_dataset(other, data, config=config)
        return outcome

    return method


def uniform(data: SequenceDataset, seed: int) -> Outcome:
    return Outcome([uniform_split(sequence.n_frames, data.n_actions) for sequence in data])


def kmeans(data: SequenceDataset, seed: int) -> Outcome:
    features = [sequence.features for sequence in data.standardize()]
    return Outcome(kmeans_frames(features, data.n_actions, generator=torch.Generator().manual_seed(seed)))


METHODS: dict[str, Method] = {
    "uniform split": uniform,
    "k-means": kmeans,
    "ASOT": trained(ASOT, ASOTConfig),
    "CLOT": trained(CLOT, CLOTConfig),
    "D-CLOT": trained(DCLOT, DCLOTConfig),
    "D-CLOT_B": trained(DCLOT, DCLOTConfig, prototypes="barycenter"),
}
ABLATION: dict[str, Method] = {
    "CLOT without sliced cost": trained(CLOT, CLOTConfig, sliced="none"),
    "CLOT, published sliced cost (sorted)": trained(CLOT, CLOTConfig, sliced="published"),
    "CLOT, published sliced cost (unsorted)": trained(CLOT, CLOTConfig, sliced="published_unsorted"),
    "CLOT without dispatching": trained(CLOT, CLOTConfig, dispatch="none"),
    "CLOT, published dispatching": trained(CLOT, CLOTConfig, dispatch="published"),
    "CLOT without decoder": trained(CLOT, CLOTConfig, decoder=False),
    "CLOT without refinement": trained(CLOT, CLOTConfig, refinement=False),
    "D-CLOT without graph": trained(DCLOT, DCLOTConfig, graph=0.0),
    "D-CLOT_B without graph": trained(DCLOT, DCLOTConfig, prototypes="barycenter", graph=0.0),
}


def synthetic(difficulty: float) -> Callable[[Path | None], SequenceDataset]:
    def load(root: Path | None) -> SequenceDataset:
        return breakfast_like("coffee", 30, difficulty=difficulty, generator=torch.Generator().manual_seed(0))

    return load


def recordings(root: Path | None) -> SequenceDataset:
    if root is None:
        raise SystemExit("sp_sw_har needs --data-root, the folder that holds it.")
    return load_folder(root).load()


SETS: dict[str, Callable[[Path | None], SequenceDataset]] = {
    "sp_sw_har": recordings,
    "breakfast_like_easy": synthetic(0.25),
    "breakfast_like_medium": synthetic(0.5),
    "breakfast_like_hard": synthetic(0.75),
}


def run(data: SequenceDataset, method: Method, seed: int) -> dict[str, Any]:
    outcome = method(data, seed)
    target = [sequence.labels for sequence in data]
    report: dict[str, Any] = {
        "seconds_per_epoch": outcome.seconds_per_epoch,
        "settings": outcome.settings,
        "versions": {"otseg": otseg.__version__, "torch": torch.__version__, "python": platform.python_version()},
    }
    for name, labels in {"": outcome.labels, **outcome.variants}.items():
        report.setdefault("evaluations", {})[name] = evaluate(labels, target, data.n_actions).as_dict()
    return report


def table(runs: dict[str, dict[int, dict[str, Any]]], names: list[str]) -> list[str]:
    """Rows of the methods that have runs: mean and standard deviation over seeds, in percent."""
    lines = [
        "| method | seeds | " + " | ".join(METRICS.values()) + " | CPU s per epoch |",
        "|---|---|" + "---:|" * (len(METRICS) + 1),
    ]
    for name in names:
        reports = runs.get(name, {})
        variants = list(next(iter(reports.values()))["evaluations"]) if reports else []
        for variant in variants:
            cells = [f"{name}, {variant}" if variant else name, ", ".join(map(str, sorted(reports)))]
            for metric in METRICS:
                values = [100 * report["evaluations"][variant][metric] for report in reports.values()]
                spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
                cells.append(f"{statistics.mean(values):.1f}{spread}")
            seconds = [report["seconds_per_epoch"] for report in reports.values() if report["seconds_per_epoch"]]
            cells.append(f"{statistics.median(seconds):.2f}" if seconds and not variant else "")
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def read_runs(folder: Path) -> dict[str, dict[int, dict[str, Any]]]:
    runs: dict[str, dict[int, dict[str, Any]]] = {}
    for path in sorted(folder.glob("*/*.json")):
        report = json.loads(path.read_text(encoding="utf-8"))
        runs.setdefault(report["method"], {})[report["seed"]] = report
    return runs


def write_tables(runs_folder: Path, output: Path) -> str:
    lines = [
        "# All models",
        "",
        "Trained and scored on the same sequences, all frames, one matching of all; in percent, mean ± standard "
        "deviation over seeds. No setting was chosen by labels; rows `by T` read the same models by the plan of the "
        f"frames in place of the refined ones. 15 epochs of batches of 2 x {N_SAMPLES} frames, one thread.",
    ]
    for name in SETS:
        runs = read_runs(runs_folder / name)
        if runs:
            lines += ["", f"## {name}", "", *table(runs, list(METHODS))]
            if any(ablation in runs for ablation in ABLATION):
                lines += ["", f"### Ablation on {name}", "", *table(runs, ["CLOT", *ABLATION])]
    lines += [
        "",
        f"Versions: otseg {otseg.__version__}, torch {torch.__version__}, Python {platform.python_version()}, "
        f"{platform.machine()}.",
        "",
        "sp_sw_har: Matey-Sanz, Casteleyn, Granell, Dataset of inertial measurements of smartphones and smartwatches "
        "for human activity recognition, Data in Brief 2023 (CC BY 4.0). breakfast_like: 30 synthetic videos of the "
        "activity coffee, difficulty 0.25, 0.5 and 0.75.",
    ]
    text = "\n".join(lines) + "\n"
    output.write_text(text, encoding="utf-8")
    return text


def main() -> None:
    methods = {**METHODS, **ABLATION}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, help="folder of sp_sw_har")
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--methods", nargs="+", choices=list(methods), default=list(METHODS))
    parser.add_argument("--ablation", action="store_true", help="also the ablation of CLOT")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--runs", type=Path, default=RESULTS / "models_runs")
    parser.add_argument("--output", type=Path, default=RESULTS / "models.md")
    parser.add_argument("--tables-only", action="store_true", help="write the tables of the runs there are")
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    chosen = [*arguments.methods, *(ABLATION if arguments.ablation else ())]
    for set_name in () if arguments.tables_only else arguments.sets:
        data = SETS[set_name](arguments.data_root)
        for seed in arguments.seeds:
            for name in chosen:
                path = arguments.runs / set_name / re.sub(r"\W+", "_", name.lower()) / f"{seed}.json"
                if path.exists():
                    continue
                report = {"set": set_name, "method": name, "seed": seed, **run(data, methods[name], seed)}
                path.parent.mkdir(parents=True, exist_ok=True)
                part = path.with_suffix(".part")  # a run that is stopped while it writes leaves no result
                part.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
                part.replace(path)
                mof = {variant: round(100 * e["mof"], 1) for variant, e in report["evaluations"].items()}
                print(set_name, name, seed, mof, report["seconds_per_epoch"], flush=True)
    print(write_tables(arguments.runs, arguments.output))


if __name__ == "__main__":
    main()
