"""The named doors of the library: thin compositions of problem, priors and solver."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor

from otseg import checks
from otseg.priors import (
    GaussianOrder,
    GromovWasserstein,
    InverseDifferenceOrder,
    LinearOrder,
    TemporalSmoothness,
    TemporalWindow,
)
from otseg.problem import Problem
from otseg.result import OTResult
from otseg.solve import solve
from otseg.solvers import mirror_descent, published_mirror_descent
from otseg.solvers import sinkhorn as sinkhorn_solver
from otseg.types import FrameStructure, GradMode, GromovLoss, PerProblem, Potentials, Prior, ProtocolName


def sinkhorn(
    cost: Float[Tensor, "B N K"],
    a: Float[Tensor, "#B N"] | Float[Tensor, " N"] | None = None,
    b: Float[Tensor, "#B K"] | Float[Tensor, " K"] | None = None,
    *,
    epsilon: PerProblem,
    rho_a: PerProblem = math.inf,
    rho_b: PerProblem = math.inf,
    mask: Bool[Tensor, "B N"] | None = None,
    max_iter: int = 1000,
    tol: float | None = 1e-4,
    init: Potentials | OTResult | None = None,
    grad: GradMode = "implicit",
) -> OTResult:
    """Entropic optimal transport between frames and actions: balanced, unbalanced or semi-relaxed, batched, masked.

    :func:`otseg.solve` with :func:`otseg.solvers.sinkhorn`, where the mathematics, every option and the report of
    convergence are documented.

    Args:
        cost: Cost of assigning each frame to each action.
        a: Mass of every frame; uniform over real frames if ``None``.
        b: Mass of every action; uniform if ``None``.
        epsilon: Weight of the entropy, in units of the cost; one value, or one per problem ``(B,)``.
        rho_a: Weight of the frame marginal's penalty; ``inf``: exact, 0: free.
        rho_b: Weight of the action marginal's penalty.
        mask: True on real frames.
        max_iter: Largest number of sweeps.
        tol: Stop below this error, tested every 10 sweeps; ``None`` runs all sweeps.
        init: Potentials or a result to start from.
        grad: How the result is differentiated, see :mod:`otseg.solvers.gradients`.

    Example:
        >>> result = otseg.sinkhorn(torch.rand(2, 6, 3), epsilon=0.1)
        >>> torch.allclose(result.marginal_a, torch.full((2, 6), 1 / 6))
        True
    """
    return solve(
        cost, a, b, epsilon=epsilon, rho_a=rho_a, rho_b=rho_b, mask=mask,
        solver=sinkhorn_solver, max_iter=max_iter, tol=tol, init=init, grad=grad,
    )  # fmt: skip


def temporal_ot(
    cost: Float[Tensor, "B N K"],
    a: Float[Tensor, "#B N"] | Float[Tensor, " N"] | None = None,
    b: Float[Tensor, "#B K"] | Float[Tensor, " K"] | None = None,
    *,
    epsilon: PerProblem,
    sigma: PerProblem,
    moment: PerProblem = 0.0,
    rho_a: PerProblem = math.inf,
    rho_b: PerProblem = math.inf,
    mask: Bool[Tensor, "B N"] | None = None,
    priors: Sequence[Prior] = (),
    max_iter: int = 1000,
    tol: float | None = 1e-4,
    init: Potentials | OTResult | None = None,
    grad: GradMode = "implicit",
) -> OTResult:
    r"""Entropic optimal transport toward a temporal order: the problem of TOT, and of OPW where ``moment`` is not 0.

    .. math::

        \min_P \langle C, P\rangle - \mathrm{moment} \, \langle I, P\rangle
        + \varepsilon\,\mathrm{KL}\big(P \mid a b^\top \odot G\big)
        + \rho_a \mathrm{KL}(P 1 \mid a) + \rho_b \mathrm{KL}(P^\top 1 \mid b)

    with :math:`G` a Gaussian of width ``sigma`` around the diagonal, of height 1, and :math:`I` the inverse difference
    moment. :func:`otseg.solve` with the priors :class:`~otseg.priors.GaussianOrder` ``(epsilon, sigma)`` and, where
    ``moment`` is not 0, :class:`~otseg.priors.InverseDifferenceOrder` ``(moment)``, and
    :func:`otseg.solvers.sinkhorn`.

    Args:
        cost: Cost of assigning each frame to each action; minus the scores in TOT.
        a: Mass of every frame; uniform over real frames if ``None``.
        b: Mass of every action; uniform if ``None``.
        epsilon: Weight of the entropy, in units of the cost, OPW's lambda_2; one value, or one per problem ``(B,)``.
        sigma: Width of the Gaussian, above 0, in actions; one value, or one per problem ``(B,)``.
        moment: Weight of the inverse difference moment, at least 0, in units of the cost, OPW's lambda_1; one value, or
            one per problem ``(B,)``.
        rho_a: Weight of the frame marginal's penalty; ``inf``: exact (TOT's and OPW's case), 0: free.
        rho_b: Weight of the action marginal's penalty; ``inf``: exact (TOT's and OPW's case).
        mask: True on real frames.
        priors: Further linear priors, such as a constraint; curved ones need :func:`otseg.solve`.
        max_iter: Largest number of sweeps; 3 with ``tol=None`` is what TOT does.
        tol: Stop below this error, tested every 10 sweeps; ``None`` runs all sweeps.
        init: Potentials or a result to start from.
        grad: How the result is differentiated, see :mod:`otseg.solvers.gradients`.

    Note:
        Positions are midpoints, where TOT counts from 0 and OPW from 1; ``GaussianOrder(..., protocol="published")``
        through :func:`otseg.solve` is TOT's. TOT shares one action marginal among the videos of a batch: concatenate
        them into one sequence, with their terms as :class:`~otseg.priors.LinearPrior`. OPW divides the cost by its
        largest entry first.

    Example:
        >>> result = otseg.temporal_ot(torch.zeros(1, 6, 3), epsilon=0.1, sigma=0.5)
        >>> result.labels()
        tensor([[0, 0, 1, 1, 2, 2]])

    References:
        :cite:`kumar2022tot`; :cite:`su2017opw`.
    """
    if not isinstance(moment, Tensor):
        checks.number("moment", moment, 0)
    # A checked problem first, so that its epsilon, of whatever form, is the prior's weight.
    problem = Problem.make(cost, a, b, epsilon=epsilon, rho_a=rho_a, rho_b=rho_b, mask=mask, priors=priors)
    order: list[Prior] = [GaussianOrder(problem.epsilon, sigma)]
    if isinstance(moment, Tensor) or moment != 0:
        order.append(InverseDifferenceOrder(moment))
    problem = replace(problem, priors=(*order, *problem.priors))
    return sinkhorn_solver(problem, max_iter=max_iter, tol=tol, init=init, grad=grad)


def gromov_ot(
    cost: Float[Tensor, "B N K"],
    a: Float[Tensor, "#B N"] | Float[Tensor, " N"] | None = None,
    b: Float[Tensor, "#B K"] | Float[Tensor, " K"] | None = None,
    *,
    epsilon: PerProblem,
    alpha: PerProblem,
    radius: int | float | None = None,
    structure: FrameStructure | None = None,
    actions: Float[Tensor, "K K"] | Float[Tensor, "B K K"] | None = None,
    loss: GromovLoss = "product",
    order: PerProblem = 0.0,
    rho_a: PerProblem = math.inf,
    rho_b: PerProblem = math.inf,
    mask: Bool[Tensor, "B N"] | None = None,
    max_iter: int = 25,
    step: PerProblem | None = None,
    tol: float | None = None,
    inner_iter: int | None = None,
    init: Tensor | OTResult | None = None,
    grad: GradMode = "unroll",
    protocol: ProtocolName = "default",
) -> OTResult:
    r"""Fused Gromov-Wasserstein transport with a temporal window (the problem of ASOT), or any other structure.

    .. math::

        \min_P \tfrac{\alpha}{2} \langle C^v P C^a, P \rangle
        + (1 - \alpha) \langle C + \mathrm{order}\, D, P \rangle
        + \varepsilon\,\mathrm{KL}(P \mid a b^\top)
        + \rho_a \mathrm{KL}(P 1 \mid a) + \rho_b \mathrm{KL}(P^\top 1 \mid b)

    :func:`otseg.solve` with the cost times ``1 - alpha``, the priors
    :class:`~otseg.priors.TemporalSmoothness` ``(alpha, radius)``, or
    :class:`~otseg.priors.GromovWasserstein` ``(alpha, structure, actions, loss)``, and, where ``order`` is not 0,
    :class:`~otseg.priors.LinearOrder` ``((1 - alpha) order)``, and :func:`otseg.solvers.mirror_descent`.

    Args:
        cost: Cost of assigning each frame to each action.
        a: Mass of every frame; uniform over real frames if ``None``.
        b: Mass of every action; uniform if ``None``.
        epsilon: Weight of the entropy, in units of the cost; one value, or one per problem ``(B,)``.
        alpha: Share of the Gromov term, in [0, 1].
        radius: Window to each side: a float is a fraction of the sequence's own length, an int is frames.
        structure: Structure of the frames ``C^v`` in place of a window, such as
            :class:`otseg.priors.FeatureAffinity`; exactly one of ``radius`` and ``structure`` is given.
        actions: Structure of the actions ``C^a``, symmetric; different actions are 1 apart if ``None``.
        loss: ``"product"``, or ``"square"`` for the classical Gromov-Wasserstein term, see
            :class:`~otseg.priors.GromovWasserstein`.
        order: Weight of the order prior (ASOT's rho), at least 0.
        rho_a: Weight of the frame marginal's penalty; ``inf``: exact (ASOT's case).
        rho_b: Weight of the action marginal's penalty (ASOT's lambda).
        mask: True on real frames.
        max_iter: Largest number of iterations.
        step: Fixed step, see the solver; safeguarded if ``None``.
        tol: Stop below this error, tested every 10 iterations; ``None`` runs all iterations.
        inner_iter: Sinkhorn rounds per iteration where they are needed; the solver's own default if ``None``.
        init: Plan or result to start from.
        grad: How the result is differentiated, see :mod:`otseg.solvers.gradients`.
        protocol: ``"published"`` reproduces the released code: window and height from the padded length, order prior
            from index 0, and :func:`otseg.solvers.published_mirror_descent` with its step (``tol`` and ``init`` are
            then refused, as are ``structure``, ``actions`` and the square loss).

    Note:
        The objective halves the Gromov term, which is what the published iteration descends; its printed objective
        halves the linear term as well.

    Example:
        >>> cost = torch.rand(1, 100, 5)
        >>> result = otseg.gromov_ot(cost, epsilon=0.05, alpha=0.5, radius=0.05, rho_b=0.1)
        >>> torch.allclose(result.marginal_a, torch.full((1, 100), 0.01))
        True

    References:
        :cite:`xu2024asot`, Eq. 8 and Algorithm 1.
    """
    _check_alpha(alpha)
    checks.tensor("cost", cost, "B N K")
    share = 1 - (alpha.to(cost)[:, None, None] if isinstance(alpha, Tensor) else alpha)
    priors: list[Prior] = [_gromov_prior(alpha, radius, structure, actions, loss, protocol)]
    if isinstance(order, Tensor) or order != 0:
        priors.append(LinearOrder((1 - alpha) * order, protocol))
    options: dict[str, Any] = {"max_iter": max_iter, "step": step, "grad": grad}
    if inner_iter is not None:
        options["inner_iter"] = inner_iter
    published = protocol == "published"
    if published:
        for name, value in (("tol", tol), ("init", init)):
            checks.require(value is None, name, "None where protocol='published'", checks.describe(value))
    else:
        options |= {"tol": tol, "init": init}
    return solve(
        share * cost, a, b, epsilon=epsilon, rho_a=rho_a, rho_b=rho_b, mask=mask, priors=priors,
        solver=published_mirror_descent if published else mirror_descent, **options,
    )  # fmt: skip


def _gromov_prior(
    alpha: PerProblem,
    radius: int | float | None,
    structure: FrameStructure | None,
    actions: Tensor | None,
    loss: GromovLoss,
    protocol: ProtocolName,
) -> Prior:
    got = "both" if structure is not None else "neither"
    one = (radius is None) != (structure is None)
    checks.require(one, "radius", "given, or `structure`, and not both", got, "radius=0.04 is a window of 4 %.")
    if protocol == "published":
        for name, value in (("structure", structure), ("actions", actions)):
            checks.require(value is None, name, "None where protocol='published'", checks.describe(value))
        checks.require(loss == "product", "loss", "'product' where protocol='published'", repr(loss))
    if radius is None:
        assert structure is not None
        return GromovWasserstein(alpha, structure, actions, loss)
    if actions is None and loss == "product":
        return TemporalSmoothness(alpha, radius, protocol)  # the same as below, faster
    return GromovWasserstein(alpha, TemporalWindow(radius, protocol), actions, loss)


def _check_alpha(alpha: PerProblem) -> None:
    if isinstance(alpha, Tensor):
        checks.tensor("alpha", alpha, "B")
        inside = not checks.readable(alpha) or bool(((alpha >= 0) & (alpha <= 1)).all())
        checks.require(inside, "alpha", "in [0, 1]", alpha.tolist() if not inside else "")
    else:
        checks.number("alpha", alpha, 0, 1)
