"""Segmentation models, one paper per file."""

from otseg.models.agglomeration import ward_segments
from otseg.models.alignment import align_frames
from otseg.models.asot import ASOT, ASOTConfig
from otseg.models.base import SegmentationModel
from otseg.models.baselines import kmeans_frames, uniform_split
from otseg.models.clot import CLOT
from otseg.models.clot_config import CLOTConfig
from otseg.models.cte import cte
from otseg.models.dclot import DCLOT, DCLOTConfig
from otseg.models.fused_config import FusedConfig
from otseg.models.gaussian_viterbi import gaussian_viterbi
from otseg.models.link import link_videos
from otseg.models.n_actions import ActionEstimate, estimate_n_actions
from otseg.models.presets import BENCHMARKS, METHODS, Method, Preset, activities_of, model_preset
from otseg.models.spectral import spectral_frames
from otseg.models.tot import TOT, TOTConfig

__all__ = [
    "ASOT",
    "BENCHMARKS",
    "CLOT",
    "DCLOT",
    "METHODS",
    "TOT",
    "ASOTConfig",
    "ActionEstimate",
    "CLOTConfig",
    "DCLOTConfig",
    "FusedConfig",
    "Method",
    "Preset",
    "SegmentationModel",
    "TOTConfig",
    "activities_of",
    "align_frames",
    "cte",
    "estimate_n_actions",
    "gaussian_viterbi",
    "kmeans_frames",
    "link_videos",
    "model_preset",
    "spectral_frames",
    "uniform_split",
    "ward_segments",
]
