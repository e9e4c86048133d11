"""Action prototypes: one learned direction of the embedding space per action."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from otseg import checks


class Prototypes(nn.Module):
    """Learned unit vectors, one per action.

    Args:
        n_actions: Number of actions.
        dim: Dimension of the embeddings.

    Note:
        Published ASOT normalizes its parameter in place before a training step, so that it evaluates with the
        non-unit vectors that the optimizer left. Here the prototypes are normalized whenever they are used.

    Example:
        >>> prototypes = Prototypes(n_actions=5, dim=40)
        >>> prototypes().norm(dim=1).round(decimals=4)
        tensor([1., 1., 1., 1., 1.], grad_fn=<RoundBackward1>)
    """

    def __init__(self, n_actions: int, dim: int) -> None:
        super().__init__()
        checks.number("n_actions", n_actions, 1, integer=True)
        checks.number("dim", dim, 1, integer=True)
        self.weight = nn.Parameter(functional.normalize(torch.randn(n_actions, dim), dim=1))

    def forward(self) -> Float[Tensor, "K D"]:
        """The prototypes, each of length 1."""
        return functional.normalize(self.weight, dim=1)

    @torch.no_grad()
    def initialize(
        self,
        embeddings: Float[Tensor, "M D"],
        positions: Float[Tensor, " M"] | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        """Set the prototypes to the centers that scikit-learn's k-means finds (best of 10 starts).

        Args:
            embeddings: Embeddings of real frames of any number of sequences, at least one per action.
            positions: Relative time of every frame, in ``[0, 1]``. With it the prototypes are sorted by the mean time
                of their clusters, as a prior on the order of actions asks for; without it their order is arbitrary.
            generator: Seeds the k-means.

        Raises:
            ValueError: If there are fewer frames than actions, or an embedding is not finite.

        Note:
            Published ASOT leaves the clusters in the arbitrary order of k-means, although its order prior ties
            action ``k`` to the time around ``k / K``.

        Example:
            >>> prototypes = Prototypes(n_actions=2, dim=2)
            >>> frames = torch.tensor([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
            >>> prototypes.initialize(frames, positions=torch.tensor([0.2, 0.5, 0.8]))
            >>> prototypes()
            tensor([[0., 1.],
                    [1., 0.]], grad_fn=<DivBackward0>)
        """
        embeddings, n_actions = self._checked(embeddings), len(self.weight)
        seed = int(torch.randint(2**31 - 1, (), generator=generator, device=generator.device if generator else "cpu"))
        from sklearn.cluster import KMeans  # only here: it takes as long to import as torch

        means = KMeans(n_actions, n_init=10, random_state=seed).fit(embeddings.double().cpu().numpy())
        centers = torch.from_numpy(means.cluster_centers_)
        if positions is not None:
            checks.shape("positions", positions, (len(embeddings),), "(M,)")
            centers = centers[_by_mean_time(torch.from_numpy(means.labels_).long(), positions.cpu(), n_actions)]
        self.weight.copy_(functional.normalize(centers, dim=1))

    @torch.no_grad()
    def refine(self, embeddings: Float[Tensor, "M D"]) -> None:
        """Move the prototypes to the centers of a k-means that starts at them, which keeps their order.

        Args:
            embeddings: Embeddings of real frames, at least one per action.

        Raises:
            ValueError: If there are fewer frames than actions, or an embedding is not finite.

        Example:
            >>> prototypes = Prototypes(n_actions=2, dim=2)
            >>> prototypes.initialize(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), positions=torch.tensor([0.0, 1.0]))
            >>> prototypes.refine(torch.tensor([[3.0, -4.0], [3.0, 4.0]]))
            >>> prototypes()
            tensor([[ 0.6000,  0.8000],
                    [ 0.6000, -0.8000]], grad_fn=<DivBackward0>)
        """
        embeddings = self._checked(embeddings)
        from sklearn.cluster import KMeans  # only here: it takes as long to import as torch

        start = self().double().cpu().numpy()
        means = KMeans(len(start), init=start, n_init=1).fit(embeddings.double().cpu().numpy())
        self.weight.copy_(functional.normalize(torch.from_numpy(means.cluster_centers_), dim=1))

    def _checked(self, embeddings: Tensor) -> Tensor:
        embeddings = checks.tensor("embeddings", embeddings, "M D")
        n_actions, dim = self.weight.shape
        checks.shape("embeddings", embeddings, (len(embeddings), dim), "(M, D)")
        fix = "Give more frames or ask for fewer actions."
        checks.require(
            len(embeddings) >= n_actions, "embeddings", f"of at least K = {n_actions} frames", len(embeddings), fix
        )
        checks.finite("embeddings", embeddings.cpu())
        return embeddings


def _by_mean_time(clusters: Tensor, positions: Tensor, n_clusters: int) -> Tensor:
    """Clusters in the order of the mean position of their members; empty ones come last."""
    sums = torch.zeros(n_clusters, dtype=torch.float64).index_add_(0, clusters, positions.double())
    sizes = clusters.bincount(minlength=n_clusters)
    return (sums / sizes).masked_fill(sizes == 0, torch.inf).argsort(stable=True)
