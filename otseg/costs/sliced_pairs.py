"""Costs of frames and actions from sliced Wasserstein distances: CLOT's, as its paper says and as its code does."""

from typing import Any, Literal, TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from otseg import checks
from otseg.costs._pairs import prepare
from otseg.costs.cosine import cosine
from otseg.costs.projections import CircularProjection, Projection, ProjectionName, as_projection, checked_directions
from otseg.costs.sliced import check_exponent
from otseg.ops._backend import transformed
from otseg.ops.quantile import distance_power, power

SlicedProtocol: TypeAlias = Literal["default", "published", "published_unsorted"]
#: Largest number of entries of a tensor over frames, actions and projections.
CHUNK = 2**23


def sliced_pairwise(
    x: Float[Tensor, "B N D"],
    y: Float[Tensor, "K D"] | Float[Tensor, "B K D"],
    *,
    directions: Float[Tensor, "P E"],
    p: int | float | None = None,
    projection: ProjectionName | Projection | None = None,
    mask: Bool[Tensor, "B N"] | None = None,
    protocol: SlicedProtocol = "default",
) -> Float[Tensor, "B N K"]:
    r"""Sliced Wasserstein distance between every frame and every action, each a single point.

    .. math::

        \mathrm{SWD}_{nk} = \Big( \frac{1}{P} \sum_{i=1}^P |g_{\theta_i}(x_n) - g_{\theta_i}(y_k)|^p \Big)^{1/p}

    At least 0, and 0 for coinciding points, whose gradient is 0. With linear projections it tends, for many
    directions, to :math:`c_D |x_n - y_k|` (:math:`c_D = \Gamma(D/2) / (\sqrt\pi\, \Gamma((D+1)/2))` for ``p = 1``,
    :math:`D^{-1/2}` for ``p = 2``): a monotone function of the cosine for vectors of length 1. **It contains nothing
    that a Euclidean cost does not.** Distances of sets do: :func:`otseg.sliced_wasserstein`,
    :func:`otseg.costs.expected_sliced_plan`.

    The function draws nothing: a cost is the same at every call. Draw directions once
    (:func:`otseg.costs.random_directions`, 150 in the released code), keep them, and bind them with
    :func:`functools.partial` to get a :class:`otseg.types.Cost`.

    O(BNKP) time, O(BNK + B(N + K)P) memory. For second derivatives, and under torch.compile and torch.func, the
    (B, N, K, P) differences are taken in chunks of directions.

    Args:
        x: Features of the frames.
        y: Prototypes, shared by the batch or one set per sequence.
        directions: Directions of the projections, used as they are.
        p: Exponent, at least 1; 1 if ``None``, as in the paper. The published protocols have none.
        projection: The function :math:`g_\theta`, see :func:`otseg.sliced_wasserstein`; linear if ``None``, and for
            the published protocols circular of radius 2.
        mask: True on real frames; all if ``None``. The cost of a masked frame is 0.
        protocol: ``"default"`` is the formula above. ``"published"`` and ``"published_unsorted"`` are two matrices of
            CLOT's released code, see the note.

    Raises:
        TypeError: If an argument has the wrong type or dtype.
        ValueError: If a shape, a device or a value is wrong, or ``p`` is given with a published protocol.

    Note:
        The released code computes the Euclidean distance of vectors over projections,
        :math:`(\sum_i (\hat u_{ni} - \hat v_{ki})^2)^{1/2}`, with :math:`u_{ni} = |x_n - 2 \theta_i|` divided by its
        norm over the projections; there is no absolute value, no :math:`1/P` and no :math:`p`.
        ``"published_unsorted"`` is that matrix, which the code computes and discards. ``"published"`` is what it
        returns: every projection is sorted over the frames and over the actions first, each on its own. Row ``n``
        then is no frame but the ``n``-th smallest value of each projection: **the matrix does not change if frames
        or actions are permuted**, and says nothing about which frame resembles which action. It is smallest where
        ``n / N`` is about ``k / K``: an order prior in disguise, as :class:`otseg.priors.LinearOrder` is openly.
        Departure: masked frames are left out of the sort, and the n-th value belongs to the n-th real frame, so that
        padding changes nothing; without a mask the result is that of the code for the same directions.

    Example:
        >>> directions = otseg.costs.random_directions(1000, 2, generator=torch.Generator().manual_seed(0)).float()
        >>> cost = sliced_pairwise(torch.tensor([[[3.0, 4.0]]]), torch.zeros(1, 2), directions=directions, p=2)
        >>> abs(float(cost) - 5 / 2**0.5) < 0.1
        True

    References:
        :cite:`buenobenito2025clot`; :cite:`kolouri2019generalized` (projections).
    """
    checks.choice("protocol", protocol, ("default", "published", "published_unsorted"))
    published = protocol != "default"
    fix = "They are Euclidean over the projections."
    checks.require(p is None or not published, "p", "None for the published protocols", p, fix)
    p = 1 if p is None else p
    check_exponent(p)
    mask = _mask(mask, x)
    fallback: Projection | ProjectionName = CircularProjection(2.0) if published else "linear"
    family = as_projection(fallback if projection is None else projection)
    x, y = prepare(x, y)
    if mask is not None:
        x = x.masked_fill(~mask.unsqueeze(2), 0)
    directions = checked_directions(x, family, directions)
    u, v = family(x, directions), family(y, directions)  # (B, P, N) and (1 or B, P, K)
    if not published:
        cost = _distances(u, v, p) / float(len(directions) ** (1 / p))
    else:
        u, v = torch.nn.functional.normalize(u, dim=1), torch.nn.functional.normalize(v, dim=1)
        if protocol == "published":
            u, v = _sort_real(u, mask), v.sort(dim=2)[0]
        cost = _distances(u, v, 2)
    return cost if mask is None else cost.masked_fill(~mask.unsqueeze(2), 0)


