"""Priors: energies of the plan that are added to the cost, and constraints on what a plan may use."""

from otseg.priors.affinity import FeatureAffinity
from otseg.priors.band_kernel import BandKernel, ShapedWindow
from otseg.priors.constraints import AllowedActions, MinimumDuration, OrderBand, OrderParallelogram
from otseg.priors.gromov import GromovWasserstein
from otseg.priors.linear import LinearPrior
from otseg.priors.matrices import DenseStructure, LowRankStructure
from otseg.priors.order import GaussianOrder, InverseDifferenceOrder, LinearOrder
from otseg.priors.smoothness import TemporalSmoothness
from otseg.priors.transcript import TranscriptOrder
from otseg.priors.window import TemporalWindow

__all__ = [
    "AllowedActions",
    "BandKernel",
    "DenseStructure",
    "FeatureAffinity",
    "GaussianOrder",
    "GromovWasserstein",
    "InverseDifferenceOrder",
    "LinearOrder",
    "LinearPrior",
    "LowRankStructure",
    "MinimumDuration",
    "OrderBand",
    "OrderParallelogram",
    "ShapedWindow",
    "TemporalSmoothness",
    "TemporalWindow",
    "TranscriptOrder",
]
