"""Time and peak memory of gradients of the plan: implicit against unrolled, and against POT's batched solver.

python -m benchmarks.bench_gradients [--repeats 9] [--quick] [--output FOLDER]
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

import ot
import torch

import otseg
from benchmarks._report import RESULTS, seconds, side_by_side, write
from otseg.ops import sinkhorn_gradient

SHAPES = [(32, 256, 12), (256, 50, 10), (16, 2048, 19), (1, 9000, 48), (1, 512, 512)]
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


def formula_over_kernel(shape: tuple[int, int, int], repeats: int) -> tuple[float, float]:
    """Seconds of the backward pass, and how much longer it takes where its middle is the formula in torch."""
    cost, weight = make(shape)
    kernel = sinkhorn_gradient.needs_formula

    def backward(needs_formula: Callable[..., bool]) -> float:
        loss = (ours(cost, "implicit", 50) * weight).sum()
        sinkhorn_gradient.needs_formula = needs_formula
        try:
            return seconds(lambda: torch.autograd.grad(loss, cost))
        finally:
            sinkhorn_gradient.needs_formula = kernel

    pairs = [(backward(kernel), backward(lambda *tensors: True)) for _ in range(repeats + 1)][1:]
    return median(one for one, _ in pairs), median(other / one for one, other in pairs)


def compare(shape: tuple[int, int, int], repeats: int, max_iter: int = 50) -> dict[str, object]:
    implicit = both(lambda cost: ours(cost, "implicit", max_iter), shape)
    unrolled = side_by_side(implicit, both(lambda cost: ours(cost, "unroll", max_iter), shape), repeats)
    theirs = side_by_side(implicit, both(lambda cost: pot(cost, max_iter), shape), repeats)
    backward, formula = formula_over_kernel(shape, repeats)
    return {
        "shape (B, N, K)": shape,
        "sweeps": max_iter,
        "implicit s": unrolled["ours_s"],
        "unrolled s": unrolled["theirs_s"],
        "POT autodiff s": theirs["theirs_s"],
        "unrolled / implicit": unrolled["ratio"],
        "POT / implicit": theirs["ratio"],
        "implicit: backward / forward": backward_over_forward(shape, "implicit", max_iter, repeats),
        "backward s": backward,
        "backward by formula / by kernel": formula,
    }


def memory(max_iter: int) -> dict[str, object]:
    """Peak memory above what was resident before the work, each in a process of its own (Linux)."""
    row: dict[str, object] = {"shape (B, N, K)": MEMORY_SHAPE, "sweeps": max_iter}
    for kind in ("implicit", "unroll", "POT autodiff"):
        code = f"from benchmarks import bench_gradients; bench_gradients.alone({kind!r}, {max_iter})"
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        row[f"{kind} MiB"] = float(out)
    return row


def alone(kind: str, max_iter: int) -> None:
    solve = (lambda cost: pot(cost, max_iter)) if kind.startswith("POT") else (lambda cost: ours(cost, kind, max_iter))
    both(solve, (1, 2, 2))()
    work = both(solve, MEMORY_SHAPE)
    Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak starts anew
    before = resident("VmRSS")
    work()
    print(resident("VmHWM") - before)


def resident(field: str) -> float:
    """Resident memory of this process in MiB, now (VmRSS) or at its peak (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="the first two shapes, no memory")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    rows = [compare(shape, options.repeats) for shape in (SHAPES[:2] if options.quick else SHAPES)]
    notes = "Gradient of a random linear function of the plan with respect to the cost. Balanced, float32, uniform "
    notes += f"random cost, epsilon {EPSILON}, 50 sweeps without a stopping test. Medians of runs that follow one "
    notes += (
        f"another; ratios are medians of ratios. POT {ot.__version__}: `ot.batch.solve_batch` with `log_sinkhorn`, "
    )
    notes += "`grad='autodiff'`. Last column: the backward pass with its adjoint in torch against that with the "
    notes += (
        f"compiled one (CPU kernel: {otseg.backend_info()['cpu'].split(' ')[0]}), which serves the smaller side up "
    )
    notes += f"to {sinkhorn_gradient.DIRECT_UP_TO}; beyond, both are the same."
    write("bench_gradients", "Gradients of the plan", rows, notes, options.output)
    if not options.quick:
        notes = "Peak resident memory of forward and backward above what was resident before."
        rows = [memory(max_iter) for max_iter in ITERATIONS]
        write("bench_gradients_memory", "Memory of gradients of the plan", rows, notes, options.output)


if __name__ == "__main__":
    main()
