"""Differentiable optimal transport for temporal segmentation."""

from importlib import import_module

from otseg import costs, data, decode, metrics, models, plots, priors, solvers, streaming
from otseg.costs import sliced_wasserstein
from otseg.doors import gromov_ot, sinkhorn, temporal_ot
from otseg.nn import feature_dispatch
from otseg.ops._backend import backend_info
from otseg.problem import Problem
from otseg.result import OTResult
from otseg.solve import solve
from otseg.types import Batch, Prior

__version__ = "0.1.0.dev0"
__all__ = [
    "Batch",
    "OTResult",
    "OTSegmenter",
    "Prior",
    "Problem",
    "backend_info",
    "costs",
    "data",
    "decode",
    "estimators",
    "feature_dispatch",
    "gromov_ot",
    "metrics",
    "models",
    "plots",
    "priors",
    "sinkhorn",
    "sliced_wasserstein",
    "solve",
    "solvers",
    "streaming",
    "temporal_ot",
]


def __getattr__(name: str) -> object:
    """Import the estimator when it is asked for: scikit-learn takes as long to import as torch."""
    if name in ("OTSegmenter", "estimators"):
        estimators = import_module("otseg.estimators")
        return estimators if name == "estimators" else estimators.OTSegmenter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
