"""What is computed of recordings with a trained model."""

from typing import Any, Literal, TypeAlias

import numpy.typing as npt
import torch
from torch import Tensor

from otseg import checks
from otseg.data import SequenceDataset
from otseg.models import DCLOT, SegmentationModel
from otseg.ops.unit import unit

#: The label of every frame, the shares of the actions in its mass, or its embedding.
Output: TypeAlias = Literal["labels", "shares", "embeddings"]


@torch.no_grad()
def compute(
    output: Output, device: str, model: SegmentationModel, recordings: list[SequenceDataset]
) -> list[npt.NDArray[Any]]:
    """One array for each recording, of which each is segmented by itself.

    Args:
        output: What is computed.
        device: Where; the model is there.
        model: The model, in evaluation mode.
        recordings: Data sets of a single recording.
    """
    return [_compute(output, model, recording[0].features.to(device).unsqueeze(0)) for recording in recordings]


def _compute(output: Output, model: SegmentationModel, features: Tensor) -> npt.NDArray[Any]:
    if output == "embeddings":
        encoder: Any = model.clot.encoder if isinstance(model, DCLOT) else model.encoder
        found = unit(encoder(features))
    else:
        result = model.segment(features)
        found = result.labels() if output == "labels" else result.plan / result.marginal_a.unsqueeze(2)
    array: npt.NDArray[Any] = found[0].cpu().numpy()
    return array


def choose_device(device: str) -> str:
    """``"cpu"`` or ``"cuda"``, of ``"auto"`` and these two."""
    checks.choice("device", device, ("auto", "cpu", "cuda"))
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    found = device == "cpu" or torch.cuda.is_available()
    checks.require(found, "device", "'auto' or 'cpu' where CUDA is not available", repr(device))
    return device
