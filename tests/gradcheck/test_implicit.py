"""Implicit and envelope gradients against finite differences and against unrolled iterations, in float64."""

from functools import partial

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

import otseg
from otseg.ops import sinkhorn_gradient
from otseg.priors import LinearPrior, TemporalSmoothness
from otseg.solvers import annealed, mirror_descent
from otseg.solvers.gradients import NotConvergedWarning
from tests.gradcheck.cases import RHO, inputs

rhos = pytest.mark.parametrize("rho", RHO)
#: Frames are never free with curved priors here: their mass then vanishes, and nothing converges.
gromov_rhos = pytest.mark.parametrize("rho", [name for name in RHO if name != "free frames"])


def sinkhorn(case, *leaves, grad="implicit", **options):
    options = {"max_iter": 3000, "tol": 1e-13, **options}
    return otseg.sinkhorn(**case.problem(*leaves), grad=grad, **options)


def gromov(case, alpha, *leaves, grad="implicit", **options):
    options = {"max_iter": 300, "tol": 1e-12, "inner_iter": 40, "radius": 1, "order": 0.2, **options}
    result = otseg.gromov_ot(**case.problem(*leaves), alpha=alpha, grad=grad, **options)
    assert bool(result.converged.all())
    return result


def outputs(result):
    return result.plan, result.f, result.g, result.value


def gradients(result, leaves, generator):
    weights = [torch.randn(x.shape, generator=generator, dtype=x.dtype) for x in outputs(result)]
    total = sum((x * w).sum() for x, w in zip(outputs(result), weights, strict=True))
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    return torch.autograd.grad(total, wanted)


@rhos
@pytest.mark.parametrize("kind", ["", "zero mass", "ties"])
def test_sinkhorn(rho, kind, generator):
    case = inputs(generator, rho, kind=kind)
    assert gradcheck(lambda *leaves: outputs(sinkhorn(case, *leaves)), case.leaves, fast_mode=kind != "")


@rhos
def test_sinkhorn_twice(rho, generator):
    case = inputs(generator, rho, shape=(2, 4, 3))
    assert gradgradcheck(lambda *leaves: outputs(sinkhorn(case, *leaves)), case.leaves, atol=1e-4, fast_mode=True)


@rhos
@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 4, 1), (1, 1, 1), (2, 3, 5), (3, 30, 4)], ids=str)
def test_sinkhorn_equals_unrolled(rho, shape, generator):
    case = inputs(generator, rho, shape)
    implicit, unrolled = (
        gradients(sinkhorn(case, *case.leaves, grad=grad), case.leaves, torch.Generator().manual_seed(1))
        for grad in ("implicit", "unroll")
    )
    for one, other in zip(implicit, unrolled, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)


@rhos
@pytest.mark.parametrize("shape", [(2, 6, 4), (2, 4, 6)], ids=str)
def test_conjugate_gradients_equal_the_direct_solve(rho, shape, generator, monkeypatch):
    for kind in ("", "zero mass"):
        case = inputs(generator, rho, shape, kind)
        direct = gradients(sinkhorn(case, *case.leaves), case.leaves, torch.Generator().manual_seed(1))
        with monkeypatch.context() as patch:
            patch.setattr(sinkhorn_gradient, "DIRECT_UP_TO", 1)
            found = gradients(sinkhorn(case, *case.leaves), case.leaves, torch.Generator().manual_seed(1))
            if not kind:
                assert gradgradcheck(
                    lambda *x, c=case: outputs(sinkhorn(c, *x)), case.leaves, atol=1e-4, fast_mode=True
                )
        for one, other in zip(found, direct, strict=True):
            torch.testing.assert_close(one, other, atol=1e-9, rtol=1e-7)


@rhos
def test_annealed_equals_plain(rho, generator):
    case = inputs(generator, rho)
    solver = annealed(partial(otseg.solvers.sinkhorn, max_iter=3000, tol=1e-13), start=1.0)
    result = otseg.solve(**case.problem(*case.leaves), solver=solver, grad="implicit")
    found = gradients(result, case.leaves, torch.Generator().manual_seed(1))
    expected = gradients(sinkhorn(case, *case.leaves), case.leaves, torch.Generator().manual_seed(1))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-8, rtol=1e-8)


@gromov_rhos
def test_gromov(rho, generator):
    case = inputs(generator, rho, (2, 4, 3), kind="zero mass")
    alpha = torch.tensor([0.2, 0.1], dtype=torch.float64, requires_grad=True)
    leaves = (alpha, *case.leaves)
    near = gromov(case, *leaves, grad="none")  # so that every solution is found in a few iterations

    def door(*leaves):
        return outputs(gromov(case, *leaves, init=near))

    assert gradcheck(door, leaves, atol=1e-6, fast_mode=True)
    assert gradgradcheck(door, leaves, atol=1e-4, fast_mode=True)


@gromov_rhos
def test_gromov_equals_unrolled(rho, generator):
    case = inputs(generator, rho, (2, 12, 3))
    alpha = torch.tensor([0.2, 0.1], dtype=torch.float64, requires_grad=True)
    implicit, unrolled = (
        gradients(gromov(case, alpha, *case.leaves, grad=grad), (alpha, *case.leaves), torch.Generator().manual_seed(1))
        for grad in ("implicit", "unroll")
    )
    for one, other in zip(implicit, unrolled, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)


