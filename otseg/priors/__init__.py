"""Priors: energies of the plan that are added to the cost."""

from otseg.priors.linear import LinearPrior
from otseg.priors.order import LinearOrder
from otseg.priors.smoothness import TemporalSmoothness

__all__ = ["LinearOrder", "LinearPrior", "TemporalSmoothness"]
