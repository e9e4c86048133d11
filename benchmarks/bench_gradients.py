"""Time and peak memory of gradients of the plan: implicit against unrolled, and against POT's batched solver.

python -m benchmarks.bench_gradients [--repeats 9] [--quick] [--output FOLDER]
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import ot
import torch

import otseg
from benchmarks._report import RESULTS, peak_gib, seconds, side_by_side, write

SHAPES = [(32, 256, 12), (256, 50, 10), (1, 9000, 48), (1, 512, 512)]
ITERATIONS = [10, 100, 1000]
MEMORY_SHAPE = (32, 256, 12)
EPSILON = 0.1


def make(shape: tuple[int, int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    cost = torch.rand(*shape, generator=generator).requires_grad_()
    return cost, torch.randn(*shape, generator=generator)


def ours(cost: torch.Tensor, grad: str, max_iter: int) -> torch.Tensor:
    return otseg.sinkhorn(cost, epsilon=EPSILON, max_iter=max_iter, tol=None, grad=grad).plan


def pot(cost: torch.Tensor, max_iter: int) -> torch.Tensor:
    """POT's batched log-domain Sinkhorn, differentiated by autograd, without its stopping test."""
    a, b = (torch.full((cost.shape[0], n), 1 / n) for n in cost.shape[1:])
    result = ot.batch.solve_batch(
        cost, EPSILON, a=a, b=b, max_iter=max_iter, tol=1e-30, method="log_sinkhorn", grad="autodiff"
    )
    return result.plan


def both(plan_of: Callable[[torch.Tensor], torch.Tensor], shape: tuple[int, int, int]) -> Callable[[], object]:
    cost, weight = make(shape)
    return lambda: torch.autograd.grad((plan_of(cost) * weight).sum(), cost)


def backward_over_forward(shape: tuple[int, int, int], grad: str, max_iter: int, repeats: int) -> float:
    cost, weight = make(shape)
    ratios = []
    for _ in range(repeats + 1):
        plans: list[torch.Tensor] = []
        forward = seconds(lambda plans=plans: plans.append(ours(cost, grad, max_iter)))
        loss = (plans[0] * weight).sum()
        ratios.append(seconds(lambda loss=loss: torch.autograd.grad(loss, cost)) / forward)
    return float(torch.tensor(ratios[1:]).median())


def compare(shape: tuple[int, int, int], repeats: int, max_iter: int = 50) -> dict[str, object]:
    implicit = both(lambda cost: ours(cost, "implicit", max_iter), shape)
    unrolled = side_by_side(implicit, both(lambda cost: ours(cost, "unroll", max_iter), shape), repeats)
    theirs = side_by_side(implicit, both(lambda cost: pot(cost, max_iter), shape), repeats)
    return {
        "shape (B, N, K)": shape,
        "sweeps": max_iter,
        "implicit s": unrolled["ours_s"],
        "unrolled s": unrolled["theirs_s"],
        "POT autodiff s": theirs["theirs_s"],
        "unrolled / implicit": unrolled["ratio"],
        "POT / implicit": theirs["ratio"],
        "implicit: backward / forward": backward_over_forward(shape, "implicit", max_iter, repeats),
    }


def memory(max_iter: int) -> dict[str, object]:
    """Peak memory above a process that does nothing, each in a process of its own."""
    row: dict[str, object] = {"shape (B, N, K)": MEMORY_SHAPE, "sweeps": max_iter}
    for kind in ("implicit", "unroll", "POT autodiff"):
        code = f"from benchmarks import bench_gradients; bench_gradients.alone({kind!r}, {max_iter})"
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        row[f"{kind} MiB"] = float(out)
    return row


def alone(kind: str, max_iter: int) -> None:
    solve = (lambda cost: pot(cost, max_iter)) if kind.startswith("POT") else (lambda cost: ours(cost, kind, max_iter))
    both(lambda cost: ours(cost, "implicit", 1), (1, 2, 2))()
    before = peak_gib()
    both(solve, MEMORY_SHAPE)()
    print(1024 * (peak_gib() - before))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="the first two shapes, no memory")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    rows = [compare(shape, options.repeats) for shape in (SHAPES[:2] if options.quick else SHAPES)]
    notes = "Gradient of a random linear function of the plan with respect to the cost. Balanced, float32, uniform "
    notes += f"random cost, epsilon {EPSILON}, 50 sweeps without a stopping test. Medians of runs that follow one "
    notes += f"another; ratios are medians of ratios. POT {ot.__version__}: `ot.batch.solve_batch` with `log_sinkhorn`, "
    notes += "`grad='autodiff'`."
    write("bench_gradients", "Gradients of the plan", rows, notes, options.output)
    if not options.quick:
        notes = "Peak resident memory of forward and backward above that of a process that has run a tiny problem."
        rows = [memory(max_iter) for max_iter in ITERATIONS]
        write("bench_gradients_memory", "Memory of gradients of the plan", rows, notes, options.output)


if __name__ == "__main__":
    main()
