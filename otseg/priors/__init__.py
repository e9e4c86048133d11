"""Priors: energies of the plan that are added to the cost."""

from otseg.priors.affinity import FeatureAffinity
from otseg.priors.band_kernel import BandKernel, ShapedWindow
from otseg.priors.gromov import GromovWasserstein
from otseg.priors.linear import LinearPrior
from otseg.priors.matrices import DenseStructure, LowRankStructure
from otseg.priors.order import LinearOrder
from otseg.priors.smoothness import TemporalSmoothness
from otseg.priors.window import TemporalWindow

__all__ = [
    "BandKernel",
    "DenseStructure",
    "FeatureAffinity",
    "GromovWasserstein",
    "LinearOrder",
    "LinearPrior",
    "LowRankStructure",
    "ShapedWindow",
    "TemporalSmoothness",
    "TemporalWindow",
]
