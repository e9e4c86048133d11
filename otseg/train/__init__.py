"""Training with Lightning, which needs the extra ``train``."""

from otseg.train.checkpoint import load_model, save_model
from otseg.train.config import TrainConfig, read_config
from otseg.train.evaluation import evaluate_labels, evaluate_model, segment_dataset
from otseg.train.experiment import evaluate_baseline, evaluate_experiment, run_experiment
from otseg.train.fit import fit
from otseg.train.folders import new_folder, next_folder
from otseg.train.long_files import long_file, segment_long_file
from otseg.train.pictures import draw_comparison, draw_model, draw_segments
from otseg.train.presets import train_preset
from otseg.train.published import PUBLISHED, Published, published_results
from otseg.train.reproduce import compare_with_published, plan_reproduction, reproduce
from otseg.train.restarts import Restarts, fit_restarts
from otseg.train.results import Results, Spread, compare_results
from otseg.train.segmenting import feature_files, segment_files, segment_table, write_labels
from otseg.train.settings import Settings, make_settings

__all__ = [
    "PUBLISHED",
    "Published",
    "Restarts",
    "Results",
    "Settings",
    "Spread",
    "TrainConfig",
    "compare_results",
    "compare_with_published",
    "draw_comparison",
    "draw_model",
    "draw_segments",
    "evaluate_baseline",
    "evaluate_experiment",
    "evaluate_labels",
    "evaluate_model",
    "feature_files",
    "fit",
    "fit_restarts",
    "load_model",
    "long_file",
    "make_settings",
    "new_folder",
    "next_folder",
    "plan_reproduction",
    "published_results",
    "read_config",
    "reproduce",
    "run_experiment",
    "save_model",
    "segment_dataset",
    "segment_files",
    "segment_long_file",
    "segment_table",
    "train_preset",
    "write_labels",
]
