"""Speed of ``otseg.gromov_ot`` (25 iterations) against the published algorithm, and its growth with length.

python -m benchmarks.bench_gromov [--repeats 5] [--quick] [--part speed|length] [--output FOLDER]
"""

import argparse
import subprocess
import sys
from pathlib import Path

import torch

import otseg
from benchmarks._report import RESULTS, peak_gib, seconds, side_by_side, write
from benchmarks.published_asot import published_asot

SETTINGS = {"epsilon": 0.07, "alpha": 0.4, "radius": 0.04, "rho_b": 0.1, "max_iter": 25}
SHAPES = [(2, 256, 12), (32, 256, 12), (1, 2048, 19), (16, 2048, 19), (1, 5292, 8), (1, 9000, 48)]
LENGTHS = [10_000, 100_000, 1_000_000]  # of one sequence with 20 actions


def make_cost(batch: int, frames: int, actions: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(batch, frames, actions, generator=generator)


def ours(cost: torch.Tensor) -> otseg.OTResult:
    return otseg.gromov_ot(cost, grad="none", **SETTINGS)


def compare(shape: tuple[int, int, int], repeats: int) -> dict[str, object]:
    cost = make_cost(*shape)
    timing = side_by_side(lambda: ours(cost), lambda: published_asot(cost, **SETTINGS), repeats)
    return {"shape (B, N, K)": shape, "work": "25 iterations", **timing}


def grow(frames: int) -> dict[str, object]:
    """Time and memory of one long sequence, in a process of its own so that the peak is its own."""
    code = f"from benchmarks import bench_gromov; bench_gromov.alone({frames})"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    return {"frames": frames, "seconds": float(out[0]), "peak GiB of the process": float(out[1])}


def alone(frames: int) -> None:
    cost = make_cost(1, frames, 20)
    ours(cost[:, :1000])
    print(min(seconds(lambda: ours(cost)) for _ in range(3 if frames > 300_000 else 10)), peak_gib())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small shapes only")
    parser.add_argument("--part", choices=["speed", "length"], help="one of the two tables; both if left out")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.part != "length":
        speed(options)
    if options.part != "speed":
        length(options)


def speed(options: argparse.Namespace) -> None:
    rows = [compare(shape, options.repeats) for shape in (SHAPES[:2] if options.quick else SHAPES)]
    notes = (
        "Medians of runs that follow one another; ratio = median of published / ours. float32, uniform random cost, "
        + ", ".join(f"{k} {v}" for k, v in SETTINGS.items())
        + ". The baseline is `benchmarks/published_asot.py`: the published algorithm from its formulas."
    )
    write("bench_gromov", "gromov_ot against the published ASOT algorithm", rows, notes, options.output)


def length(options: argparse.Namespace) -> None:
    lengths = [grow(frames) for frames in (LENGTHS[:1] if options.quick else LENGTHS)]
    notes = "Best of ten (three for a million frames) of one sequence, 20 actions, float32, 25 iterations."
    write("bench_gromov_length", "gromov_ot: growth with length", lengths, notes, options.output)


if __name__ == "__main__":
    main()
