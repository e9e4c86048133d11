"""Files that are whole at every moment: a process that is killed leaves the old one or the new one."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from otseg import checks

try:
    import torch
    from lightning.fabric.plugins import TorchCheckpointIO
    from lightning.pytorch.utilities import rank_zero_only
except ModuleNotFoundError:
    checks.missing_extra("lightning", "train")


def is_first_process() -> bool:
    """Whether this process is the first, or the only one, of a training: that which writes and reports."""
    return getattr(rank_zero_only, "rank", 0) == 0


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name to write to, beside ``path``, that takes its place at the end, all at once.

    Args:
        path: The file; its folder is created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    yield partial
    with partial.open("rb") as file:
        os.fsync(file.fileno())  # else a power cut could leave the name without the contents
    partial.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write dictionaries, lists, strings and numbers."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes Lightning's checkpoints by :func:`replacing`; its own way copies from another disk, which can be cut."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write a checkpoint."""
        assert storage_options is None
        with replacing(Path(path)) as partial:
            torch.save(checkpoint, partial)
