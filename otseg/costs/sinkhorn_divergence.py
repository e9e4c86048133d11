"""Sinkhorn divergence between weighted sets of points, computed by geomloss."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otseg import checks
from otseg.costs._sets import Points, prepare_sets


def sinkhorn_divergence(
    x: Float[Tensor, "B N D"],
    y: Float[Tensor, "B M D"] | Float[Tensor, "M D"],
    *,
    epsilon: int | float,
    weights_x: Float[Tensor, "#B N"] | Float[Tensor, " N"] | None = None,
    weights_y: Float[Tensor, "#B M"] | Float[Tensor, " M"] | None = None,
    mask_x: Bool[Tensor, "#B N"] | Bool[Tensor, " N"] | None = None,
    mask_y: Bool[Tensor, "#B M"] | Bool[Tensor, " M"] | None = None,
    p: int = 2,
    scaling: int | float = 0.95,
) -> Float[Tensor, " B"]:
    r"""Sinkhorn divergence: entropic transport without its bias, 0 for equal sets.

    .. math::

        S_\varepsilon(\mu, \nu) = \mathrm{OT}_\varepsilon(\mu, \nu) - \tfrac{1}{2} \mathrm{OT}_\varepsilon(\mu, \mu)
        - \tfrac{1}{2} \mathrm{OT}_\varepsilon(\nu, \nu), \qquad
        \mathrm{OT}_\varepsilon = \min_P \langle C, P \rangle + \varepsilon\,\mathrm{KL}(P \mid a b^\top), \quad
        C = \tfrac{1}{p} |x - y|^p

    Needs the extra ``geomloss``, whose ``SamplesLoss`` computes it by annealed Sinkhorn iterations. It is called once
    per problem, with the real points alone: its schedule depends on the diameter of everything in a call, and a
    result must not depend on padding or on the rest of the batch. O(NM) memory and O(NMD) time per problem, the
    latter times some ``log(diameter / epsilon^(1/p)) / log(1 / scaling)`` iterations.

    Value and gradient are as accurate as the schedule, which does not run to a tolerance. For 40 and 30 uniform points
    of the unit cube and ``epsilon = 0.05``, relative errors of value and gradient were 9e-2 and 2e-1 at
    ``scaling = 0.5`` (geomloss's default), 6e-4 and 4e-2 at 0.95, 3e-5 and 7e-3 at 0.99. The gradient, in points and
    weights, is that of the last iteration with the potentials as constants, and of first order only.

    Args:
        x: Points.
        y: Points to compare with, shared by the batch or one set per problem.
        epsilon: Weight of the entropy, above 0, in units of the cost :math:`C`; geomloss calls its ``p``-th root
            ``blur``.
        weights_x: Mass of every point, at least 0; only ratios matter. Equal masses if ``None``; ignored if masked.
        weights_y: The same for ``y``.
        mask_x: True on real points; all if ``None``.
        mask_y: The same for ``y``.
        p: Exponent of the cost, 1 or 2.
        scaling: Ratio of successive scales of the schedule, in (0, 1): nearer to 1 is slower and more accurate.

    Raises:
        ImportError: If geomloss is not installed.
        TypeError: If an argument has the wrong type or dtype.
        ValueError: If a shape, a device or a value is wrong.

    Example:
        >>> x = torch.rand(2, 5, 3)
        >>> otseg.costs.sinkhorn_divergence(x, x, epsilon=0.1).abs() < 1e-5
        tensor([True, True])

    References:
        :cite:`feydy2019interpolating`.
    """
    checks.number("epsilon", epsilon, 0, open_low=True)
    checks.require(p in (1, 2), "p", "1 or 2", p)
    checks.number("scaling", scaling, 0, 1, open_low=True)
    checks.require(scaling < 1, "scaling", "below 1", scaling)
    first, second = prepare_sets(x, y, weights_x, weights_y, mask_x, mask_y)
    try:
        from geomloss import SamplesLoss
    except ImportError:
        checks.missing_extra("geomloss", "geomloss")
    loss = SamplesLoss("sinkhorn", p=p, blur=epsilon ** (1 / p), scaling=scaling, backend="tensorized")
    with torch.autocast(device_type=first.x.device.type, enabled=False):
        pairs = zip(_problems(first), _problems(second), strict=True)
        values = [loss(a, points_x, b, points_y) for (a, points_x), (b, points_y) in pairs]
    return torch.stack(values) if values else first.x.new_zeros(0)


def _problems(points: Points) -> list[tuple[Tensor, Tensor]]:
    """Weights of total mass 1 and positions of the real points of every problem."""
    weight = torch.ones_like(points.x[:, :, 0]) if points.weight is None else points.weight
    real = torch.ones_like(weight, dtype=torch.bool) if points.mask is None else points.mask
    return [(w[keep] / w[keep].sum(), x[keep]) for w, x, keep in zip(weight, points.x, real, strict=True)]
