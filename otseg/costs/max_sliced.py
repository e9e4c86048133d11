"""Max-sliced Wasserstein distance: the one direction that sees two sets farthest apart."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otseg import checks
from otseg.costs._sets import Points, line_costs, prepare_sets
from otseg.costs.projections import Projection, ProjectionName, as_projection, directions_for
from otseg.costs.sliced import check_exponent
from otseg.ops.quantile import power

GROW, SHRINK = 2.0, 0.5  # step factors after an ascent and after a rejection


def max_sliced_wasserstein(
    x: Float[Tensor, "B N D"],
    y: Float[Tensor, "B M D"] | Float[Tensor, "M D"],
    *,
    weights_x: Float[Tensor, "#B N"] | Float[Tensor, " N"] | None = None,
    weights_y: Float[Tensor, "#B M"] | Float[Tensor, " M"] | None = None,
    mask_x: Bool[Tensor, "#B N"] | Bool[Tensor, " N"] | None = None,
    mask_y: Bool[Tensor, "#B M"] | Bool[Tensor, " M"] | None = None,
    p: int | float = 2,
    n_projections: int = 16,
    max_iter: int = 50,
    projection: ProjectionName | Projection = "linear",
    directions: Float[Tensor, "P E"] | None = None,
    generator: torch.Generator | None = None,
) -> Float[Tensor, " B"]:
    r"""Max-sliced Wasserstein distance :math:`\max_{|\theta| = 1} W_p(g_{\theta\#}\,\mu,\, g_{\theta\#}\,\nu)`.

    Every direction ascends on the sphere on its own, each with a step that doubles after an ascent and is halved
    after a rejection; the best one of every problem is taken. It is a lower bound: the function of the direction has
    local maxima, and more starts find better ones. Takes ``max_iter`` times the time of a gradient of
    :func:`otseg.sliced_wasserstein` and its memory; arguments are described there.

    Differentiable in points and weights with the direction as a constant, which is exact at a smooth maximum (envelope
    theorem). The maximum over directions of a minimum over plans often lies where two plans are equally cheap; the
    gradient then is that of one of them. Second derivatives leave out how the direction moves.

    Args:
        x: Points.
        y: Points to compare with.
        weights_x: Mass of every point of ``x``.
        weights_y: Mass of every point of ``y``.
        mask_x: True on real points of ``x``.
        mask_y: True on real points of ``y``.
        p: Exponent, at least 1.
        n_projections: Number of random directions to start from.
        max_iter: Steps of every ascent; 0 takes the best of the starts.
        projection: The function of points and directions.
        directions: Directions to start from, used at length 1.
        generator: Source of random directions.

    Example:
        >>> x, y = torch.zeros(1, 1, 2), torch.tensor([[3.0, 4.0]])
        >>> otseg.costs.max_sliced_wasserstein(x, y, generator=torch.Generator().manual_seed(0))
        tensor([5.0000])

    References:
        :cite:`deshpande2019max` (linear); :cite:`kolouri2019generalized` (generalized).
    """
    check_exponent(p)
    checks.number("max_iter", max_iter, 0, integer=True)
    first, second = prepare_sets(x, y, weights_x, weights_y, mask_x, mask_y)
    family = as_projection(projection)
    starts = directions_for(first.x, family, directions, n_projections, generator)
    best = _ascend(first, second, family, starts, p, max_iter)
    return power(line_costs(first, second, family, best, p)[:, 0], 1 / p)


@torch.inference_mode(False)  # gradients in the direction are needed in any case
def _ascend(x: Points, y: Points, family: Projection, starts: Tensor, p: int | float, max_iter: int) -> Tensor:
    """The best direction of every problem, a constant ``(B, 1, E)``."""

    def cost_and_slope(directions: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            directions = directions.detach().requires_grad_()
            costs = line_costs(x, y, family, directions, p)
            (slope,) = torch.autograd.grad(costs.sum(), directions)
        directions = directions.detach()
        along = (slope * directions).sum(dim=2, keepdim=True) * directions
        return costs.detach(), _unit(slope - along)

    x, y = x.constant(), y.constant()
    at = _unit(starts.detach().clone()).expand(x.x.shape[0], -1, -1)
    costs, slope = cost_and_slope(at)
    step = torch.ones_like(costs)
    for _ in range(max_iter):
        candidate = _unit(at + step.unsqueeze(2) * slope)
        new_costs, new_slope = cost_and_slope(candidate)
        rises = new_costs > costs
        costs = torch.where(rises, new_costs, costs)
        at = torch.where(rises.unsqueeze(2), candidate, at)
        slope = torch.where(rises.unsqueeze(2), new_slope, slope)
        step = torch.where(rises, GROW * step, SHRINK * step)
    best = costs.argmax(dim=1)[:, None, None].expand(-1, -1, at.shape[2])
    return at.gather(1, best)


def _unit(vectors: Tensor) -> Tensor:
    return torch.nn.functional.normalize(vectors, dim=-1)
