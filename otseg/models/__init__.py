"""Segmentation models, one paper per file."""

from otseg.models.asot import ASOT, ASOTConfig
from otseg.models.base import SegmentationModel
from otseg.models.baselines import kmeans_frames, uniform_split
from otseg.models.clot import CLOT
from otseg.models.clot_config import CLOTConfig
from otseg.models.dclot import DCLOT, DCLOTConfig
from otseg.models.presets import BENCHMARKS, METHODS, Method, Preset, activities_of, model_preset

__all__ = [
    "ASOT",
    "BENCHMARKS",
    "CLOT",
    "DCLOT",
    "METHODS",
    "ASOTConfig",
    "CLOTConfig",
    "DCLOTConfig",
    "Method",
    "Preset",
    "SegmentationModel",
    "activities_of",
    "kmeans_frames",
    "model_preset",
    "uniform_split",
]
