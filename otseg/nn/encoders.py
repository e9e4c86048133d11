"""Frame encoders: from the features of a frame to its embedding."""

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from otseg import checks


class MLP(nn.Module):
    """A perceptron applied to every frame alone: linear layers with a ReLU between them, the last one linear.

    Frames do not see each other, so padding needs no mask: what a padded frame becomes changes no real one.

    Args:
        sizes: Number of features, then the size of every layer, such as ``(64, 128, 40)``.

    Example:
        >>> MLP((64, 128, 40))(torch.zeros(2, 100, 64)).shape
        torch.Size([2, 100, 40])
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        fix = "Give the number of features and at least one layer."
        checks.require(len(sizes) >= 2, "sizes", "of at least two entries", checks.describe(sizes), fix)
        for i, size in enumerate(sizes):
            checks.number(f"sizes[{i}]", size, 1, integer=True)
        layers: list[nn.Module] = []
        for size_in, size_out in pairwise(sizes):
            layers += [nn.Linear(size_in, size_out), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, features: Float[Tensor, "B N D"]) -> Float[Tensor, "B N E"]:
        """Embedding of every frame."""
        embeddings: Tensor = self.layers(features)
        return embeddings
