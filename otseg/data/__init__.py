"""Data: sequences from memory or benchmark folders, batches, sampling of frames, and synthetic activities."""

from otseg.data.blocks import FeatureBlocks, FeatureStatistics
from otseg.data.breakfast_like import breakfast_like, breakfast_statistics
from otseg.data.check import Finding, check_folder
from otseg.data.collate import collate, unpad, unpad_tensor
from otseg.data.dataset import LengthMismatch, SequenceDataset, Source
from otseg.data.label_map import LabelMap
from otseg.data.layouts import LAYOUTS, Layout, layout_help, load_dataset
from otseg.data.load import SequenceFile, load_folder
from otseg.data.sampling import EpochSampler, SampledDataset, sample_frames
from otseg.data.save import save_folder
from otseg.data.sequence import Sequence, standardize
from otseg.data.synthetic import make_activity

__all__ = [
    "LAYOUTS",
    "EpochSampler",
    "FeatureBlocks",
    "FeatureStatistics",
    "Finding",
    "LabelMap",
    "Layout",
    "LengthMismatch",
    "SampledDataset",
    "Sequence",
    "SequenceDataset",
    "SequenceFile",
    "Source",
    "breakfast_like",
    "breakfast_statistics",
    "check_folder",
    "collate",
    "layout_help",
    "load_dataset",
    "load_folder",
    "make_activity",
    "sample_frames",
    "save_folder",
    "standardize",
    "unpad",
    "unpad_tensor",
]
