"""The solution of a problem between two sets of points: potentials, and a plan that is applied, not stored."""

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor

from otseg import checks
from otseg.ops.plan_points import argmax_points, transport_points
from otseg.ops.point_scores import Backend
from otseg.solvers._point_problem import PointProblem


@dataclass(frozen=True, eq=False)
class PointResult:
    r"""Solution of a batch of transport problems between points; the plan is

    .. math:: P_{ij} = a_i b_j \exp\big((f_i + g_j - c(x_i, y_j)) / \varepsilon\big)

    Attributes:
        problem: The problem that was solved, with its defaults filled in.
        f: Potential of every point of ``x``, in units of the cost; 0 where masked.
        g: Potential of every point of ``y``. Where both marginals are exact, ``<b, g> = 0``.
        value: The objective of :class:`~otseg.problem.Problem` at the plan.
        marginal_a: Mass that leaves every point of ``x``.
        marginal_b: Mass that reaches every point of ``y``.
        n_iter: Sweeps done, per problem.
        error: Distance from optimality, as in :func:`otseg.solvers.sinkhorn`.
        converged: Whether ``error`` fell below the tolerance; False where no tolerance was given.
        backend: What computes the products with the plan.
        memory: Bytes for tiles.
    """

    problem: PointProblem
    f: Float[Tensor, "B N"]
    g: Float[Tensor, "B M"]
    value: Float[Tensor, " B"]
    marginal_a: Float[Tensor, "B N"]
    marginal_b: Float[Tensor, "B M"]
    n_iter: Int[Tensor, " B"]
    error: Float[Tensor, " B"]
    converged: Bool[Tensor, " B"]
    backend: Backend = "torch"
    memory: int | None = None

    def apply(self, z: Float[Tensor, "B M E"]) -> Float[Tensor, "B N E"]:
        """``P z``, differentiable in ``z``; O(B N M (D + E)) time, O(B (N + M) (D + E)) memory.

        Divided by ``marginal_a`` it is the average of ``z`` over where each point of ``x`` goes; that of ``z = y`` is
        the barycentric projection.

        Example:
            >>> x, y = torch.tensor([[[0.0], [1.0]]]), torch.tensor([[[5.0], [6.0], [7.0]]])
            >>> result = otseg.solvers.sinkhorn_points(x, y, epsilon=0.01, start=1.0)
            >>> (result.apply(y) / result.marginal_a.unsqueeze(2)).round(decimals=2)
            tensor([[[5.3300],
                     [6.6700]]])
        """
        return self._times(z, False)

    def apply_transposed(self, z: Float[Tensor, "B N E"]) -> Float[Tensor, "B M E"]:
        """``P^T z``, see :meth:`apply`."""
        return self._times(z, True)

    def labels(self) -> Int[Tensor, "B N"]:
        """The point of ``y`` that receives most of every point of ``x``; -1 where masked. O(B N M D) time."""
        problem = self.problem
        column = self.g / problem.epsilon[:, None] + problem.log_b
        found = argmax_points(problem.x, problem.y, problem.epsilon, column, problem.cost, self.backend, self.memory)
        return found.masked_fill(~problem.mask_x, -1)

    def _times(self, z: Tensor, transposed: bool) -> Tensor:
        problem, scale = self.problem, self.problem.epsilon[:, None]
        sides = [(problem.x, self.f / scale + problem.log_a), (problem.y, self.g / scale + problem.log_b)]
        (x, row), (y, column) = reversed(sides) if transposed else sides
        z = checks.tensor("z", z, "B N E" if transposed else "B M E")
        checks.like("z", z, "x", x)
        fits = z.shape[:2] == y.shape[:2]
        checks.require(fits, "z", f"of shape ({y.shape[0]}, {y.shape[1]}, E)", checks.describe(z))
        return transport_points(x, y, problem.epsilon, row, column, z, problem.cost, self.backend, self.memory)
