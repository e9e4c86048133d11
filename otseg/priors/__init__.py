"""Priors: energies of the plan that are added to the cost, and constraints on what a plan may use."""

from otseg.priors.constraints import AllowedActions, MinimumDuration, OrderBand, OrderParallelogram
from otseg.priors.linear import LinearPrior
from otseg.priors.order import GaussianOrder, InverseDifferenceOrder, LinearOrder
from otseg.priors.smoothness import TemporalSmoothness
from otseg.priors.transcript import TranscriptOrder

__all__ = [
    "AllowedActions",
    "GaussianOrder",
    "InverseDifferenceOrder",
    "LinearOrder",
    "LinearPrior",
    "MinimumDuration",
    "OrderBand",
    "OrderParallelogram",
    "TemporalSmoothness",
    "TranscriptOrder",
]
