"""Config dataclasses from mappings, such as tables of TOML and JSON files."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from otseg import checks

C = TypeVar("C")


def from_mapping(config: type[C], values: Mapping[str, Any]) -> C:
    """Build a config dataclass from a mapping, such as one read from TOML or JSON.

    Args:
        config: The dataclass; its own checks judge the values.
        values: Value of each field; lists become tuples.

    Raises:
        ValueError: If a key is unknown, or a field without a default is missing.

    Example:
        >>> from otseg.models import ASOTConfig
        >>> from_mapping(ASOTConfig, {"n_actions": 3, "layers": [16, 8]}).layers
        (16, 8)
    """
    known = field_names(config)
    for key in values:
        checks.require(key in known, key, f"a field of {config.__name__}", "an unknown key", f"Known: {list(known)}.")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    try:
        return config(**values)
    except TypeError as error:
        if "required" not in str(error):
            raise
        missing = str(error).split(":", 1)[-1].strip()
        checks.fail(missing.strip("'"), f"given for {config.__name__}", "nothing")


def field_names(config: type) -> tuple[str, ...]:
    """Names of the fields of a config dataclass."""
    return tuple(field.name for field in fields(config))
