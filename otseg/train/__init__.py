"""Training with Lightning, which needs the extra ``train``."""

from otseg.train.checkpoint import load_model, save_model
from otseg.train.config import TrainConfig, read_config
from otseg.train.evaluation import evaluate_labels, evaluate_model, segment_dataset
from otseg.train.experiment import evaluate_experiment, run_experiment
from otseg.train.fit import fit
from otseg.train.folders import new_folder, next_folder
from otseg.train.presets import train_preset
from otseg.train.results import Results, Spread
from otseg.train.settings import Settings, make_settings

__all__ = [
    "Results",
    "Settings",
    "Spread",
    "TrainConfig",
    "evaluate_experiment",
    "evaluate_labels",
    "evaluate_model",
    "fit",
    "load_model",
    "make_settings",
    "new_folder",
    "next_folder",
    "read_config",
    "run_experiment",
    "save_model",
    "segment_dataset",
    "train_preset",
]
