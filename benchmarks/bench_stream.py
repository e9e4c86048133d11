"""How close a stream comes to the answer to the whole sequence, and what it takes.

    OMP_NUM_THREADS=1 python -m benchmarks.bench_stream [--data-root DIR] [--quick] [--part agreement|lookahead|memory]

Three tables: agreement with ``otseg.gromov_ot`` of the whole sequence, beside windows that know nothing of each other;
what the frames after a frame are worth; and time and memory of files of up to a million frames.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import otseg
from benchmarks._report import RESULTS, write
from otseg.data import FeatureBlocks, load_folder
from otseg.data.signal import draw_features
from otseg.metrics import evaluate
from otseg.streaming import StreamProblem, segment_stream

#: ASOT's settings for Breakfast: when segmenting, and those of its pseudo-labels, where the shares weigh more.
SEGMENTING = {"epsilon": 0.04, "alpha": 0.7, "rho_b": 0.01}
TRAINING = {"epsilon": 0.07, "alpha": 0.4, "rho_b": 0.1}
N_ACTIONS = 8


@dataclass
class Data:
    """A long sequence, its true labels, its cost and the radius of its smoothness."""

    name: str
    cost: Tensor
    labels: Tensor
    radius: int


def synthetic(n_frames: int, drift: bool = False, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Features of segments of 10 to 150 frames of actions of unequal shares, their labels, and the actions' means.

    With ``drift``, four of the eight actions occur in the first half only, four in the second.
    """
    generator = torch.Generator().manual_seed(seed)
    weights = torch.arange(1.0, N_ACTIONS + 1) / N_ACTIONS
    parts: list[Tensor] = []
    done, last = 0, -1
    while done < n_frames:
        allowed = weights.clone()
        if drift:
            allowed[:4] *= done >= n_frames / 2
            allowed[4:] *= done < n_frames / 2
        allowed[max(last, 0)] = 0
        last = int(torch.multinomial(allowed, 1, generator=generator))
        parts.append(torch.full((int(torch.randint(10, 151, (), generator=generator)),), last))
        done += len(parts[-1])
    labels = torch.cat(parts)[:n_frames]
    features = draw_features(
        [labels], N_ACTIONS, 64, difficulty=0.75, noise_correlation=0.5, video_offset=0.0, generator=generator
    )[0]
    means = torch.stack([features[labels == k].mean(dim=0) for k in range(N_ACTIONS)])
    return features, labels, means


def synthetic_data(n_frames: int, drift: bool = False) -> Data:
    features, labels, means = synthetic(n_frames, drift)
    name = f"synthetic{', drifting' * drift}, {n_frames}"
    return Data(name, otseg.costs.cosine(features[None], means), labels, 40)


def recordings(root: Path) -> Data:
    """The recordings of sp_sw_har joined, under an ASOT that was trained on them; radius as in training."""
    from otseg.models import ASOT, ASOTConfig
    from otseg.train import TrainConfig, fit

    data = load_folder(root)
    torch.manual_seed(0)
    model = ASOT(ASOTConfig(n_actions=data.n_actions, n_features=data.n_features, order=0.0))
    fit(model, data, config=TrainConfig(n_samples=192), accelerator="cpu", enable_progress_bar=False)
    sequences = list(data.standardize(scale=data.n_features**-0.5))
    features = torch.cat([sequence.features for sequence in sequences])
    labels = torch.cat([sequence.labels for sequence in sequences if sequence.labels is not None])
    with torch.no_grad():
        cost = otseg.costs.cosine(model.encoder(features[None]), model.prototypes())
    radius = round(0.04 * len(features) / len(sequences))
    return Data(f"sp_sw_har joined, {len(labels)}", cost, labels, radius)


def whole(data: Data, settings: dict[str, float]) -> otseg.OTResult:
    return otseg.gromov_ot(data.cost, radius=data.radius, grad="none", **settings)


