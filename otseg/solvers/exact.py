"""Exact optimal transport: the linear program without entropy, on the CPU."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from otseg import checks
from otseg.problem import Problem
from otseg.result import OTResult
from otseg.types import GradMode

Array = npt.NDArray[np.float64]


def exact(problem: Problem, *, max_iter: int = 1_000_000, grad: GradMode = "envelope") -> OTResult:
    r"""Optimal transport without entropy, by the network simplex of POT.

    .. math::

        \min_{P \ge 0} \langle C, P\rangle \;\text{ with }\; P 1 = a,\; P^\top 1 = b
        \qquad = \qquad
        \max_{f, g} \langle f, a\rangle + \langle g, b\rangle \;\text{ with }\; f_n + g_k \le C_{nk}

    The linear priors are in the cost; both marginals are exact; ``epsilon`` plays no role. One problem after the other
    is solved on the CPU in float64, whatever the device: an oracle for tests and for teaching, and an exact answer for
    small problems. A pivot costs up to O(NK) time, and their number has no useful bound; O(NK) memory per problem.

    Args:
        problem: Transport problem with ``rho_a = rho_b = inf``; every prior must be linear.
        max_iter: Largest number of pivots of a problem, at least 1.
        grad: ``"envelope"``: ``value`` has a (sub)gradient, see the note; ``"none"``: nothing has. Plan and potentials
            are constants.

    Returns:
        Result whose ``problem`` has ``epsilon = 0``, which is the problem that was solved, so that ``value`` is the
        value of the linear program; ``value_linear`` leaves the priors out. ``f`` and ``g`` are optimal dual variables
        with :math:`\langle b, g\rangle = 0`, feasible also where a mass is 0, and 0 on masked frames. ``error`` is the
        L1 distance of the marginals from ``a`` and ``b``, relative to the mass; ``converged`` says that the
        simplex ended at an optimum, and is False where it stopped at ``max_iter`` or where the constraints among the
        priors leave no plan. ``n_iter`` is 1: POT counts no pivots.

    Raises:
        ValueError: If a marginal is not exact, the masses differ, a prior is not linear or an option is out of range.

    Note:
        The plan is piecewise constant in the cost, ``f`` and ``g`` in the masses. The value of the program has a
        gradient wherever plan and dual variables are unique: ``plan`` with respect to the cost, ``f`` and ``g`` with
        respect to the masses. Where they are not, which is common for equal masses (the plan is then degenerate),
        these are one of many subgradients: each a correct bound,
        :math:`V(C') \le V(C) + \langle P, C' - C\rangle` and
        :math:`V(a', b') \ge V(a, b) + \langle f, a' - a\rangle + \langle g, b' - b\rangle`, but a finite difference
        sees another one. Only changes of the masses that keep both totals equal have a meaning; the constant
        that f and g share is set by :math:`\langle b, g\rangle = 0`.

    Example:
        >>> cost = torch.tensor([[[0.0, 1.0], [1.0, 0.5]]])
        >>> result = otseg.solve(cost, epsilon=1.0, solver=exact)
        >>> result.plan, result.value
        (tensor([[[0.5000, 0.0000],
                 [0.0000, 0.5000]]]), tensor([0.2500]))

    References:
        :cite:`bonneel2011displacement` (the network simplex); :cite:`flamary2021pot` (the implementation).
    """
    checks.choice("grad", grad, ("none", "envelope"))
    checks.number("max_iter", max_iter, 1, integer=True)
    curved = [type(prior).__name__ for prior in problem.curved_priors]
    fix = "Solve it with solver=otseg.solvers.mirror_descent."
    checks.require(not curved, "priors", "linear for the solver `exact`", ", ".join(curved), fix)
    for name, rho in (("rho_a", problem.rho_a), ("rho_b", problem.rho_b)):
        fix = "Leave it out, or relax the marginal with solver=otseg.solvers.sinkhorn."
        checks.require(bool(torch.isinf(rho).all()), name, "inf for the solver `exact`", rho.tolist(), fix)
    cost, a, b = (x.detach().double().cpu() for x in (problem.linear_cost, problem.a, problem.b))
    mass_a, mass_b = a.sum(dim=1), b.sum(dim=1)
    for i in ((mass_a - mass_b).abs() > 1e-4 * mass_a).nonzero().flatten().tolist():
        got = f"{float(mass_b[i]):.6g} against {float(mass_a[i]):.6g} in problem {i}"
        fix = "Rescale one of them, or relax a marginal with solver=otseg.solvers.sinkhorn and a finite rho."
        checks.fail("b", "of the same total mass as `a` for the solver `exact`", got, fix)
    plan, f, g = torch.zeros_like(cost), torch.zeros_like(a), torch.zeros_like(b)
    converged = torch.zeros(len(cost), dtype=torch.bool)
    support = torch.ones_like(cost, dtype=torch.bool) if problem.support is None else problem.support.cpu()
    for i, real in enumerate(problem.mask.cpu()):
        arrays = cost[i, real].numpy(), a[i, real].numpy(), b[i].numpy(), support[i, real].numpy()
        *solution, converged[i] = _linear_program(*arrays, max_iter)
        plan[i, real], f[i, real], g[i] = map(torch.from_numpy, solution)
    error = ((plan.sum(dim=2) - a).abs().sum(dim=1) + (plan.sum(dim=1) - b).abs().sum(dim=1)) / mass_a
    plan, f, g, error = (x.to(problem.cost) for x in (plan, f, g, error))
    converged = converged.to(problem.cost.device)
    solved = replace(problem, epsilon=torch.zeros_like(problem.epsilon))
    n_iter = torch.ones_like(converged, dtype=torch.int64)
    return OTResult(plan, solved, f, g, n_iter, error, converged, grad)


def _linear_program(
    cost: Array, a: Array, b: Array, support: npt.NDArray[np.bool_], max_iter: int
) -> tuple[Array, Array, Array, bool]:
    """Plan, dual variables, and whether they are optimal, of one problem; zero masses are left out and filled in."""
    from ot.lp import emd  # only here: importing POT is slow

    # Rerouting a unit of mass off a forbidden entry changes at most 2 min(N, K) others: such a price is never worth it.
    price = cost.max() + (2 * min(cost.shape) + 1) * (np.ptp(cost) + 1)
    cost = np.where(support, cost, price)
    rows, columns = a > 0, b > 0
    inner = cost[rows][:, columns]
    masses = a[rows], b[columns] * (a.sum() / b.sum())
    report: dict[str, Any]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it stopped early is said by the result
        inner_plan, report = emd(*masses, inner, numItermax=max_iter, log=True, center_dual=False)
    plan = np.zeros_like(cost)
    plan[np.ix_(rows, columns)] = inner_plan
    f, g = np.empty_like(a), np.empty_like(b)
    f[rows], g[columns] = report["u"], report["v"]
    # The largest feasible dual variables where there is no mass: what the first bit of mass would cost.
    g[~columns] = (cost[rows][:, ~columns] - f[rows, None]).min(axis=0)
    f[~rows] = (cost[~rows] - g).min(axis=1)
    shift = g @ b / b.sum()
    feasible = plan[~support].sum() <= 1e-9 * a.sum()
    plan[~support] = 0
    return plan, f + shift, g - shift, bool(report["result_code"] == 1 and feasible)
