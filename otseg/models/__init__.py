"""Segmentation models, one paper per file."""

from otseg.models.asot import ASOT, ASOTConfig
from otseg.models.base import SegmentationModel
from otseg.models.baselines import kmeans_frames, uniform_split
from otseg.models.clot import CLOT
from otseg.models.clot_config import CLOTConfig
from otseg.models.dclot import DCLOT, DCLOTConfig
from otseg.models.presets import BENCHMARKS, asot_preset

__all__ = [
    "ASOT",
    "BENCHMARKS",
    "CLOT",
    "DCLOT",
    "ASOTConfig",
    "CLOTConfig",
    "DCLOTConfig",
    "SegmentationModel",
    "asot_preset",
    "kmeans_frames",
    "uniform_split",
]
