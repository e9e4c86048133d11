"""Costs: from features and prototypes to the cost of assigning frames to actions; distances of sets of points."""

from otseg.costs.cosine import cosine
from otseg.costs.euclidean import euclidean
from otseg.costs.max_sliced import max_sliced_wasserstein
from otseg.costs.projections import CircularProjection, LinearProjection, PolynomialProjection, random_directions
from otseg.costs.sinkhorn_divergence import sinkhorn_divergence
from otseg.costs.sliced import energy_sliced_wasserstein, sliced_wasserstein
from otseg.costs.sliced_pairs import sliced_cosine, sliced_pairwise
from otseg.costs.sliced_plans import expected_sliced_plan, min_sliced_plan

__all__ = [
    "CircularProjection",
    "LinearProjection",
    "PolynomialProjection",
    "cosine",
    "energy_sliced_wasserstein",
    "euclidean",
    "expected_sliced_plan",
    "max_sliced_wasserstein",
    "min_sliced_plan",
    "random_directions",
    "sinkhorn_divergence",
    "sliced_cosine",
    "sliced_pairwise",
    "sliced_wasserstein",
]
