"""What every segmentation model offers to training and inference."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from otseg.result import OTResult
from otseg.types import Batch


class SegmentationModel(nn.Module, ABC):
    """A model that learns to divide sequences into actions without labels.

    A subclass is built from one frozen config dataclass, ``Model(config)``, names its type in ``config_class`` and
    keeps it in ``config``; with its weights that is all that a file needs to rebuild it.
    """

    #: Type of the config that the constructor takes.
    config_class: ClassVar[type]
    #: The settings of this model.
    config: Any
    #: Epoch of the training, counted from 0: :func:`otseg.train.fit` sets it, for losses that follow a schedule. In a
    #: loop of your own, set it yourself.
    epoch: int = 0

    @abstractmethod
    def prepare(self, batches: Iterable[Batch], *, generator: torch.Generator | None = None) -> None:
        """Initialize from data what should not start at random, such as prototypes; called once, before training.

        Args:
            batches: Batches of the training set, on the model's device; read once.
            generator: Seeds everything that is drawn.
        """

    def refresh(self, batches: Iterable[Batch], epoch: int) -> None:
        """Estimate anew from data what is not learned by descent; called before every epoch but the first.

        Args:
            batches: As in :meth:`prepare`; read at most once.
            epoch: Number of epochs done.
        """

    @abstractmethod
    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Named terms of the training loss, each a scalar; training descends their sum."""

    @abstractmethod
    def segment(self, features: Float[Tensor, "B N D"], mask: Bool[Tensor, "B N"] | None = None) -> OTResult:
        """Plan between frames and actions with the settings of evaluation; no gradient is recorded.

        Args:
            features: Features of all frames, whatever their number.
            mask: True on real frames; all frames if ``None``.
        """
