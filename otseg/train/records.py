"""What a run keeps of its videos, for reports: segments of all, and a plane through the embeddings; as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from otseg import checks
from otseg.data import SequenceDataset
from otseg.models import SegmentationModel
from otseg.plots.embedding import principal_plane
from otseg.train.config import TrainConfig
from otseg.train.evaluation import true_labels
from otseg.train.files import write_text
from otseg.train.loaders import full_batches, model_input

SEGMENTS, EMBEDDING = "segments.json", "embedding.json"
#: Most frames of an embedding, of all sequences together.
N_FRAMES = 1500


@dataclass(frozen=True)
class Video:
    """A sequence as a run found it.

    Attributes:
        name: Its name.
        labels: Actions as the model numbers them, as runs ``(action, number of frames)``.
        target: True classes, likewise; ``None`` without ground truth.
    """

    name: str
    labels: list[tuple[int, int]]
    target: list[tuple[int, int]] | None


@dataclass(frozen=True)
class Segments:
    """All sequences of a run.

    Attributes:
        n_actions: Number of actions of the model.
        classes: Names of the true classes.
        videos: The sequences.
    """

    n_actions: int
    classes: list[str]
    videos: list[Video]


@dataclass(frozen=True)
class Embedding:
    """Frames and prototypes in the plane of the frames' two largest principal components.

    Attributes:
        frames: Places ``(x, y)`` of at most ``N_FRAMES`` frames, evenly from all sequences.
        labels: Their actions.
        target: Their true classes; ``None`` without ground truth.
        prototypes: Places of the prototypes.
        explained: Share of the frames' variance along each axis.
    """

    frames: list[tuple[float, float]]
    labels: list[int]
    target: list[int] | None
    prototypes: list[tuple[float, float]]
    explained: tuple[float, float]


def write_records(
    folder: Path, model: SegmentationModel, data: SequenceDataset, config: TrainConfig, labels: Sequence[Tensor]
) -> None:
    """Write ``segments.json``, and ``embedding.json`` where the model has prototypes.

    Args:
        folder: Folder of the run.
        model: The model, in evaluation mode.
        data: The sequences as they are stored.
        config: Settings of the training.
        labels: Action of every frame of every sequence, of :func:`otseg.train.segment_dataset`.
    """
    labeled = all(source.labels is not None for source in data.sources)
    target = true_labels(data) if labeled else None
    n_actions = getattr(model.config, "n_actions", 1 + max(int(row.max()) for row in labels))
    videos = [
        Video(name, to_runs(row), None if target is None else to_runs(target[i]))
        for i, (name, row) in enumerate(zip(data.names, labels, strict=True))
    ]
    _write(folder / SEGMENTS, Segments(n_actions, list(data.evaluation_names), videos))
    embedding = embed(model, data, config, labels, target)
    if embedding is not None:
        _write(folder / EMBEDDING, embedding)


def read_segments(folder: Path) -> Segments | None:
    """The segments of a run; ``None`` where it kept none."""
    found = _read(folder / SEGMENTS)
    return (
        None if found is None else Segments(found["n_actions"], found["classes"], [Video(**v) for v in found["videos"]])
    )


def read_embedding(folder: Path) -> Embedding | None:
    """The embedding of a run; ``None`` where it kept none."""
    found = _read(folder / EMBEDDING)
    return None if found is None else Embedding(**found)


def to_runs(labels: Tensor) -> list[tuple[int, int]]:
    """Labels of frames as runs ``(label, number of frames)``.

    Example:
        >>> to_runs(torch.tensor([3, 3, -1]))
        [(3, 2), (-1, 1)]
    """
    return [(label, len(list(run))) for label, run in groupby(labels.tolist())]


def from_runs(runs: Sequence[Sequence[int]]) -> Tensor:
    """The inverse of :func:`to_runs`.

    Example:
        >>> from_runs([(3, 2), (-1, 1)])
        tensor([ 3,  3, -1])
    """
    values, lengths = torch.tensor(list(runs), dtype=torch.int64).unbind(dim=1)
    return values.repeat_interleave(lengths)


@torch.no_grad()
def embed(
    model: SegmentationModel,
    data: SequenceDataset,
    config: TrainConfig,
    labels: Sequence[Tensor],
    target: Sequence[Tensor] | None = None,
) -> Embedding | None:
    """Frames and prototypes where the model compares them, projected on two principal components of the frames.

    Args:
        model: The model, in evaluation mode.
        data: The sequences as they are stored.
        config: Settings of the training.
        labels: Action of every frame of every sequence.
        target: True classes, likewise.

    Returns:
        The embedding; ``None`` of a model without :meth:`otseg.models.SegmentationModel.embed_frames`.
    """
    device = next(model.parameters(), torch.empty(0)).device
    every = -(-sum(len(row) for row in labels) // N_FRAMES)
    points, found, true = [], [], []
    prototypes, start = torch.empty(0), 0
    for i, batch in enumerate(full_batches(model_input(data, config))):
        embedded = model.embed_frames(batch.features.to(device))
        if embedded is None:
            return None
        prototypes = embedded[1].double().cpu()
        kept = slice(-start % every, None, every)
        start += len(labels[i])
        points.append(embedded[0][0, kept].double().cpu())
        found += labels[i][kept].tolist()
        true += [] if target is None else target[i][kept].tolist()
    frames, marked, explained = principal_plane(torch.cat(points).numpy(), prototypes.numpy())
    return Embedding(_rounded(frames), found, None if target is None else true, _rounded(marked), explained)


def _rounded(points: Any) -> list[tuple[float, float]]:
    return [(round(x, 4), round(y, 4)) for x, y in points.tolist()]


def _write(path: Path, value: Segments | Embedding) -> None:
    write_text(path, json.dumps(asdict(value), separators=(",", ":")) + "\n")


def _read(path: Path) -> Any:
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        checks.fail_file(path, f"not a JSON file ({error})", "Remove it; `otseg report --data` writes it again.")
