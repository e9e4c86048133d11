"""A model in one file: weights as safetensors, settings as JSON in its header. No pickle is involved."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from otseg import checks
from otseg.models.base import SegmentationModel
from otseg.models.config import from_mapping


def write_model(model: SegmentationModel, path: str | Path) -> None:
    """Write the weights of a model, its config, and its ``train_settings``.

    Args:
        model: The model.
        path: File to write, such as ``model.safetensors``; it must not exist.

    Raises:
        ValueError: If the file exists.
    """
    try:
        from safetensors.torch import save_file
    except ModuleNotFoundError:
        checks.missing_extra("safetensors", "train")
    path = Path(path)
    if path.exists():
        checks.fail_file(path, "the file exists", "Name another file, or remove this one yourself.")
    header = {"model": type(model).__name__, "config": asdict(model.config), "train": dict(model.train_settings)}
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, path, metadata={"otseg": json.dumps(header)})


def read_model(path: str | Path) -> SegmentationModel:
    """Rebuild a model that :func:`write_model` wrote, in evaluation mode, on the CPU.

    Args:
        path: The file. The class of a model of your own must be defined before.

    Returns:
        The model.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a file of :func:`write_model`, or of a model that is not defined here.
    """
    try:
        from safetensors import SafetensorError, safe_open
    except ModuleNotFoundError:
        checks.missing_extra("safetensors", "train")
    path = Path(path)
    if not path.is_file():
        checks.fail_file(path, "there is no such file", error=FileNotFoundError)
    fix = "Give a file that otseg wrote, such as model.safetensors."
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get("otseg")
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except SafetensorError as error:
        checks.fail_file(path, f"not a safetensors file ({error})", fix)
    if header is None:
        checks.fail_file(path, "no settings of a model in its header", fix)
    settings = json.loads(header)
    name = settings["model"]
    model_class = {found.__name__: found for found in _models(SegmentationModel)}.get(name)
    if model_class is None:
        checks.fail_file(path, f"unknown model {name!r}", "Update otseg, or import your own model first.")
    model = model_class(from_mapping(model_class.config_class, settings["config"]))
    model.load_state_dict(state)
    model.train_settings = settings["train"]
    return model.eval()


def _models(base: type[Any]) -> Iterator[type[SegmentationModel]]:
    """All models that are defined, those of users too."""
    for found in base.__subclasses__():
        yield found
        yield from _models(found)
