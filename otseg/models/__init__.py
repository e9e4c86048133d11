"""Segmentation models, one paper per file."""

from otseg.models.alignment import align_frames
from otseg.models.asot import ASOT, ASOTConfig
from otseg.models.base import SegmentationModel
from otseg.models.baselines import kmeans_frames, uniform_split
from otseg.models.clot import CLOT
from otseg.models.clot_config import CLOTConfig
from otseg.models.dclot import DCLOT, DCLOTConfig
from otseg.models.presets import BENCHMARKS, asot_preset
from otseg.models.tot import TOT, TOTConfig

__all__ = [
    "ASOT",
    "BENCHMARKS",
    "CLOT",
    "DCLOT",
    "TOT",
    "ASOTConfig",
    "CLOTConfig",
    "DCLOTConfig",
    "SegmentationModel",
    "TOTConfig",
    "align_frames",
    "asot_preset",
    "kmeans_frames",
    "uniform_split",
]
