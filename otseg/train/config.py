"""Settings of training, and how settings are read from TOML files and other mappings."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from otseg import checks
from otseg.models.config import from_mapping

C = TypeVar("C")


@dataclass(frozen=True)
class TrainConfig:
    """Settings of training; the defaults are those that ASOT's authors published for Breakfast.

    Sources: ``run_bf.sh`` of ASOT's released code; where that sets nothing, the defaults of its ``src/train.py``.

    Attributes:
        epochs: Number of passes over the sequences. Training always runs all of them: none is picked by its loss.
        batch_size: Sequences per step.
        n_samples: Frames that are drawn of each sequence in each epoch.
        learning_rate: Step of Adam, above 0.
        weight_decay: L2 penalty of Adam, on prototypes too.
        seed: Seeds prototypes, order of the sequences and draw of the frames.
        standardize: Whether every sequence is standardized on its own, all its frames, before frames are drawn, and
            scaled by ``D ** -0.5`` (of ``D`` features), so that a frame has a squared length of about 1.
    """

    epochs: int = 15  # run_bf.sh
    batch_size: int = 2  # src/train.py
    n_samples: int = 256  # src/train.py
    learning_rate: float = 1e-3  # src/train.py
    weight_decay: float = 1e-4  # src/train.py
    seed: int = 0  # src/train.py
    standardize: bool = True  # run_bf.sh, -s

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "n_samples"):
            checks.number(name, getattr(self, name), 1, integer=True)
        checks.number("learning_rate", self.learning_rate, 0, open_low=True)
        checks.number("weight_decay", self.weight_decay, 0)
        checks.number("seed", self.seed, 0, 2**31 - 1, integer=True)
        got = checks.describe(self.standardize)
        checks.require(isinstance(self.standardize, bool), "standardize", "true or false", got, "", TypeError)


def read_config(path: str | Path, model_config: type[C]) -> tuple[C, TrainConfig]:
    """Read the settings of a model and of its training from the tables ``[model]`` and ``[train]`` of a TOML file.

    Args:
        path: The file.
        model_config: Type of the model's settings, such as :class:`otseg.models.ASOTConfig`.

    Returns:
        The two configs; a key that is left out has its default.

    Raises:
        ValueError: If the file is no TOML, or a key is unknown or missing, or a value is out of range.
        FileNotFoundError: If there is no such file.
    """
    tables = read_tables(path)
    try:
        return from_mapping(model_config, tables["model"]), from_mapping(TrainConfig, tables["train"])
    except (TypeError, ValueError) as error:
        checks.fail_file(path, str(error).rstrip("."))


def read_tables(path: str | Path) -> dict[str, dict[str, Any]]:
    """The tables ``"model"`` and ``"train"`` of a TOML file, empty where it has none.

    Args:
        path: The file.

    Raises:
        ValueError: If the file is no TOML, or has another table.
        FileNotFoundError: If there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        checks.fail_file(path, "there is no such file", error=FileNotFoundError)
    try:
        tables = parse_toml(path.read_text(encoding="utf-8"))
    except ValueError as error:
        checks.fail_file(path, f"not a TOML file ({error})")
    for name, table in tables.items():
        if name not in ("model", "train") or not isinstance(table, dict):
            checks.fail_file(path, f"unknown table or key {name!r}", "Settings stand in [model] and [train].")
    return {"model": {}, "train": {}, **tables}


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML; ``tomllib`` where Python has it."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib
        except ModuleNotFoundError:
            checks.missing_extra("tomli", "train")
    return tomllib.loads(text)