def independent(data: Data, settings: dict[str, float], window: int, overlap: int = 0) -> Tensor:
    """Shares by windows that are solved alone; ``overlap`` frames to each side are solved and left out."""
    parts, n, core = [], len(data.labels), window - 2 * overlap
    for start in range(0, n, core):
        first = max(0, start - overlap)
        cost = data.cost[:, first : start + core + overlap]
        plan = otseg.gromov_ot(cost, radius=data.radius, grad="none", **settings).plan[0] * cost.shape[1]
        parts.append(plan[start - first : start - first + core])
    return torch.cat(parts)


def stream(data: Data, settings: dict[str, float], window: int, lookahead: int, passes: int = 1) -> Tensor:
    problem = StreamProblem(lambda cost: cost, radius=data.radius, **settings)
    parts = segment_stream(data.cost[0], problem, window=window, lookahead=lookahead, passes=passes)
    return torch.cat([part.shares for part in parts])


def row(data: Data, settings: dict[str, float], answer: otseg.OTResult, work: Callable[[], Tensor]) -> dict[str, Any]:
    """A solution against that of the whole sequence."""
    start = time.process_time()
    shares = work()
    seconds = time.process_time() - start
    labels, n = shares.argmax(dim=1), len(shares)
    value, best = float(replace(answer, plan=(shares / n).unsqueeze(0)).value), float(answer.value)
    score = partial(evaluate, target=[data.labels], n_actions=data.cost.shape[2], ignore_labels=(-1,))
    return {
        "same label %": 100 * float((labels == answer.labels()[0]).double().mean()),
        "objective, % above": 100 * (value - best) / abs(best),
        "MoF": 100 * score([labels]).mof,
        "MoF, whole": 100 * score([answer.labels()[0]]).mof,
        "frames per CPU second": int(n / seconds),
    }


def agreement(options: argparse.Namespace) -> None:
    data = [synthetic_data(10_000)]
    if not options.quick:
        data += [synthetic_data(100_000), synthetic_data(100_000, drift=True)]
        if options.data_root is not None:
            data.insert(0, recordings(options.data_root))
    rows: list[dict[str, Any]] = []
    for each in data:
        for name, settings in (("segmenting", SEGMENTING), ("training", TRAINING)):
            answer = whole(each, settings)
            window, lookahead = 2000, 3 * each.radius
            works: dict[str, Callable[[], Tensor]] = {
                "whole, again": lambda s=settings, d=each: whole(d, s).plan[0] * len(d.labels),
                "windows alone": partial(independent, each, settings, window),
                "windows alone, overlapping": partial(independent, each, settings, window, lookahead),
            }
            for passes in (1, 2, 3, 4):
                works[f"stream, {passes} pass{'es' * (passes > 1)}"] = partial(
                    stream, each, settings, window, lookahead, passes
                )
            for method, work in works.items():
                found = row(each, settings, answer, work)
                rows.append({"data, frames": each.name, "settings": name, "method": method, **found})
                print(rows[-1], file=sys.stderr)
    notes = (
        "Share of frames whose label is that of `otseg.gromov_ot` of the whole sequence (25 iterations), the objective "
        "of the assembled plan under the problem of the whole sequence, and MoF after matching. `windows alone` know "
        "nothing of each other; `overlapping` ones solve as many frames more to each side as the stream looks ahead. "
        "Windows of 2000 frames, lookahead of three radii; radius 40 frames (synthetic) and 4 % of a mean recording "
        f"(sp_sw_har, cost of an ASOT trained on it). Segmenting: {SEGMENTING}; training: {TRAINING}. float32, one "
        f"thread. Load of the machine in the last 5 minutes: {os.getloadavg()[1]:.1f}."
    )
    write("bench_stream", "Streams against the answer to the whole sequence", rows, notes, options.output)


