"""What every segmentation model offers to training and inference."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from otseg import checks
from otseg.result import OTResult
from otseg.types import Batch

M = TypeVar("M", bound="SegmentationModel")


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
    #: Fields of the :class:`otseg.train.TrainConfig` it was trained with, kept in files; empty before training.
    train_settings: Mapping[str, Any] = {}

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

    def embed_frames(
        self, features: Float[Tensor, "B N D"], mask: Bool[Tensor, "B N"] | None = None
    ) -> tuple[Float[Tensor, "B N E"], Float[Tensor, "K E"]] | None:
        """Frames and prototypes in the space where :meth:`segment` compares them, unit vectors; for pictures.

        Args:
            features: Features of all frames, whatever their number.
            mask: True on real frames; all frames if ``None``.

        Returns:
            The embeddings; ``None`` of a model that has no prototypes.
        """
        return None

    @classmethod
    def from_pretrained(cls: type[M], where: str | Path, *, revision: str | None = None) -> M:
        """A trained model from disk or from the Hugging Face Hub, in evaluation mode, on the CPU.

        Args:
            where: A file of :func:`otseg.train.save_model`, a folder that holds it as ``model.safetensors``, or
                ``"<owner>/<name>"`` on the Hub, which needs the extra ``hub``.
            revision: Branch, tag or commit on the Hub.

        Raises:
            FileNotFoundError: If there is no such path.
            ValueError: If the file is not one of otseg, or holds another model than this class.
        """
        from otseg.models.hub import load_pretrained  # builds on this file

        model = load_pretrained(where, revision=revision)
        fix = f"Load it with {type(model).__name__}.from_pretrained."
        checks.require(isinstance(model, cls), str(where), f"a model of type {cls.__name__}", type(model).__name__, fix)
        assert isinstance(model, cls)
        return model

    def push_to_hub(self, repo_id: str, *, private: bool = False) -> str:
        """Upload the model to the Hugging Face Hub, with a card that says how to use it; needs the extra ``hub``.

        Args:
            repo_id: ``"<owner>/<name>"``; the repository is created if it does not exist.
            private: Whether a new repository is private.

        Returns:
            Address of the commit.
        """
        from otseg.models.hub import push  # builds on this file

        return push(self, repo_id, private=private)
