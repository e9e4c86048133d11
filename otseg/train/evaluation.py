"""Score a trained model on all frames of a data set."""

from typing import Any

import torch
from torch import Tensor

from otseg import checks
from otseg.data import SequenceDataset
from otseg.metrics import Evaluation, evaluate, warn_if_degenerate
from otseg.models import SegmentationModel
from otseg.train.config import TrainConfig
from otseg.train.loaders import full_batches, model_input


def segment_dataset(
    model: SegmentationModel,
    dataset: SequenceDataset,
    *,
    config: TrainConfig = TrainConfig(),  # noqa: B008
) -> list[Tensor]:
    """Label every frame of every sequence, one sequence at a time, on the model's device.

    Args:
        model: The model; it is put in evaluation mode.
        dataset: Features as they are stored.
        config: Settings of the training, which say how features are standardized.

    Returns:
        The actions of each sequence, ``(N_i,)`` on the CPU.

    Warns:
        DegenerateSolutionWarning: If the model uses hardly any of its actions.
    """
    model.eval()
    device = next(model.parameters(), torch.empty(0)).device
    labels, n_actions = [], 1
    for batch in full_batches(model_input(dataset, config)):
        result = model.segment(batch.features.to(device))
        labels.append(result.labels()[0].cpu())
        n_actions = result.plan.shape[2]
    warn_if_degenerate(labels, n_actions, stacklevel=3)
    return labels


def evaluate_model(
    model: SegmentationModel,
    dataset: SequenceDataset,
    *,
    config: TrainConfig = TrainConfig(),  # noqa: B008
    **protocol: Any,
) -> tuple[Evaluation, list[Tensor]]:
    """Segment every sequence, all frames, and compare with the ground truth.

    Args:
        model: The model; it is put in evaluation mode.
        dataset: Features as they are stored, with labels. Frames whose label is -1 are not scored.
        config: Settings of the training, which say how features are standardized.
        **protocol: Options of :func:`otseg.metrics.evaluate`, such as ``scope="video"``.

    Returns:
        The metrics with their protocol, and the actions of each sequence as the model numbers them.

    Warns:
        DegenerateSolutionWarning: If the model uses hardly any of its actions.
    """
    true_labels(dataset)  # fails before the work
    labels = segment_dataset(model, dataset, config=config)
    return evaluate_labels(labels, dataset, **protocol), labels


def evaluate_labels(labels: list[Tensor], dataset: SequenceDataset, **protocol: Any) -> Evaluation:
    """Compare labels of every sequence with the ground truth.

    Args:
        labels: Actions of each sequence, of any numbering.
        dataset: Sequences with labels. Frames whose label is -1 are not scored.
        **protocol: Options of :func:`otseg.metrics.evaluate`, such as ``scope="video"``.
    """
    protocol = {"ignore_labels": (-1,), **protocol}
    if protocol.get("scope") == "activity":
        protocol.setdefault("activities", [source.activity for source in dataset.sources])
    return evaluate(labels, true_labels(dataset), **protocol)


def true_labels(dataset: SequenceDataset) -> list[Tensor]:
    """The ground truth to compare predictions with, after the label map.

    Args:
        dataset: Sequences with labels.

    Raises:
        ValueError: If a sequence has none.
    """
    unlabeled = [source.name for source in dataset.sources if source.labels is None]
    checks.require(not unlabeled, "dataset", "labeled", f"no labels for {unlabeled[:3]}")
    return [dataset.evaluation_labels(s.labels) for s in dataset.sources if s.labels is not None]
