"""What models that label frames by transport share: their problem, the start of their prototypes, their input."""

from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor

from otseg import checks
from otseg.nn import Prototypes
from otseg.priors import LinearOrder, TemporalSmoothness
from otseg.result import OTResult, Solver
from otseg.solve import solve
from otseg.solvers import mirror_descent, published_mirror_descent
from otseg.types import ProtocolName


def fused_plan(
    cost: Tensor,
    mask: Tensor | None,
    *,
    alpha: float,
    rho_b: float,
    epsilon: float,
    radius: float,
    order: float,
    n_iter: int,
    protocol: ProtocolName = "default",
) -> OTResult:
    """ASOT's problem of a cost, see :class:`otseg.models.ASOT`, without gradient."""
    priors = (
        TemporalSmoothness(alpha, radius, protocol=protocol),
        LinearOrder((1 - alpha) * order, protocol=protocol),
    )
    descent = mirror_descent if protocol == "default" else published_mirror_descent
    solver: Solver = partial(descent, max_iter=n_iter, grad="none")
    return solve((1 - alpha) * cost.detach(), epsilon=epsilon, rho_b=rho_b, mask=mask, priors=priors, solver=solver)


def initialize_prototypes(
    prototypes: Prototypes,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    ordered: bool,
    generator: torch.Generator | None,
) -> None:
    """Prototypes from k-means on the real frames of batches of (embeddings, mask), in order of time if wanted."""
    embeddings, positions = [], []
    for frames, mask in batches:
        embeddings.append(frames[mask])
        positions.append(relative_time(mask)[mask])
    checks.require(bool(embeddings), "batches", "at least one batch", "none")
    prototypes.initialize(torch.cat(embeddings), torch.cat(positions) if ordered else None, generator=generator)


def relative_time(mask: Tensor) -> Tensor:
    """Midpoint of every frame's slot over the length of its own sequence; ``(B, N)``."""
    frame = torch.arange(mask.shape[1], device=mask.device)
    return (frame + 0.5) / mask.sum(dim=1, keepdim=True)


def checked_features(features: Tensor, n_features: int) -> Tensor:
    """The features, if they have the dimension that the model was built for."""
    features = checks.tensor("features", features, "B N D")
    fix = "Set n_features in the config."
    ok = features.shape[2] == n_features
    checks.require(ok, "features", f"of dimension D = {n_features}", features.shape[2], fix)
    return features