@rhos
@pytest.mark.parametrize("kind", ["", "zero mass"])
def test_envelope_of_sinkhorn(rho, kind, generator):
    case = inputs(generator, rho, kind=kind)
    result = sinkhorn(case, *case.leaves, grad="envelope")
    assert not any(tensor.requires_grad for tensor in (result.plan, result.f, result.g))
    assert gradcheck(lambda *x: sinkhorn(case, *x, grad="envelope").value, case.leaves)


@gromov_rhos
def test_envelope_of_gromov(rho, generator):
    case = inputs(generator, rho, (2, 4, 3))
    alpha = torch.tensor([0.2, 0.1], dtype=torch.float64, requires_grad=True)
    leaves = (alpha, *case.leaves)
    assert gradcheck(lambda *x: gromov(case, *x, grad="envelope").value, leaves, atol=1e-6, fast_mode=True)


def test_none_records_nothing(generator):
    case = inputs(generator, "balanced")
    alpha = torch.tensor([0.3, 0.2], dtype=torch.float64, requires_grad=True)
    for result in (sinkhorn(case, *case.leaves, grad="none"), gromov(case, alpha, *case.leaves, grad="none")):
        assert not any(tensor.requires_grad for tensor in outputs(result))


@pytest.mark.parametrize("rho", ["balanced", "semi-relaxed"])
def test_forbidden_entries_get_no_gradient(rho, generator):
    case = inputs(generator, rho)
    allowed = torch.ones(2, 5, 3, dtype=torch.bool)
    allowed[:, 0, 2] = allowed[:, 1, 0] = allowed[:, 4:, :2] = False

    class Allowed(LinearPrior):
        def support(self, mask, n_actions):
            return allowed

    priors = [Allowed(torch.zeros(5, 3, dtype=torch.float64))]

    def door(solver, *leaves):
        problem = case.problem(*leaves)
        extra = [] if solver is otseg.solvers.sinkhorn else [TemporalSmoothness(0.1, 1)]
        result = otseg.solve(**problem, priors=priors + extra, solver=solver, max_iter=2000, tol=1e-13, grad="implicit")
        assert (result.plan[~allowed] == 0).all()
        torch.testing.assert_close(result.marginal_a, problem["a"])
        return result.plan, result.value

    for solver in (otseg.solvers.sinkhorn, mirror_descent):
        (grad,) = torch.autograd.grad(door(solver, *case.leaves)[0].square().sum(), case.cost)
        assert (grad[~allowed] == 0).all()
        assert gradcheck(lambda *x, s=solver: door(s, *x), case.leaves, atol=1e-6, fast_mode=True)


def test_memory_does_not_grow_with_the_iterations(generator):
    cost = torch.rand(4, 50, 6, generator=generator, requires_grad=True)

    def saved(solve):
        held = {}
        with torch.autograd.graph.saved_tensors_hooks(
            lambda x: held.setdefault(x.untyped_storage().data_ptr(), x), lambda x: x
        ):
            result = solve()
            assert result.plan.requires_grad
            return sum(x.untyped_storage().nbytes() for x in held.values())

    def sinkhorn_after(n, grad):
        return lambda: otseg.sinkhorn(cost, epsilon=0.2, rho_b=0.5, max_iter=n, tol=None, grad=grad)

    def gromov_after(n, grad):
        return lambda: otseg.gromov_ot(cost, epsilon=0.5, alpha=0.1, radius=2, rho_b=0.5, max_iter=n, grad=grad)

    for solve in (sinkhorn_after, gromov_after):
        few, many = (saved(solve(n, "implicit")) for n in (30, 120))
        assert many == few
        assert saved(solve(120, "unroll")) > 5 * many


def test_a_point_that_is_not_converged_is_said(generator):
    cost = torch.rand(2, 40, 5, generator=generator, requires_grad=True)
    with pytest.warns(NotConvergedWarning, match=r"\d of 2 problems are not converged \(error .*`max_iter`"):
        otseg.sinkhorn(cost, epsilon=0.003, max_iter=2, grad="implicit")
    with pytest.warns(NotConvergedWarning, match="not converged"):
        otseg.gromov_ot(cost, epsilon=0.05, alpha=0.5, radius=0.1, max_iter=2, grad="implicit")
    otseg.sinkhorn(cost.detach(), epsilon=0.003, max_iter=2, grad="implicit")  # nothing to differentiate


def test_a_saddle_point_is_said():
    """Two equal frames and actions, strong smoothness: the symmetric plan is stationary, and no minimum."""
    cost = torch.zeros(1, 6, 2, dtype=torch.float64, requires_grad=True)
    result = otseg.gromov_ot(cost, epsilon=0.01, alpha=0.9, radius=2, grad="implicit")
    assert float(result.error) < 1e-9
    with pytest.warns(NotConvergedWarning, match="not strict minima"):
        (result.plan[0, 0, 0] - result.plan[0, 5, 0]).backward()


@pytest.mark.parametrize("rho_b", [torch.inf, 0.05])
def test_small_epsilon_in_float32(rho_b, generator):
    cost = torch.rand(3, 40, 6, generator=generator).requires_grad_()
    result = otseg.sinkhorn(cost, epsilon=1e-4, rho_b=rho_b, max_iter=20_000, tol=5e-4)
    assert torch.isfinite(result.plan).all()
    assert (result.marginal_a.sub(1 / 40).abs().sum(dim=1) < 1e-3).all()
    if rho_b == torch.inf:
        assert (result.marginal_b.sub(1 / 6).abs().sum(dim=1) < 1e-3).all()
    for loss in (result.plan.square().sum() + result.g.sum(), result.value.sum()):
        (grad,) = torch.autograd.grad(loss, cost, retain_graph=True)
        assert torch.isfinite(grad).all()
