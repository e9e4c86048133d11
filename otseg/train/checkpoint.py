"""A trained model in one file: weights as safetensors, settings as JSON in its header. No pickle is involved."""

import json
from dataclasses import asdict
from pathlib import Path

from otseg import checks, models
from otseg.models import SegmentationModel
from otseg.train.config import TrainConfig, from_mapping

try:
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import save_file
except ModuleNotFoundError:
    checks.missing_extra("safetensors", "train")


def save_model(model: SegmentationModel, path: str | Path, config: TrainConfig) -> None:
    """Write the weights of a model, its settings and those of its training.

    Args:
        model: The model.
        path: File to write, such as ``model.safetensors``; it must not exist.
        config: Settings of the training; they say how features are standardized.

    Raises:
        ValueError: If the file exists.
    """
    path = Path(path)
    if path.exists():
        checks.fail_file(path, "the file exists", "Name another file, or remove this one yourself.")
    settings = {"model": type(model).__name__, "config": asdict(model.config), "train": asdict(config)}
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, path, metadata={"otseg": json.dumps(settings)})


def load_model(path: str | Path) -> tuple[SegmentationModel, TrainConfig]:
    """Rebuild a model that :func:`save_model` wrote, in evaluation mode, on the CPU.

    Args:
        path: The file.

    Returns:
        The model and the settings of its training.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a file of :func:`save_model`, or of a model that this version does not have.
    """
    path = Path(path)
    if not path.is_file():
        checks.fail_file(path, "there is no such file", error=FileNotFoundError)
    fix = "Give a file that otseg.train.save_model wrote."
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get("otseg")
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except SafetensorError as error:
        checks.fail_file(path, f"not a safetensors file ({error})", fix)
    if header is None:
        checks.fail_file(path, "no settings of a model in its header", fix)
    settings = json.loads(header)
    model_class = getattr(models, settings["model"], None)
    if not (isinstance(model_class, type) and issubclass(model_class, SegmentationModel)):
        checks.fail_file(path, f"unknown model {settings['model']!r}", "Update otseg.")
    model = model_class(from_mapping(model_class.config_class, settings["config"]))
    model.load_state_dict(state)
    return model.eval(), from_mapping(TrainConfig, settings["train"])
