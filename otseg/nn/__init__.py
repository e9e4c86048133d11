"""Trainable parts: encoders and refinements of frames, prototypes of actions, losses."""

from otseg.nn.attention import cross_attention
from otseg.nn.decoders import ParallelDecoder, RelativePositions
from otseg.nn.dispatch import FeatureDispatch, feature_dispatch
from otseg.nn.encoders import MLP
from otseg.nn.graph import NeighborGraph, neighbor_graph
from otseg.nn.losses import pseudo_label_cross_entropy
from otseg.nn.prototypes import Prototypes

__all__ = [
    "MLP",
    "FeatureDispatch",
    "NeighborGraph",
    "ParallelDecoder",
    "Prototypes",
    "RelativePositions",
    "cross_attention",
    "feature_dispatch",
    "neighbor_graph",
    "pseudo_label_cross_entropy",
]