def lookahead(options: argparse.Namespace) -> None:
    data = synthetic_data(10_000) if options.quick or options.data_root is None else recordings(options.data_root)
    rows, radius = [], data.radius
    answer = whole(data, SEGMENTING)
    for window, ahead in ((10, 0), (20, 10), (60, 0), (60, 10), (60, 20), (60, 40), (250, 0), (250, 10), (250, 20),
                          (250, 40), (250, 100), (1000, 10), (1000, 40), (1000, 400), (4000, 40)):  # fmt: skip
        sizes = {"window": window, "lookahead": ahead, "lookahead / radius": ahead / radius}
        found = row(data, SEGMENTING, answer, partial(stream, data, SEGMENTING, window, ahead))
        rows.append({**sizes, **found})
        print(rows[-1], file=sys.stderr)
    notes = (
        f"{data.name} frames, radius {radius}, one pass, {SEGMENTING}. A frame's answer comes `lookahead` to `window` "
        "frames after it. Columns as in `bench_stream.md`."
    )
    write("bench_stream_lookahead", "What the frames after a frame are worth", rows, notes, options.output)


def memory(options: argparse.Namespace) -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for n in (10_000, 100_000, 1_000_000)[: 1 if options.quick else 3]:
            features, _, means = synthetic(n)
            np.save(Path(folder, f"{n}.npy"), features.numpy())
            np.save(Path(folder, "means.npy"), means.numpy())
            size = features.numel() * 4 / 2**20
            del features
            for method in ("whole", "stream"):
                code = f"from benchmarks import bench_stream; bench_stream.alone({folder!r}, {n}, {method!r})"
                out = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
                seconds, before, peak = (float(word) for word in out.stdout.split())
                rows.append(
                    {
                        "frames": n,
                        "MiB of the file": size,
                        "method": method,
                        "CPU seconds": seconds,
                        "frames per CPU second": int(n / seconds),
                        "MiB before": 1024 * before,
                        "MiB beyond": 1024 * (peak - before),
                    }
                )
                print(rows[-1], file=sys.stderr)
    notes = (
        "From a .npy file of 64 features on disk to labels: reading, standardizing, cosine cost, 25 iterations. "
        "`whole` loads the file; `stream` reads it twice, in windows of 4000 frames, lookahead 120, radius 40. Every "
        "row in a process of its own: `MiB before` is its peak with its imports, `MiB beyond` what it rises by."
    )
    write("bench_stream_memory", "Streams: time and memory of long files", rows, notes, options.output)


def peak_gib() -> float:
    """Largest resident memory of this process; ``ru_maxrss`` starts at that of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**20


def alone(folder: str, n: int, method: str) -> None:
    """Seconds, and GiB of this process before and at its peak."""
    path, prototypes = Path(folder, f"{n}.npy"), torch.from_numpy(np.load(Path(folder, "means.npy")))
    settings = {**SEGMENTING, "radius": 40}

    def cost(x: Tensor) -> Tensor:
        return otseg.costs.cosine(x, prototypes)

    segment_stream(torch.rand(50, 64), StreamProblem(cost, **settings), window=10)
    otseg.gromov_ot(torch.rand(1, 100, N_ACTIONS), **settings)
    before, start = peak_gib(), time.process_time()
    if method == "whole":
        sequence = otseg.data.standardize(otseg.data.Sequence(torch.from_numpy(np.load(path))), scale=1 / 8)
        otseg.gromov_ot(cost(sequence.features[None]), grad="none", **settings).labels()
    else:
        blocks = FeatureBlocks(path, 4000).standardize(scale=1 / 8)
        parts = segment_stream(blocks, StreamProblem(cost, **settings), window=4000, lookahead=120)
        torch.cat([part.labels for part in parts])
    print(time.process_time() - start, before, peak_gib())


PARTS = {"agreement": agreement, "lookahead": lookahead, "memory": memory}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, help="folder sp_sw_har; without it synthetic data only")
    parser.add_argument("--quick", action="store_true", help="ten thousand frames only")
    parser.add_argument("--part", choices=list(PARTS), help="one of the tables; all if left out")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    for name, part in PARTS.items():
        if options.part in (None, name):
            part(options)


if __name__ == "__main__":
    main()
