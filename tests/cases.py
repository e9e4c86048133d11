"""The lists that contract tests run over: one line per cost, prior and solver."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

import otseg
from otseg import OTResult, Prior, Problem
from otseg.costs import cosine, euclidean, random_directions, sliced_cosine, sliced_pairwise
from otseg.priors import (
    AllowedActions,
    BandKernel,
    DenseStructure,
    FeatureAffinity,
    GaussianOrder,
    GromovWasserstein,
    InverseDifferenceOrder,
    LinearOrder,
    LinearPrior,
    LowRankStructure,
    MinimumDuration,
    OrderBand,
    OrderParallelogram,
    ShapedWindow,
    TemporalSmoothness,
    TemporalWindow,
    TranscriptOrder,
)
from otseg.solvers import annealed, mirror_descent, sinkhorn
from otseg.types import Cost, GromovLoss, PerProblem


@dataclass(frozen=True)
class PriorCase:
    name: str
    make: Callable[..., Prior]  # make(weight) -> prior
    weighted: bool = True  # whether it takes a weight


@dataclass(frozen=True)
class SolverCase:
    name: str
    solver: Callable[..., OTResult]
    priors: tuple[Prior, ...] = ()
    fixed: tuple[tuple[str, Any], ...] = ()

    def __call__(self, problem: Problem, **options: Any) -> OTResult:
        return self.solver(problem, **{**dict(self.fixed), **options})


def sliced(cost: Callable[..., torch.Tensor], **options: Any) -> Cost:
    """A sliced cost with its directions bound; they follow the features and are the same at every call."""

    def bound(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        directions = random_directions(20, x.shape[-1], generator=torch.Generator().manual_seed(0)).float()
        fits = isinstance(x, torch.Tensor) and x.dtype in (torch.float64, torch.float16)
        return cost(x, y, directions=directions.to(x.dtype) if fits else directions, **options)

    return bound


COSTS: dict[str, Cost] = {
    "cosine": cosine,
    "euclidean": euclidean,
    "squared euclidean": partial(euclidean, squared=True),
    "sliced": sliced(sliced_pairwise),
    "sliced, p = 2, circular": sliced(sliced_pairwise, p=2, projection="circular"),
    "sliced cosine": sliced(sliced_cosine),
    "sliced cosine, published": sliced(sliced_cosine, protocol="published"),
}

PRIORS = [
    PriorCase("smoothness, fraction", lambda weight=0.5: TemporalSmoothness(weight, 0.3)),
    PriorCase("smoothness, frames", lambda weight=0.5: TemporalSmoothness(weight, 2)),
    PriorCase("linear order", lambda weight=0.5: LinearOrder(weight)),
    PriorCase(
        "fixed term",
        lambda weight=0.5: LinearPrior(weight * torch.arange(21.0, dtype=torch.float64).reshape(7, 3)),
        weighted=False,
    ),
    PriorCase("Gaussian order", lambda weight=0.5: GaussianOrder(weight, 0.8)),
    PriorCase("inverse difference order", lambda weight=0.5: InverseDifferenceOrder(weight)),
    PriorCase("transcript", lambda weight=0.5: TranscriptOrder(weight, torch.tensor([2, 0, 2, 1]), 0.8)),
    PriorCase("band", lambda: OrderBand(0.2), weighted=False),
    PriorCase("parallelogram", lambda: OrderParallelogram(1.5), weighted=False),
    PriorCase("minimum duration", lambda: MinimumDuration(1), weighted=False),
    PriorCase("allowed actions", lambda: AllowedActions(torch.ones(7, 3).triu(-5).bool()), weighted=False),
]

FRAMES = torch.sin(torch.arange(28.0, dtype=torch.float64)).reshape(7, 4)  # features of 7 frames
ACTIONS = torch.tensor([[0.1, 1.0, -0.5], [1.0, 0.0, 2.0], [-0.5, 2.0, 0.0]], dtype=torch.float64)
STRUCTURES = {
    "window": TemporalWindow(0.3),
    "shaped window": ShapedWindow(0.6, lambda t: torch.exp(-3 * t)),
    "kernel": BandKernel(torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64)),
    "dense": DenseStructure(torch.cdist(FRAMES, FRAMES)),
    "low rank": LowRankStructure(FRAMES[:, :2], FRAMES[:, 2:]),
    "affinity": FeatureAffinity(FRAMES, 0.3, strength=0.7, bandwidth=0.5),
}


def gromov_case(name: str, loss: GromovLoss, actions: torch.Tensor | None) -> PriorCase:
    def make(weight: PerProblem = 0.5) -> Prior:
        return GromovWasserstein(weight, STRUCTURES[name], actions, loss)

    return PriorCase(f"gromov, {name}, {loss}", make)


PRIORS += [gromov_case(name, "product", None) for name in STRUCTURES]
PRIORS += [gromov_case(name, "square", ACTIONS) for name in STRUCTURES]

SMOOTH = (TemporalSmoothness(0.4, 0.3),)
SHAPED = (GromovWasserstein(0.4, STRUCTURES["shaped window"], loss="square"),)
SOLVERS = [
    SolverCase("sinkhorn", sinkhorn, fixed=(("max_iter", 30), ("tol", None))),
    SolverCase("sinkhorn to tolerance", sinkhorn, fixed=(("max_iter", 100), ("tol", 1e-7))),
    SolverCase("annealed sinkhorn", annealed(partial(sinkhorn, max_iter=30, tol=1e-7), start=1.0)),
    SolverCase("mirror descent", mirror_descent, SMOOTH, (("max_iter", 15),)),
    SolverCase("mirror descent to tolerance", mirror_descent, SMOOTH, (("max_iter", 50), ("tol", 1e-6))),
    SolverCase("mirror descent, shaped window", mirror_descent, SHAPED, (("max_iter", 6),)),
    SolverCase("mirror descent, no priors", mirror_descent, (), (("max_iter", 15),)),
]

assert otseg.__version__
