"""How well ``estimate_n_actions`` finds the number of actions, against simple criteria on k-means of the frames.

Synthetic activities and Breakfast-like ones, with other settings and seeds than those that decided the criterion (seeds
1000 and 1001, 15 sequences, 32 features, K of 3, 6, 10, difficulties 0.2 to 0.6, and a few sets of 8 features); real
recordings where they are given: they were looked at while the criterion was made, so they are no independent test.

python -m benchmarks.bench_n_actions [--data-root FOLDER] [--quick] [--output FOLDER]

The folder holds ``sp_sw_har`` and ``Breakfast`` in the layout of ``otseg.data.load_folder``.
"""

import argparse
import math
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from benchmarks._report import RESULTS, write
from otseg.data import SequenceDataset, breakfast_like, load_folder, make_activity
from otseg.models import ASOT, ASOTConfig, estimate_n_actions
from otseg.train import TrainConfig, fit

MAX_ACTIONS = 20
GUESS = 7  # what a constant guess says: the median of Breakfast's ten activities is 7.5
METHODS = ["otseg", "silhouette", "BIC", "constant"]


def synthetic(quick: bool) -> Iterator[tuple[str, SequenceDataset]]:
    for difficulty in (0.0, 0.25, 0.5):
        for n_actions in (4, 8) if quick else (2, 5, 8, 12):
            for seed in range(1 if quick else 2):
                yield (
                    f"synthetic, difficulty {difficulty}",
                    make_activity(
                        20,
                        n_actions,
                        48,
                        difficulty=difficulty,
                        order_variation=0.3,
                        repeat_probability=0.1,
                        skip_probability=0.05,
                        generator=torch.Generator().manual_seed(seed),
                    ),
                )
    for difficulty in (0.1, 0.3):
        for activity in ("milk",) if quick else ("coffee", "milk", "cereals", "friedegg"):
            generator = torch.Generator().manual_seed(0)
            data = breakfast_like(activity, 20, difficulty=difficulty, frames_scale=0.25, generator=generator)
            yield f"Breakfast-like, difficulty {difficulty}", data


def alternatives(frames: torch.Tensor, seed: int) -> dict[str, int]:
    """Silhouette (of 2000 frames) and BIC of k-means: spherical clusters of one variance, all frames independent."""
    n, dim = frames.shape
    some = torch.randperm(n, generator=torch.Generator().manual_seed(seed))[:2000].numpy()
    silhouette, bic = {}, {}
    for k in range(1, MAX_ACTIONS + 1):
        means = KMeans(k, n_init=2, random_state=seed).fit(frames.numpy())
        shares = torch.from_numpy(means.labels_).bincount() / n
        names = -n * float((shares * shares.log()).sum())
        likelihood = -n * dim / 2 * math.log(means.inertia_ / n) - names
        bic[k] = -2 * likelihood + (k * dim + k) * math.log(n)
        if k > 1:
            silhouette[k] = -silhouette_score(frames.numpy()[some], means.labels_[some])
    return {"silhouette": min(silhouette, key=silhouette.get), "BIC": min(bic, key=bic.get)}


def measure(features: list[torch.Tensor], n_actions: int) -> dict[str, float]:
    start = time.process_time()
    found = estimate_n_actions(features, max_actions=MAX_ACTIONS, generator=torch.Generator().manual_seed(0))
    seconds = time.process_time() - start
    others = alternatives(torch.cat(features), 0)
    return {"true": n_actions, "otseg": found.n_actions, **others, "constant": GUESS, "seconds": seconds}


def summary(name: str, runs: list[dict[str, float]]) -> dict[str, object]:
    row: dict[str, object] = {"data": name, "sets": len(runs)}
    for method in METHODS:
        errors = [abs(run[method] - run["true"]) for run in runs]
        row[f"{method}: exact"] = f"{sum(e == 0 for e in errors)}/{len(errors)}"
        row[f"{method}: error"] = round(statistics.mean(errors), 2)
    row["CPU s"] = round(statistics.median(run["seconds"] for run in runs), 1)
    return row


def embeddings(data: SequenceDataset, n_actions: int) -> list[torch.Tensor]:
    """Unit embeddings of an ASOT that was trained for ``n_actions``, more than there are."""
    torch.manual_seed(0)
    model = ASOT(ASOTConfig(n_actions=n_actions, n_features=data.n_features))
    fit(model, data, config=TrainConfig(seed=0, n_samples=192), accelerator="cpu", enable_progress_bar=False)
    with torch.no_grad():
        features = [model.encoder(s.features) for s in data.standardize()]
    return [torch.nn.functional.normalize(x, dim=1) for x in features]


def real(root: Path) -> list[dict[str, object]]:
    rows = []
    for name, data in (
        ("sp_sw_har", load_folder(root / "sp_sw_har")),
        ("Breakfast, 5 videos of coffee", load_folder(root / "Breakfast", activity="coffee")),
    ):
        inputs = {"features": [s.features for s in data.standardize()], "ASOT embeddings": embeddings(data.load(), 12)}
        for kind, features in inputs.items():
            run = measure(features, data.n_actions)
            more = []
            for seed in (1, 2):
                generator = torch.Generator().manual_seed(seed)
                more.append(estimate_n_actions(features, max_actions=MAX_ACTIONS, generator=generator).n_actions)
            row = {"data": name, "input": kind, "true": data.n_actions, "otseg, seeds 0 1 2": [run["otseg"], *more]}
            rows.append({**row, **{m: run[m] for m in METHODS[1:]}, "CPU s": round(run["seconds"], 1)})
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, help="real recordings; none if left out")
    parser.add_argument("--quick", action="store_true", help="a few sets only")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    groups: dict[str, list[dict[str, float]]] = {}
    for name, data in synthetic(options.quick):
        groups.setdefault(name, []).append(measure([s.features for s in data.standardize()], data.n_actions))
        print(name, groups[name][-1], flush=True)
    rows = [summary(name, runs) for name, runs in groups.items()]
    rows.append(summary("all", [run for runs in groups.values() for run in runs]))
    notes = (
        "Exact hits and mean absolute error in actions. Synthetic: K of 2, 5, 8, 12, two seeds, 20 sequences, 48 "
        "features, order variation 0.3, repeats 0.1, skips 0.05. Breakfast-like: coffee (7), milk (5), cereals (5), "
        "friedegg (9). Features standardized per sequence. Silhouette and BIC are of k-means of the frames; "
        f"the constant answer is {GUESS}."
    )
    write("bench_n_actions", "estimate_n_actions against simple criteria", rows, notes, options.output)
    if options.data_root is not None:
        notes = (
            "Answers, ours with three seeds of its k-means; features standardized per recording; the embeddings are "
            "those of an ASOT trained for 12 actions. The true number counts the classes of the labels."
        )
        title = "estimate_n_actions on real recordings"
        write("bench_n_actions_real", title, real(options.data_root), notes, options.output)


if __name__ == "__main__":
    main()
