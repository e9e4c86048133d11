"""How near sliced distances and feature dispatching come to the work that must be done, by torch's own kernels.

OMP_NUM_THREADS=1 python -m benchmarks.bench_floor [--repeats 9] [--quick] [--output FOLDER]

The floor of a function is the time of what cannot be left out, each by the torch function that does it, in the same
run: its matrix products, its sorts or sums of distances, and one pass over its results.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

import otseg
from benchmarks._report import RESULTS, side_by_side, write

#: Frames ``(B, N, D)``, number of actions K, number of projections P.
SHAPES = [((2, 256, 40), 12, 150), ((32, 256, 40), 12, 150), ((1, 9000, 64), 48, 150)]
Work = Callable[[], object]


def make(frames: tuple[int, int, int], k: int, p: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(frames, generator=generator), torch.randn(k, frames[2], generator=generator)
    directions = otseg.costs.random_directions(p, frames[2], generator=generator).float()
    return x, y, directions


def sets(x: Tensor, y: Tensor, directions: Tensor) -> tuple[Work, Work]:
    """Distances of the frames of every sequence from the prototypes, as sets: two products, two sorts, one pass."""
    both = torch.empty(len(x), len(directions), x.shape[1] + len(y))

    def floor() -> None:
        (directions @ x.mT).sort(dim=2)
        (directions @ y.T).sort(dim=1)
        torch.abs(both)

    return lambda: otseg.sliced_wasserstein(x, y, directions=directions), floor


def pairs(x: Tensor, y: Tensor, directions: Tensor) -> tuple[Work, Work]:
    """Distances of every frame from every prototype: two products, then P absolute differences per pair."""

    def floor() -> None:
        torch.cdist(x @ directions.T, (y @ directions.T)[None], p=1)

    return lambda: otseg.costs.sliced_pairwise(x, y, directions=directions), floor


def pairs_backward(x: Tensor, y: Tensor, directions: Tensor) -> tuple[Work, Work]:
    """The same and its gradient; the floor's can be differentiated once only."""
    x = x.clone().requires_grad_()
    weight = torch.ones(len(x), x.shape[1], len(y))

    def floor() -> None:
        distance = torch.cdist(x @ directions.T, (y @ directions.T)[None], p=1)
        torch.autograd.grad(distance, x, weight)

    return lambda: torch.autograd.grad(otseg.costs.sliced_pairwise(x, y, directions=directions), x, weight), floor


def dispatch(x: Tensor, y: Tensor, directions: Tensor) -> tuple[Work, Work]:
    """Two products, the norms, a sigmoid and a sum."""

    def floor() -> None:
        x.norm(dim=2)
        x + torch.sigmoid(x @ y.T) @ y

    return lambda: otseg.feature_dispatch(x, y, scale=2.0, shift=0.0), floor


CASES = {
    "sliced_wasserstein": sets,
    "sliced_pairwise": pairs,
    "sliced_pairwise and gradient": pairs_backward,
    "feature_dispatch": dispatch,
}


def compare(name: str, shape: tuple[tuple[int, int, int], int, int], repeats: int) -> dict[str, object]:
    frames, k, p = shape
    ours, floor = CASES[name](*make(frames, k, p))
    times = side_by_side(floor, ours, repeats if frames[0] * frames[1] > 1000 else 10 * repeats)  # short: noisy
    return {
        "function": name,
        "frames (B, N, D)": frames,
        "K": k,
        "P": "-" if name == "feature_dispatch" else p,
        "floor s": times["ours_s"],
        "ours s": times["theirs_s"],
        "ours / floor": times["ratio"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="the first shape alone")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    shapes = SHAPES[:1] if options.quick else SHAPES
    rows = [compare(name, shape, options.repeats) for name in CASES for shape in shapes]
    notes = "In float32, without a mask, checks of the arguments included. Floors, of torch's own kernels in the same "
    notes += "run: `sliced_wasserstein` two matrix products, two `torch.sort`, one pass over the sorted values; "
    notes += "`sliced_pairwise` two products and one `torch.cdist` with p = 1, and its gradient by the frames; "
    notes += (
        "`feature_dispatch` two products, norms, a sigmoid and a sum. Medians; ratios are medians of ratios of runs "
    )
    notes += "that follow one another."
    write("bench_floor", "Sliced distances and feature dispatching against the floor of their work", rows, notes,
          options.output)  # fmt: skip


if __name__ == "__main__":
    main()