def sliced_cosine(
    x: Float[Tensor, "B N D"],
    y: Float[Tensor, "K D"] | Float[Tensor, "B K D"],
    *,
    directions: Float[Tensor, "P E"],
    p: int | float | None = None,
    projection: ProjectionName | Projection | None = None,
    mask: Bool[Tensor, "B N"] | None = None,
    protocol: SlicedProtocol = "default",
) -> Float[Tensor, "B N K"]:
    r"""CLOT's cost: the sum of the cosine cost and the sliced Wasserstein distance of every pair.

    .. math::  C^{sw}_{nk} = 1 + \mathrm{SWD}(x_n, y_k) - C^k_{nk}, \qquad C^k = \text{cosine similarity}

    At least 0. :func:`otseg.costs.cosine` plus :func:`sliced_pairwise`, which documents every argument, what the
    published protocols really compute, time and memory.

    Args:
        x: Features of the frames.
        y: Prototypes.
        directions: Directions of the projections.
        p: Exponent.
        projection: The function of points and directions.
        mask: True on real frames; the cost of a masked frame is 0.
        protocol: Which distance is added to the cosine cost.

    Note:
        The paper's formula makes sense only if :math:`C^k` is a similarity: with the cosine *cost* it would be
        ``SWD + cos`` and reward dissimilar pairs, which is not offered. For vectors of length 1 and the default
        protocol the sum is a monotone function of the cosine.

    Example:
        >>> same = torch.tensor([[[0.6, 0.8]]])
        >>> otseg.costs.sliced_cosine(same, same[0], directions=torch.eye(2)).abs() < 1e-6
        tensor([[[True]]])

    References:
        :cite:`buenobenito2025clot`.
    """
    sliced = sliced_pairwise(x, y, directions=directions, p=p, projection=projection, mask=mask, protocol=protocol)
    cost = cosine(x, y)
    return sliced + (cost if mask is None else cost.masked_fill(~mask.unsqueeze(2), 0))


def _distances(u: Tensor, v: Tensor, p: int | float) -> Tensor:
    """``(sum_i |u_i - v_i|^p)^(1/p)`` of projections ``(B, P, N)`` and ``(1 or B, P, K)``, ``(B, N, K)``."""
    if torch.compiler.is_compiling() or transformed(u, v):
        return power(_sum_of_powers(u, v, p), 1 / p)
    return _Distances.apply(u, v, p)  # type: ignore[no-any-return, no-untyped-call]


class _Distances(torch.autograd.Function):
    """``torch.cdist``, which has no second derivative: whoever asks for one gets that of the formula."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, v: Tensor, p: int | float) -> Tensor:
        ctx.save_for_backward(u, v)
        ctx.p = p
        with torch.enable_grad():
            ctx.leaves = [
                x.detach().requires_grad_(needed) for x, needed in zip((u, v), ctx.needs_input_grad, strict=False)
            ]
            x, y = (leaf.mT for leaf in ctx.leaves)
            ctx.distance = torch.cdist(x, y, p=p, compute_mode="donot_use_mm_for_euclid_dist")
        distance: Tensor = ctx.distance.detach()
        return distance

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        u, v = ctx.saved_tensors
        inputs, distance, twice = ctx.leaves, ctx.distance, torch.is_grad_enabled()
        if twice:
            inputs, distance = (u, v), power(_sum_of_powers(u, v, ctx.p), 1 / ctx.p)
        needed = ctx.needs_input_grad[:2]
        wanted = [x for x, need in zip(inputs, needed, strict=True) if need]
        found = iter(torch.autograd.grad(distance, wanted, grad, create_graph=twice, retain_graph=True))
        return *(next(found) if need else None for need in needed), None


def _sum_of_powers(u: Tensor, v: Tensor, p: int | float) -> Tensor:
    """``sum_i |u_i - v_i|^p``, the same."""

    def chunk(u: Tensor, v: Tensor) -> Tensor:
        return distance_power(u.unsqueeze(3) - v.unsqueeze(2), p).sum(dim=1)

    size = max(1, CHUNK // (u.shape[0] * u.shape[2] * v.shape[2]))
    if size >= u.shape[1]:
        return chunk(u, v)
    total = u.new_zeros(u.shape[0], u.shape[2], v.shape[2])
    for u_part, v_part in zip(torch.split(u, size, dim=1), torch.split(v, size, dim=1), strict=True):
        total = total + checkpoint(chunk, u_part, v_part, use_reentrant=False, preserve_rng_state=False)
    return total


def _sort_real(u: Tensor, mask: Tensor | None) -> Tensor:
    """Every row of ``(B, P, N)`` sorted over its real frames, the n-th smallest at the n-th real frame."""
    if mask is None:
        return u.sort(dim=2)[0]
    order = u.detach().masked_fill(~mask.unsqueeze(1), float("inf")).argsort(dim=2, stable=True)
    position = (mask.cumsum(dim=1) - 1).clamp(min=0).unsqueeze(1).expand_as(u)
    return u.gather(2, order.gather(2, position))


def _mask(mask: Tensor | None, x: Tensor) -> Tensor | None:
    if mask is not None:
        is_mask = isinstance(mask, Tensor) and mask.dtype == torch.bool
        fix = "Convert it with mask.bool(); True marks real frames."
        checks.require(is_mask, "mask", "a boolean tensor of shape (B, N)", checks.describe(mask), fix, TypeError)
        checks.shape("mask", mask, tuple(checks.tensor("x", x, "B N D").shape[:2]), "(B, N)")
    return mask
