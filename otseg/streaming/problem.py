"""What is solved in every window of a stream: a cost per frame, and what ties frames to each other."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from otseg import checks
from otseg.priors.window import check_radius


@dataclass(frozen=True, eq=False)
class StreamProblem:
    r"""The problem of :func:`otseg.gromov_ot` for a sequence that comes bit by bit.

    .. math::

        \min_P \tfrac{\alpha}{2} \langle C^v P C^a, P \rangle
        + (1 - \alpha) \langle C + \mathrm{order}\, D, P \rangle
        + \varepsilon\,\mathrm{KL}(P \mid a b^\top) + \rho_b \mathrm{KL}(P^\top 1 \mid b)

    with equal exact frames ``a``, the window of time :math:`C^v` and different actions 1 apart, and the distance
    :math:`D` of :class:`~otseg.priors.LinearOrder`.

    Attributes:
        cost: Function from features ``(1, n, D)`` to a cost ``(1, n, K)``, frame by frame: the cost of a frame may
            not depend on others.
        epsilon: Weight of the entropy, above 0, in units of the cost.
        alpha: Share of the temporal smoothness, in [0, 1].
        radius: Its window to each side: an int is frames, a float a fraction of the sequence, which needs the length
            of the stream; not needed where ``alpha`` is 0.
        order: Weight of the order prior, at least 0; above 0 it needs the length of the stream.
        rho_b: Penalty of unequal shares of the actions, at least 0 and finite: exact shares cannot be kept while
            half of the frames is unknown.
        b: Shares of the actions, ``(K,)``, at least 0, scaled to 1; equal if ``None``.
        max_iter: Iterations of the solver in every window.

    Note:
        Where ``rho_b`` is above the curvature of the smoothness, about ``2 alpha``, :func:`otseg.gromov_ot` solves the
        penalty of the shares exactly in every iteration; a stream takes it linearly, as both do below that. There the
        two agree where both have converged, and large penalties need more iterations.

    Example:
        >>> prototypes = torch.eye(3)
        >>> problem = StreamProblem(lambda x: otseg.costs.cosine(x, prototypes), epsilon=0.05, rho_b=0.01)
        >>> problem.cost(torch.eye(3).unsqueeze(0)).shape
        torch.Size([1, 3, 3])
    """

    cost: Callable[[Float[Tensor, "1 n D"]], Float[Tensor, "1 n K"]]
    epsilon: float
    alpha: float = 0.0
    radius: int | float | None = None
    order: float = 0.0
    rho_b: float = 0.0
    b: Float[Tensor, " K"] | None = None
    max_iter: int = 25

    def __post_init__(self) -> None:
        checks.require(callable(self.cost), "cost", "a function", checks.describe(self.cost), "", TypeError)
        checks.number("epsilon", self.epsilon, 0, open_low=True)
        checks.number("alpha", self.alpha, 0, 1)
        for name in ("order", "rho_b"):
            checks.number(name, getattr(self, name), 0)
        fix = "A large penalty comes close; exact shares need the whole sequence: otseg.gromov_ot."
        checks.require(self.rho_b < math.inf, "rho_b", "finite for a stream", self.rho_b, fix)
        if self.radius is not None:
            check_radius(self.radius)
        fix = "radius=100 is a window of 100 frames to each side."
        checks.require(self.alpha == 0 or self.radius is not None, "radius", "given where alpha > 0", "None", fix)
        if self.b is not None:
            checks.tensor("b", self.b, "K")
            if checks.readable(self.b):
                ok = bool((self.b >= 0).all()) and 0 < float(self.b.sum()) < math.inf
                checks.require(ok, "b", "at least 0, finite and not all 0", self.b.tolist())
        checks.number("max_iter", self.max_iter, 1, integer=True)

    def frames(self, length: int | None) -> int:
        """Frames of the smoothness to each side, at least 1; 0 without smoothness.

        Args:
            length: Frames of the whole stream, ``None`` if it is not known.

        Raises:
            ValueError: If the radius is a fraction of a length that is not known.
        """
        if self.alpha == 0 or self.radius is None:
            return 0
        if isinstance(self.radius, int):
            return self.radius
        if length is None:
            fix = "Give the length of the stream, or the radius in frames."
            checks.fail("length", "given where the radius is a fraction of the sequence", "None", fix)
        return max(1, math.floor(length * self.radius))
