"""A file of features that is read block by block, however long it is."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from otseg import checks
from otseg.data.files import open_array


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """What :func:`otseg.data.standardize` needs to know of a sequence.

    Attributes:
        mean: Mean of every feature over the frames that are not all zero, ``(D,)``, float64.
        deviation: Standard deviation, 1 where a feature is constant.
        varies: Whether a feature is not constant, ``(D,)``.
    """

    mean: Float[Tensor, " D"]
    deviation: Float[Tensor, " D"]
    varies: Tensor

    @classmethod
    def of(cls, blocks: Iterable[Float[Tensor, "M D"]]) -> "FeatureStatistics":
        """Those of all frames of blocks, in one pass, a block in memory at a time.

        Args:
            blocks: Features of consecutive frames.

        Raises:
            ValueError: If there is no block.
        """
        count, mean, square, low, high, zeros = 0, None, None, None, None, None
        for block in blocks:
            zeros = block.new_zeros(block.shape[1], dtype=torch.float64)
            x = block[(block != 0).any(dim=1)].double()
            if not len(x):
                continue
            here, spread = x.mean(dim=0), x.var(dim=0, correction=0) * len(x)
            least, most = x.amin(dim=0), x.amax(dim=0)
            if mean is None or square is None or low is None or high is None:
                count, mean, square, low, high = len(x), here, spread, least, most
                continue
            total, gap = count + len(x), here - mean
            square = square + spread + gap.square() * (count * len(x) / total)  # Chan, Golub and LeVeque
            mean, count = mean + gap * (len(x) / total), total
            low, high = torch.minimum(low, least), torch.maximum(high, most)
        checks.require(zeros is not None, "blocks", "at least one", "none")
        assert zeros is not None
        if mean is None or square is None or low is None or high is None:
            return cls(zeros, zeros + 1, zeros.bool())  # no frame that counts: standardizing leaves them zero
        varies = high > low
        return cls(mean, torch.where(varies, (square / count).sqrt(), 1), varies)

    def standardize(self, block: Float[Tensor, "M D"], *, scale: float = 1.0) -> Float[Tensor, "M D"]:
        """A block of the sequence, as :func:`otseg.data.standardize` makes it of the whole sequence."""
        checks.number("scale", scale, low=0.0, open_low=True)
        x = torch.where(self.varies, scale * (block.double() - self.mean) / self.deviation, 0.0)
        return torch.where((block != 0).any(dim=1, keepdim=True), x, 0.0).to(block.dtype)


@dataclass(frozen=True, eq=False)
class FeatureBlocks:
    """The frames of a ``.npy`` file in blocks; the file is never in memory as a whole. Can be read many times.

    Attributes:
        path: File of an array of shape (N, D), numbers of any kind.
        size: Frames of a block.
        transposed: Whether the file holds (D, N).
        statistics: Of the file, where its frames are to be standardized, see :meth:`standardize`.
        scale: Standard deviation of every feature then.

    Example:
        >>> import numpy
        >>> numpy.save("long.npy", numpy.arange(14.0).reshape(7, 2))
        >>> [tuple(block.shape) for block in FeatureBlocks("long.npy", 3)]
        [(3, 2), (3, 2), (1, 2)]
    """

    path: str | Path
    size: int
    transposed: bool = False
    statistics: FeatureStatistics | None = None
    scale: float = 1.0

    def __post_init__(self) -> None:
        checks.number("size", self.size, 1, integer=True)
        fix = "Save the features with np.save: other files cannot be read in parts."
        checks.require(Path(self.path).suffix == ".npy", "path", "a .npy file", self.path, fix)
        self._shape()

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self._shape()[0]

    @property
    def n_features(self) -> int:
        """Number of features of a frame."""
        return self._shape()[1]

    def standardize(self, *, scale: float = 1.0) -> "FeatureBlocks":
        """The same with every feature shifted and scaled as by :func:`otseg.data.standardize`; reads the file once."""
        return replace(self, statistics=FeatureStatistics.of(self), scale=scale)

    def __iter__(self) -> Iterator[Float[Tensor, "M D"]]:
        """The blocks, float32.

        Raises:
            ValueError: If a number is not finite; the message says where.
        """
        for start in range(0, self.n_frames, self.size):
            array = open_array(Path(self.path))  # anew, so that the pages that were read are let go
            part = (array.T if self.transposed else array)[start : start + self.size]
            block = torch.from_numpy(part.astype("float32", order="C"))
            if not bool(torch.isfinite(block).all()):
                frame, feature = (int(i) for i in (~torch.isfinite(block)).nonzero()[0])
                what = f"feature {feature} of frame {start + frame} is {float(block[frame, feature])}"
                checks.fail_file(self.path, what, "Extract these features again, or set these frames to zero.")
            yield block if self.statistics is None else self.statistics.standardize(block, scale=self.scale)

    def _shape(self) -> tuple[int, int]:
        rows, columns = open_array(Path(self.path)).shape
        return (columns, rows) if self.transposed else (rows, columns)
