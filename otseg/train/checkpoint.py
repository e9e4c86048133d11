"""A trained model in one file, with the settings of its training."""

from dataclasses import asdict
from pathlib import Path

from otseg import checks
from otseg.models import SegmentationModel
from otseg.models.checkpoint import write_model
from otseg.models.config import from_mapping
from otseg.train.config import TrainConfig


def save_model(model: SegmentationModel, path: str | Path, config: TrainConfig) -> None:
    """Write the weights of a model as safetensors, its settings and those of its training as JSON in the header.

    Args:
        model: The model.
        path: File to write, such as ``model.safetensors``; it must not exist.
        config: Settings of the training; they say how features are standardized.

    Raises:
        ValueError: If the file exists.
    """
    model.train_settings = asdict(config)
    write_model(model, path)


def load_model(where: str | Path) -> tuple[SegmentationModel, TrainConfig]:
    """Rebuild a model that :func:`save_model` wrote, in evaluation mode, on the CPU.

    Args:
        where: The file, its folder, or a name on the Hugging Face Hub, see
            :meth:`otseg.models.SegmentationModel.from_pretrained`.

    Returns:
        The model and the settings of its training.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a file of :func:`save_model`, or of a model that this version does not have.
    """
    model: SegmentationModel = SegmentationModel.from_pretrained(where)
    fix = "Train it, or write it with otseg.train.save_model."
    if not model.train_settings:
        checks.fail_file(where, "no settings of a training in it", fix)
    return model, from_mapping(TrainConfig, model.train_settings)
