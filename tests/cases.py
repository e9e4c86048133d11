"""The lists that contract tests run over: one line per cost, prior and solver."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

import otseg
from otseg import OTResult, Prior, Problem
from otseg.costs import cosine, euclidean
from otseg.priors import (
    AllowedActions,
    GaussianOrder,
    InverseDifferenceOrder,
    LinearOrder,
    LinearPrior,
    MinimumDuration,
    OrderBand,
    OrderParallelogram,
    TemporalSmoothness,
    TranscriptOrder,
)
from otseg.solvers import annealed, mirror_descent, sinkhorn
from otseg.types import Cost


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


COSTS: dict[str, Cost] = {
    "cosine": cosine,
    "euclidean": euclidean,
    "squared euclidean": partial(euclidean, squared=True),
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

SMOOTH = (TemporalSmoothness(0.4, 0.3),)
SOLVERS = [
    SolverCase("sinkhorn", sinkhorn, fixed=(("max_iter", 30), ("tol", None))),
    SolverCase("sinkhorn to tolerance", sinkhorn, fixed=(("max_iter", 100), ("tol", 1e-7))),
    SolverCase("annealed sinkhorn", annealed(partial(sinkhorn, max_iter=30, tol=1e-7), start=1.0)),
    SolverCase("mirror descent", mirror_descent, SMOOTH, (("max_iter", 15),)),
    SolverCase("mirror descent to tolerance", mirror_descent, SMOOTH, (("max_iter", 50), ("tol", 1e-6))),
    SolverCase("mirror descent, no priors", mirror_descent, (), (("max_iter", 15),)),
]

assert otseg.__version__
