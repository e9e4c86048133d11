"""Training with Lightning, which needs the extra ``train``."""

from otseg.train.checkpoint import load_model, save_model
from otseg.train.config import TrainConfig, read_config
from otseg.train.evaluation import evaluate_model, segment_dataset
from otseg.train.fit import fit
from otseg.train.folders import new_folder, next_folder
from otseg.train.presets import train_preset
from otseg.train.restarts import Restarts, fit_restarts

__all__ = [
    "Restarts",
    "TrainConfig",
    "evaluate_model",
    "fit",
    "fit_restarts",
    "load_model",
    "new_folder",
    "next_folder",
    "read_config",
    "save_model",
    "segment_dataset",
    "train_preset",
]
