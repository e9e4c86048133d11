"""Trainable parts: encoders and refinements of frames, prototypes of actions, losses."""

from otseg.nn.attention import cross_attention
from otseg.nn.coherence import temporal_coherence_loss
from otseg.nn.decoders import ParallelDecoder, RelativePositions
from otseg.nn.dispatch import FeatureDispatch, feature_dispatch
from otseg.nn.encoders import MLP
from otseg.nn.graph import NeighborGraph, neighbor_graph
from otseg.nn.losses import alignment_loss, pseudo_label_cross_entropy
from otseg.nn.prototypes import Prototypes
from otseg.nn.triplets import affinity_triplet_loss

__all__ = [
    "MLP",
    "FeatureDispatch",
    "NeighborGraph",
    "ParallelDecoder",
    "Prototypes",
    "RelativePositions",
    "affinity_triplet_loss",
    "alignment_loss",
    "cross_attention",
    "feature_dispatch",
    "neighbor_graph",
    "pseudo_label_cross_entropy",
    "temporal_coherence_loss",
]
