"""Time of 50 Sinkhorn sweeps from cost to plan: otseg with its compiled kernel, its reference in torch, and others.

python -m benchmarks.bench_sinkhorn [--repeats 7] [--quick] [--compile-sweeps 1 10] [--output FOLDER]

ott-jax is compared where jax and ott are installed. ``torch.compile`` gets the whole loop as a loop of its own, and
sweeps one by one or several at a time, written out: with 10 in a call it needs 20 s for every shape, with all 50
minutes. ``--compile-sweeps`` without a number leaves torch.compile out.
"""

import argparse
import importlib.metadata
import importlib.util
import math
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

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


def compiled(sweeps: int) -> Callable[[Tensor], Tensor]:
    """The reference's sweeps under ``torch.compile``, some of them in one call."""

    @torch.compile(dynamic=False)
    def some(score: Tensor, f: Tensor, log_a: Tensor, log_b: Tensor) -> tuple[Tensor, Tensor]:
        for _ in range(sweeps):
            g = softmin(score, f, log_a, 1)
            f = softmin(score, g, log_b, 2)
        return f, g

    def work(cost: Tensor) -> Tensor:
        a, b = uniform(cost)
        score, log_a, log_b = cost / -EPSILON, log_weight(a), log_weight(b)
        f = torch.zeros_like(a)
        for _ in range(SWEEPS // sweeps):
            f, g = some(score, f, log_a, log_b)
        return to_plan(score, a, b, f, g)

    return work


def compiled_loop() -> Callable[[Tensor], Tensor]:
    """All sweeps of the reference in one call of ``torch.compile``, by its own loop: it compiles a sweep once."""
    from torch._higher_order_ops import while_loop

    @torch.compile(dynamic=False, fullgraph=True)
    def whole(score: Tensor, f: Tensor, log_a: Tensor, log_b: Tensor) -> tuple[Tensor, Tensor]:
        def more(left: Tensor, f: Tensor, g: Tensor) -> Tensor:
            return left > 0

        def sweep(left: Tensor, f: Tensor, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            g = softmin(score, f, log_a, 1)
            return left - 1, softmin(score, g, log_b, 2), g

        left = torch.full((), SWEEPS, dtype=torch.int64, device=f.device)
        _, f, g = while_loop(more, sweep, (left, f, torch.zeros_like(log_b)))
        return f, g

    def work(cost: Tensor) -> Tensor:
        a, b = uniform(cost)
        score = cost / -EPSILON
        return to_plan(score, a, b, *whole(score, torch.zeros_like(a), log_weight(a), log_weight(b)))

    return work


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


def ott_jax(lse_mode: bool, cost: Tensor) -> Callable[[], Any]:
    """One compiled program over the batch; the cost is an array of jax before the clock starts."""
    import jax
    from ott.geometry.geometry import Geometry
    from ott.problems.linear.linear_problem import LinearProblem
    from ott.solvers.linear.sinkhorn import Sinkhorn

    iterations = {"min_iterations": SWEEPS, "max_iterations": SWEEPS, "inner_iterations": SWEEPS}
    solver = Sinkhorn(lse_mode=lse_mode, threshold=-1, **iterations)  # type: ignore[arg-type]

    @jax.jit
    @jax.vmap
    def plan(cost: Any) -> Any:
        return solver(LinearProblem(Geometry(cost, epsilon=EPSILON))).matrix

    array = jax.numpy.from_dlpack(cost)
    return lambda: jax.block_until_ready(plan(array))


def peers(compile_sweeps: list[int]) -> dict[str, Callable[[Tensor], Callable[[], Any]]]:
    """From a cost to what is timed."""
    torch_peers = {f"torch.compile, {n} a call": compiled(n) for n in compile_sweeps}
    if compile_sweeps:
        torch_peers["torch.compile, whole loop"] = compiled_loop()
    torch_peers |= {"POT batch": pot_batch, "POT sinkhorn_log (NumPy)": pot_log, "geomloss": geomloss_batch}
    found: dict[str, Callable[[Tensor], Callable[[], Any]]] = {}
    for name, peer in torch_peers.items():
        found[name] = partial(partial, peer)
    if has_ott():
        found |= {"ott-jax": partial(ott_jax, True), "ott-jax, scaling": partial(ott_jax, False)}
    return found


def has_ott() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("jax", "ott"))


def about_ott() -> str:
    if not has_ott():
        return "ott-jax is not installed here"
    ott, jax = (importlib.metadata.version(name) for name in ("ott-jax", "jax"))
    return (
        f"ott-jax {ott} (jax {jax}), `Sinkhorn` under `jit` and `vmap`, in the log domain and, as `scaling`, on the "
        "kernel matrix (`lse_mode=False`), which is faster and underflows for small epsilon"
    )


def compare(shape: tuple[int, int, int], repeats: int, compile_sweeps: list[int]) -> dict[str, object]:
    cost = torch.rand(*shape, generator=torch.Generator().manual_seed(0))
    plan, entries = ours(cost), math.prod(shape)
    row: dict[str, object] = {"shape (B, N, K)": shape}
    measured, others = {}, peers(compile_sweeps)
    for name, prepare in {"reference": partial(partial, reference), **others}.items():
        work = prepare(cost)
        gap = float((torch.from_dlpack(work()) - plan).abs().max() / plan.max())
        limit = 5e-2 if name == "geomloss" else 1e-4  # geomloss averages its updates: slower per sweep
        assert gap < limit, f"{name} finds another plan: {gap}"
        measured[name] = side_by_side(lambda: ours(cost), work, min(repeats, 2) if "NumPy" in name else repeats)
        print(f"{shape} {name}: {measured[name]['ratio']:.2f}", flush=True)
    seconds = min(times["ours_s"] for times in measured.values())
    row |= {"ours s": seconds, "ours ns per entry and sweep": 1e9 * seconds / entries / SWEEPS}
    row |= {f"{name} / ours": times["ratio"] for name, times in measured.items()}
    row["best peer / ours"] = min(measured[name]["ratio"] for name in others)
    relaxed = side_by_side(lambda: ours(cost), lambda: ours(cost, 0.3), repeats)
    row["semi-relaxed / balanced"] = relaxed["ratio"]
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="the first and the last shape")
    parser.add_argument(
        "--compile-sweeps", type=int, nargs="*", default=[1, 10], help="sweeps in a call of torch.compile"
    )
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    state = otseg.backend_info()
    shapes = SHAPES[:1] + SHAPES[-1:] if options.quick else SHAPES
    rows = [compare(shape, options.repeats, options.compile_sweeps) for shape in shapes]
    kernel = "loaded" if state["cpu"].startswith("loaded") else state["cpu"]
    notes = f"CPU kernel: {kernel} ({state['build']}). From cost to plan, {SWEEPS} sweeps without a stopping test, "
    notes += f"float32, uniform random cost and uniform marginals, epsilon {EPSILON}. `ours s` is the smallest of the "
    notes += "medians; ratios are medians of ratios of runs that follow one another. Peers: the reference's sweeps "
    notes += f"under `torch.compile`, with that many of the {SWEEPS} in a call, or all in a `while_loop`; "
    notes += f"POT {ot.__version__}, "
    notes += "`ot.batch.solve_batch` with `log_sinkhorn`, and `ot.bregman.sinkhorn_log` in NumPy, problem by problem "
    notes += f"(two runs); geomloss {geomloss.__version__}, `geomloss.ot.solve_batch`; "
    notes += f"{about_ott()}. All were compiled before the clock, and find the same plan. "
    notes += (
        f"Load of the machine in the last 5 minutes: {os.getloadavg()[1]:.1f}; with more than its cores, threads that "
    )
    notes += "wait for one another make every time and ratio unreliable."
    write("bench_sinkhorn", "Sinkhorn: the compiled kernel", rows, notes, options.output)


if __name__ == "__main__":
    main()
