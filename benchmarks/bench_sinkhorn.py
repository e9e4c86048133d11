"""Time of 50 Sinkhorn sweeps from cost to plan: otseg with its compiled kernel, its reference in torch, and others.

python -m benchmarks.bench_sinkhorn [--repeats 7] [--quick] [--output FOLDER]
"""

import argparse
import math
import os
from collections.abc import Callable
from pathlib import Path

import geomloss.ot
import numpy
import ot
import torch
from torch import Tensor

import otseg
from benchmarks._report import RESULTS, side_by_side, write
from otseg.ops.divergence import log_weight
from otseg.ops.sinkhorn import reference_sweeps
from otseg.ops.softmin import softmin

SHAPES = [(32, 256, 12), (16, 2048, 19), (1, 9000, 48), (1, 2048, 2048), (256, 50, 10)]
EPSILON = 0.1
SWEEPS = 50


def uniform(cost: Tensor) -> tuple[Tensor, Tensor]:
    a, b = (cost.new_full((cost.shape[0], n), 1 / n) for n in cost.shape[1:])
    return a, b


def ours(cost: Tensor, rho_b: float = math.inf) -> Tensor:
    return otseg.sinkhorn(cost, epsilon=EPSILON, rho_b=rho_b, max_iter=SWEEPS, tol=None, grad="none").plan


def reference(cost: Tensor) -> Tensor:
    a, b = uniform(cost)
    score, exact = cost / -EPSILON, cost.new_zeros(len(cost))
    f, g, _, _ = reference_sweeps(score, a, b, exact, exact, torch.zeros_like(a), SWEEPS, None, False)
    return to_plan(score, a, b, f, g)


def to_plan(score: Tensor, a: Tensor, b: Tensor, f: Tensor, g: Tensor) -> Tensor:
    return (score + (f + a.log()).unsqueeze(2) + (g + b.log()).unsqueeze(1)).exp()


@torch.compile(dynamic=False)
def compiled_sweep(score: Tensor, f: Tensor, log_a: Tensor, log_b: Tensor) -> tuple[Tensor, Tensor]:
    g = softmin(score, f, log_a, 1)
    return softmin(score, g, log_b, 2), g


def compiled(cost: Tensor) -> Tensor:
    """The reference's sweep under torch.compile; all of them in one graph would take minutes to compile."""
    a, b = uniform(cost)
    score, log_a, log_b = cost / -EPSILON, log_weight(a), log_weight(b)
    f = torch.zeros_like(a)
    for _ in range(SWEEPS):
        f, g = compiled_sweep(score, f, log_a, log_b)
    return to_plan(score, a, b, f, g)


def pot_batch(cost: Tensor) -> Tensor:
    a, b = uniform(cost)
    options = {"max_iter": SWEEPS, "tol": 1e-30, "method": "log_sinkhorn", "grad": "detach"}
    return ot.batch.solve_batch(cost, EPSILON, a=a, b=b, **options).plan


def pot_log(cost: Tensor) -> Tensor:
    """One problem after the other, in NumPy: the fastest way to call it."""
    a, b = (x.numpy() for x in uniform(cost))
    options = {"numItermax": SWEEPS, "stopThr": 0, "warn": False}
    return torch.from_numpy(
        numpy.stack([ot.bregman.sinkhorn_log(*one, EPSILON, **options) for one in zip(a, b, cost.numpy(), strict=True)])
    )


def geomloss_batch(cost: Tensor) -> Tensor:
    a, b = uniform(cost)
    return geomloss.ot.solve_batch(cost, reg=EPSILON, a=a, b=b, max_iter=SWEEPS).plan


PEERS: dict[str, Callable[[Tensor], Tensor]] = {
    "torch.compile": compiled,
    "POT batch": pot_batch,
    "POT sinkhorn_log": pot_log,
    "geomloss": geomloss_batch,
}


def compare(shape: tuple[int, int, int], repeats: int) -> dict[str, object]:
    cost = torch.rand(*shape, generator=torch.Generator().manual_seed(0))
    plan, entries = ours(cost), math.prod(shape)
    row: dict[str, object] = {"shape (B, N, K)": shape}
    measured = {}
    for name, peer in {"reference": reference, **PEERS}.items():
        gap = float((peer(cost) - plan).abs().max() / plan.max())
        assert gap < 5e-2, f"{name} finds another plan: {gap}"  # geomloss averages its updates: slower per sweep
        measured[name] = side_by_side(lambda: ours(cost), lambda peer=peer: peer(cost), repeats)
    seconds = min(times["ours_s"] for times in measured.values())
    row |= {"ours s": seconds, "ours ns per entry and sweep": 1e9 * seconds / entries / SWEEPS}
    row |= {f"{name} / ours": times["ratio"] for name, times in measured.items()}
    row["best peer / ours"] = min(measured[name]["ratio"] for name in PEERS)
    relaxed = side_by_side(lambda: ours(cost), lambda: ours(cost, 0.3), repeats)
    row["semi-relaxed / balanced"] = relaxed["ratio"]
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="the first and the last shape")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    state = otseg.backend_info()
    rows = [compare(shape, options.repeats) for shape in (SHAPES[:1] + SHAPES[-1:] if options.quick else SHAPES)]
    kernel = "loaded" if state["cpu"].startswith("loaded") else state["cpu"]
    notes = f"CPU kernel: {kernel} ({state['build']}). From cost to plan, {SWEEPS} sweeps without a stopping test, "
    notes += f"float32, uniform random cost and uniform marginals, epsilon {EPSILON}. `ours s` is the smallest of the "
    notes += "medians; ratios are medians of ratios of runs that follow one another. Peers: one sweep of the reference "
    notes += f"under `torch.compile`, called {SWEEPS} times; POT {ot.__version__}, `ot.batch.solve_batch` with "
    notes += "`log_sinkhorn`, and `ot.bregman.sinkhorn_log` in NumPy, problem by problem; geomloss "
    notes += f"{geomloss.__version__}, `geomloss.ot.solve_batch`. ott-jax was not compared. "
    notes += (
        f"Load of the machine in the last 5 minutes: {os.getloadavg()[1]:.1f}; with more than its cores, threads that "
    )
    notes += "wait for one another make every time and ratio unreliable."
    write("bench_sinkhorn", "Sinkhorn: the compiled kernel", rows, notes, options.output)


if __name__ == "__main__":
    main()
