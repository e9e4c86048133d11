"""Implicit derivative of a stationary plan: what mirror descent converges to, differentiated without its iterations.

A stationary log density is a fixed point ``M = T(M)`` of the best response ``T``, which depends on everything that the
problem holds. With ``J`` the Jacobian of ``T`` at the solution,

    M  <-  M + (1 - J)^-1 (T(M) - M)

leaves the solution where it is and gives it the right derivative; done twice, the right second derivative. The inverse
is a constant in it, applied in the backward pass only, by conjugate gradients.
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from otseg.ops.conjugate_gradients import conjugate_gradients
from otseg.ops.divergence import log_weight
from otseg.ops.sinkhorn import damping, slope
from otseg.ops.sinkhorn_gradient import implicit_potentials, schur
from otseg.ops.softmin import softmin
from otseg.solvers._descent import Descent, Point
from otseg.solvers.gradients import NotConvergedWarning, warn_unconverged

#: Largest number of sweeps that make the kept marginals of the response exact enough to differentiate.
RESPONSE_ITER = 500


def implicit_point(descent: Descent, point: Point, error: Tensor) -> Point:
    """The point, attached to everything that its problem depends on."""
    potentials = _balanced(descent, point) if descent.any_kept else None
    density, inverse = point.log_density, _Inverse(descent, point)
    response, multiplier = _respond(descent, density, potentials)
    if not response.requires_grad:
        return point
    warn_unconverged(error, "Raise `max_iter`, give a `tol`, or use grad='unroll'.")
    for _ in range(2):
        density = density + _Direct.apply(response - density, inverse, True)  # type: ignore[no-untyped-call]
        response, multiplier = _respond(descent, density, potentials)
    return descent.point(density, multiplier)


def _score(descent: Descent, density: Tensor) -> Tensor:
    return -descent.gradient(descent.plan(density)) / descent.problem.epsilon[:, None, None]


@torch.no_grad()
def _balanced(descent: Descent, point: Point) -> tuple[Tensor, Tensor]:
    """Potentials of the best response that meet kept marginals as well as rounding allows, over epsilon."""
    score = descent.supported(_score(descent, point.log_density))
    tol = torch.finfo(score.dtype).eps ** 0.5  # from here Newton's method goes on
    return descent.balance(score, point.multiplier, descent.problem.epsilon, RESPONSE_ITER, tol)


def _respond(
    descent: Descent, density: Tensor, potentials: tuple[Tensor, Tensor] | None
) -> tuple[Tensor, Tensor | None]:
    """Log density of the best response to a plan, and the multipliers of kept marginals in units of the cost."""
    epsilon = descent.problem.epsilon
    score = _score(descent, density)
    supported = descent.supported(score)
    tau_a = damping(slope(descent.problem.rho_a, epsilon))
    if potentials is None:
        f = tau_a[:, None] * softmin(supported, torch.zeros_like(descent.log_b), descent.log_b, 2)
        return score + f.unsqueeze(2), None
    log_a, tau_b = log_weight(descent.problem.a), damping(slope(descent.kept_rho, epsilon))
    f, g = implicit_potentials(supported, log_a, descent.log_b, tau_a, tau_b, *potentials)
    return score + f.unsqueeze(2) + g.unsqueeze(1), g * epsilon[:, None]


class _Inverse:
    r"""The linear map ``(1 - J)^-1`` at a point, and its transpose.

    With ``H`` the Hessian of all that is linearized (symmetric), ``J = -Pi H P / epsilon``: a change of the density
    moves the plan ``P``, that moves the gradient, and ``Pi`` lets the marginals respond. In the inner product weighted
    by the plan ``Pi`` and ``H P`` are symmetric, and both maps need one solve with ``Pi^-1 + H P / epsilon``.
    """

    def __init__(self, descent: Descent, point: Point) -> None:
        problem = descent.problem
        self.plan = point.plan.detach()
        self.epsilon = problem.epsilon.detach()[:, None, None]
        self.alive = self.plan > torch.finfo(self.plan.dtype).tiny
        self.descent = descent
        self.product: Callable[[Tensor], Tensor] | None = None
        self.rows, self.columns = (_normalized(self.plan, axis) for axis in (2, 1))
        self.tau_a = damping(slope(problem.rho_a, problem.epsilon)).detach()[:, None]
        self.tau_b = damping(slope(descent.kept_rho, problem.epsilon)).detach()[:, None]
        self.factors = torch.linalg.lu_factor(self._schur()) if descent.any_kept else None

    def direct(self, x: Tensor) -> Tensor:
        """``(1 - J)^-1 x``."""
        return x + self._solve(-self._curve(x))

    def transposed(self, grad: Tensor) -> Tensor:
        """``(1 - J^T)^-1 grad``; a gradient by the log density is 0 where the plan is."""
        v = torch.where(self.alive, grad / torch.where(self.alive, self.plan, 1), 0)
        return grad - self.plan * self._curve(self._solve(v))

    def _solve(self, right: Tensor) -> Tensor:
        tol = 100 * torch.finfo(right.dtype).eps
        with torch.no_grad():
            solution, residual = conjugate_gradients(self._curve, right, self._spread, self._inner, tol)
        bad = int((residual > max(1e-3, tol)).sum())
        if bad:
            text = f"the implicit gradient of {bad} of {len(residual)} problems could not be solved (relative residual "
            text += f"{float(residual.max()):.2g}): their plans are not strict minima. Raise `max_iter` or `epsilon`, "
            warnings.warn(text + "or use grad='unroll'.", NotConvergedWarning, stacklevel=2)
        return solution

    def _inner(self, x: Tensor, y: Tensor) -> Tensor:
        return (self.plan * x * y).sum(dim=(1, 2))

    def _curve(self, x: Tensor) -> Tensor:
        """``H (P x) / epsilon``."""
        if self.product is None:
            with torch.enable_grad():
                plan = self.plan.clone().requires_grad_()
                gradient = self.descent.gradient(plan)
            self.product = torch.zeros_like
            if gradient.requires_grad:
                self.product = lambda d: torch.autograd.grad(
                    gradient, plan, d, retain_graph=True, materialize_grads=True
                )[0]
        return self.product(self.plan * x) / self.epsilon

    def _spread(self, x: Tensor) -> Tensor:
        """``Pi x``: the change of the density that a change of the score makes, marginals included."""
        row = (self.rows * x).sum(dim=2)
        if self.factors is None:
            return x - (self.tau_a * row).unsqueeze(2)
        right = self.tau_a * _times(self.columns.transpose(1, 2), row) - (self.columns * x).sum(dim=1)
        right = (self.tau_b * right).double().unsqueeze(2)
        g: Tensor = torch.linalg.lu_solve(*self.factors, right).squeeze(2).to(x.dtype)
        f = -self.tau_a * (row + _times(self.rows, g))
        return x + f.unsqueeze(2) + g.unsqueeze(1)

    def _schur(self) -> Tensor:
        """``1 - tau_a tau_b B^T A``: the matrix of :func:`schur`, transposed."""
        return schur(self.rows, self.columns, (self.tau_a * self.tau_b).squeeze(1)).transpose(1, 2)


class _Direct(torch.autograd.Function):
    """``(1 - J)^-1 x``, or 0 where only the derivative is wanted."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, inverse: _Inverse, derivative_only: bool) -> Tensor:
        ctx.inverse = inverse
        return torch.zeros_like(x) if derivative_only else inverse.direct(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _Transposed.apply(grad, ctx.inverse), None, None  # type: ignore[no-untyped-call]


class _Transposed(torch.autograd.Function):
    """``(1 - J^T)^-1 x``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, inverse: _Inverse) -> Tensor:
        ctx.inverse = inverse
        return inverse.transposed(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return _Direct.apply(grad, ctx.inverse, False), None  # type: ignore[no-untyped-call]


def _normalized(plan: Tensor, axis: int) -> Tensor:
    mass = plan.sum(dim=axis, keepdim=True)
    return plan / torch.where(mass > 0, mass, 1)


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    product: Tensor = matrix @ vector.unsqueeze(2)
    return product.squeeze(2)
