"""Speed of ``otseg.gromov_ot`` (25 iterations) against the published algorithm, and its growth with length.

python -m benchmarks.bench_gromov [--repeats 5] [--quick] [--part speed|length|reference] [--output FOLDER]

Three tables: against the published algorithm; one sequence of up to a million frames; and the reference in torch, which
takes over where the compiled kernel is not, on small shapes.
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

import torch

import otseg
from benchmarks._report import RESULTS, peak_gib, seconds, side_by_side, write
from benchmarks.published_asot import published_asot

SETTINGS = {"epsilon": 0.07, "alpha": 0.4, "radius": 0.04, "rho_b": 0.1, "max_iter": 25}
SHAPES = [(2, 256, 12), (32, 256, 12), (1, 2048, 19), (16, 2048, 19), (1, 5292, 8), (1, 9000, 48)]
LENGTHS = [10_000, 100_000, 1_000_000]  # of one sequence
ACTIONS = [20, 48]  # of it
SMALL = SHAPES[:3]
LEAST = 0.05  # seconds that a timing takes


def make_cost(batch: int, frames: int, actions: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(batch, frames, actions, generator=generator)


def ours(cost: torch.Tensor) -> otseg.OTResult:
    return otseg.gromov_ot(cost, grad="none", **SETTINGS)


def compare(shape: tuple[int, int, int], repeats: int) -> dict[str, object]:
    cost = make_cost(*shape)
    timing = side_by_side(lambda: ours(cost), lambda: published_asot(cost, **SETTINGS), repeats, LEAST)
    return {"shape (B, N, K)": shape, "work": "25 iterations", **timing}


def child(call: str, **environment: str) -> list[float]:
    """What a function of this file prints in a process of its own, so that its peak of memory is its own."""
    code = f"from benchmarks import bench_gromov; bench_gromov.{call}"
    out = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, **environment}
    )
    return [float(word) for word in out.stdout.split()]


def grow(frames: int, actions: int) -> dict[str, object]:
    """Time and memory of one long sequence."""
    first, time, before, peak = child(f"alone({frames}, {actions})")
    ns = 1e9 * time / frames / actions / SETTINGS["max_iter"]
    row = {"frames": frames, "actions": actions, "first run s": first, "seconds": time}
    row |= {"ns per entry and iteration": ns, "GiB of the cost": 4 * frames * actions / 2**30}
    return row | {"GiB before": before, "GiB beyond": peak - before}


def alone(frames: int, actions: int) -> None:
    """First and best time; GiB of the process with imports and input, and at its peak."""
    cost = make_cost(1, frames, actions)
    before = peak_gib()
    ours(cost[:, :1000].contiguous())
    times = [seconds(lambda: ours(cost)) for _ in range(3 if frames > 300_000 else 10)]
    print(times[0], min(times), before, peak_gib())


def median_time(shape: tuple[int, int, int], repeats: int) -> None:
    cost = make_cost(*shape)
    ours(cost)
    print(statistics.median(seconds(lambda: ours(cost)) for _ in range(repeats)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small shapes only")
    parser.add_argument("--part", choices=list(PARTS), help="one of the tables; all if left out")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    for name, part in PARTS.items():
        if options.part in (None, name):
            part(options)


def about() -> str:
    """Which backend ran, and how busy the machine was."""
    kernel = otseg.backend_info()["cpu"]
    kernel = "loaded and used" if kernel.startswith("loaded") else f"NOT used ({kernel})"
    return f"Compiled CPU kernel: {kernel}. Load of the machine in the last 5 minutes: {os.getloadavg()[1]:.1f}."


def speed(options: argparse.Namespace) -> None:
    rows = [compare(shape, options.repeats) for shape in (SHAPES[:2] if options.quick else SHAPES)]
    notes = (
        f"Medians of runs that follow one another, each the mean of as many calls as take {1000 * LEAST:.0f} ms; "
        "ratio = median of published / ours. float32, uniform random cost, "
        + ", ".join(f"{k} {v}" for k, v in SETTINGS.items())
        + f". The baseline is `benchmarks/published_asot.py`: the published algorithm from its formulas. {about()}"
    )
    write("bench_gromov", "gromov_ot against the published ASOT algorithm", rows, notes, options.output)


def length(options: argparse.Namespace) -> None:
    lengths = LENGTHS[:1] if options.quick else LENGTHS
    rows = [grow(frames, actions) for actions in ACTIONS for frames in lengths]
    for row, shorter in zip(rows, [None, *rows], strict=False):
        longer = shorter is not None and shorter["frames"] < row["frames"]
        row["times the row above"] = row["seconds"] / shorter["seconds"] if longer else "-"
    notes = (
        "`seconds`: best of ten runs (three for a million frames) of one sequence, float32, 25 iterations; `first run "
        "s`: the first of them, which takes its memory from the operating system. Every row in a process of its own. "
        "`GiB before`: peak of the process with its imports and the cost; `GiB beyond`: what its peak rises above "
        f"that, the plan that is returned included. {about()}"
    )
    write("bench_gromov_length", "gromov_ot: growth with length", rows, notes, options.output)


def reference(options: argparse.Namespace) -> None:
    rows = []
    for shape in SMALL[:1] if options.quick else SMALL:
        call = f"median_time({shape}, {options.repeats})"
        kernel, torch_s = child(call)[0], child(call, OTSEG_BACKEND="torch")[0]
        rows.append({"shape (B, N, K)": shape, "kernel s": kernel, "reference s": torch_s, "ratio": torch_s / kernel})
    notes = f"Medians of two processes, without and with `OTSEG_BACKEND=torch`; 25 iterations, float32. {about()}"
    write("bench_gromov_reference", "gromov_ot without the compiled kernel", rows, notes, options.output)


PARTS = {"speed": speed, "length": length, "reference": reference}

if __name__ == "__main__":
    main()
