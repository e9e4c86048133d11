"""Trainable parts: encoders of frames, prototypes of actions, losses."""

from otseg.nn.encoders import MLP
from otseg.nn.losses import pseudo_label_cross_entropy
from otseg.nn.prototypes import Prototypes

__all__ = ["MLP", "Prototypes", "pseudo_label_cross_entropy"]
