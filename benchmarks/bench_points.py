"""Transport between points without a cost matrix: against geomloss and the dense solver, and its growth.

    python -m benchmarks.bench_points [--repeats 5] [--quick] [--part compare|growth] [--output FOLDER]

Two tables: the time of ten sweeps against two solvers that store the cost, and one sweep of up to 10^5 points
(minutes). On a busy machine, set OMP_NUM_THREADS=1.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from geomloss import SamplesLoss

import otseg
from benchmarks._report import RESULTS, peak_gib, seconds, side_by_side, write
from otseg.costs import euclidean
from otseg.solvers import sinkhorn_points

SIZES = [(1000, 2), (4000, 2), (4000, 64)]
EPSILON, DIAMETER, SWEEPS = 0.01, 2.0, 10
LARGE = [10_000, 30_000, 100_000]


def clouds(n: int, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.rand(1, n, dim, generator=generator) / dim**0.5 for _ in range(2))
    return x, y


def ours(x: torch.Tensor, y: torch.Tensor) -> otseg.solvers.PointResult:
    return sinkhorn_points(x, y, epsilon=EPSILON, max_iter=SWEEPS, tol=None)


def dense(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    cost = euclidean(x, y, squared=True)
    return otseg.sinkhorn(cost, epsilon=EPSILON, max_iter=SWEEPS, tol=None, grad="none").value


def tensorized(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Its sweeps: one at the diameter, one at every fourth of epsilon down to its own, and one to extrapolate.

    geomloss has no other way to say how many; its cost is half the squared distance, and blur is the root of epsilon.
    """
    scaling = (EPSILON / 2 / DIAMETER) ** (1 / 2 / (SWEEPS - 1))
    loss = SamplesLoss(
        "sinkhorn", p=2, blur=(EPSILON / 2) ** 0.5, diameter=DIAMETER**0.5, scaling=scaling, debias=False,
        backend="tensorized",
    )  # fmt: skip
    return 2 * loss(x, y)


def compare(n: int, dim: int, name: str, theirs: Callable, repeats: int) -> dict[str, object]:
    x, y = clouds(n, dim)
    with torch.no_grad():
        timing = side_by_side(lambda: ours(x, y), lambda: theirs(x, y), repeats)
    cost = {"GiB of a cost matrix": 4 * n * n / 2**30}
    return {"N = M": n, "D": dim, "against": name, **cost, **timing}


def grow(n: int) -> dict[str, object]:
    """One sweep, in a process of its own so that the peak is its own."""
    code = f"from benchmarks import bench_points; bench_points.alone({n})"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    names = ("seconds", "billion pairs a second", "peak GiB of the process", "GiB before")
    return {"N = M": n, "GiB of a cost matrix": 4 * n * n / 2**30, **dict(zip(names, map(float, out), strict=True))}


def alone(n: int) -> None:
    x, y = clouds(n, 2)
    options = {"epsilon": EPSILON, "max_iter": 1, "tol": None}
    sinkhorn_points(x[:, :1000], y[:, :1000], **options)
    before = peak_gib()
    time = seconds(lambda: sinkhorn_points(x, y, **options))
    print(time, 4 * n * n / time / 1e9, peak_gib(), before)  # a sweep, and one more for error and value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--part", choices=["compare", "growth"], help="one of the two tables; both if left out")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.part != "growth":
        compare_all(options)
    if options.part != "compare":
        rows = [grow(n) for n in (LARGE[:1] if options.quick else LARGE)]
        notes = f"One sweep, error and value: 4 N M pairs. float32, D = 2, epsilon {EPSILON}, torch backend, run once."
        write("bench_points_growth", "sinkhorn_points: growth with size", rows, notes, options.output)


def compare_all(options: argparse.Namespace) -> None:
    baselines = {"dense otseg.sinkhorn": dense, "geomloss, tensorized": tensorized}
    rows = [
        compare(n, dim, name, theirs, options.repeats)
        for n, dim in (SIZES[:1] if options.quick else SIZES)
        for name, theirs in baselines.items()
    ]
    notes = (
        f"Medians of runs that follow one another; ratio = median of theirs / ours. float32, uniform points, epsilon "
        f"{EPSILON}, {SWEEPS} sweeps and the value, no gradient. geomloss updates both potentials at once and averages "
        f"them, at {SWEEPS} epsilons from {DIAMETER} down; its online backend needs KeOps."
    )
    write("bench_points", "sinkhorn_points against solvers with a cost matrix", rows, notes, options.output)


if __name__ == "__main__":
    main()
