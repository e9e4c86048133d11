"""One sequence: its features, its labels, its name; and the standardization of its features."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from otseg import checks


@dataclass(frozen=True, eq=False)
class Sequence:
    """The frames of one video or recording, in temporal order.

    Attributes:
        features: Feature of every frame.
        labels: True class of every frame, -1 where it is unknown or background; ``None`` without labels.
        name: Name of the sequence, unique in its data set.
        activity: What the sequence as a whole shows; an empty string where there is only one activity.

    Example:
        >>> Sequence(torch.zeros(3, 2), torch.tensor([0, 0, 1]), name="a").n_frames
        3
    """

    features: Float[Tensor, "N D"]
    labels: Int[Tensor, " N"] | None = None
    name: str = ""
    activity: str = ""

    def __post_init__(self) -> None:
        checks.tensor("features", self.features, "N D")
        checks.require(self.n_frames > 0, "features", "at least one frame", checks.describe(self.features))
        if self.labels is not None:
            ok = isinstance(self.labels, Tensor) and self.labels.dtype == torch.int64
            fix = "Convert it with labels.long()."
            checks.require(ok, "labels", "an int64 tensor", checks.describe(self.labels), fix, TypeError)
            checks.shape("labels", self.labels, (self.n_frames,), "(N,)")
            lowest = int(self.labels.min()) if checks.readable(self.labels) else 0
            checks.require(lowest >= -1, "labels", "classes >= 0, or -1 where unknown", lowest)

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.features.shape[0]

    def read(self) -> "Sequence":
        """The sequence itself: it is in memory already (see :class:`otseg.data.SequenceFile`)."""
        return self

    def take(self, frames: Int[Tensor, " M"]) -> "Sequence":
        """The sequence of the given frames, in the given order."""
        labels = None if self.labels is None else self.labels[frames]
        return replace(self, features=self.features[frames], labels=labels)


def standardize(sequence: Sequence, *, scale: float = 1.0) -> Sequence:
    r"""Shift and scale every feature to mean 0 and standard deviation ``scale`` within the sequence.

    .. math::  x_{nd} \gets s \, (x_{nd} - \mu_d) / \sigma_d

    with the mean and the (population) standard deviation over all frames whose features are not all zero.
    Feature extractors write such zero rows where they found nothing; they stay zero. A feature that is
    constant over the sequence becomes zero.

    Note:
        Standardize before frames are sampled, so that training and inference see the same features; the
        published code of ASOT standardizes the sampled frames, and uses ``scale = D ** -0.5``.

    Args:
        sequence: The whole sequence.
        scale: Standard deviation of every feature afterwards.

    Returns:
        The sequence with new features, of the same dtype.

    Example:
        >>> standardize(Sequence(torch.tensor([[1.0, 7.0], [0.0, 0.0], [3.0, 7.0]]))).features
        tensor([[-1.,  0.],
                [ 0.,  0.],
                [ 1.,  0.]])
    """
    checks.number("scale", scale, low=0.0, open_low=True)
    real = (sequence.features != 0).any(dim=1)  # (N,)
    if not bool(real.any()):
        return sequence
    x = sequence.features[real].double()  # (M, D), M real frames
    varies = x.amax(dim=0) > x.amin(dim=0)  # exact, unlike a threshold on the standard deviation
    deviation = torch.where(varies, x.std(dim=0, correction=0), 1.0)
    x = torch.where(varies, scale * (x - x.mean(dim=0)) / deviation, 0.0)
    features = torch.zeros_like(sequence.features)
    features[real] = x.to(features.dtype)
    return replace(sequence, features=features)
