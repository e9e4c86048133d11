"""Costs: from features and prototypes to the cost of assigning frames to actions."""

from otseg.costs.cosine import cosine
from otseg.costs.euclidean import euclidean

__all__ = ["cosine", "euclidean"]
