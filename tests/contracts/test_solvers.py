"""What every solver must satisfy."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from otseg import Problem
from tests.asserts import assert_is_plan, assert_same_result, single
from tests.cases import SOLVERS, SolverCase
from tests.strategies import problems

cases = pytest.mark.parametrize("case", SOLVERS, ids=lambda case: case.name)
quick = settings(max_examples=15, deadline=None)


@cases
@quick
@given(data=st.data())
def test_plan_is_feasible(case: SolverCase, data: st.DataObject) -> None:
    result = case(data.draw(problems(case.priors)))
    assert_is_plan(result)
    assert torch.isfinite(result.error).all()
    assert torch.isfinite(result.value).all()
    balanced = torch.isinf(result.problem.rho_b) & (result.error < 1e-6)
    torch.testing.assert_close(result.marginal_b[balanced], result.problem.b[balanced], atol=1e-5, rtol=0)


@cases
@quick
@given(data=st.data())
def test_alone_unpadded_equals_in_a_batch(case: SolverCase, data: st.DataObject) -> None:
    problem = data.draw(problems(case.priors))
    together = case(problem)
    for i in range(problem.cost.shape[0]):
        alone = case(single(problem, i))
        n = alone.plan.shape[1]
        cut = replace(
            together,
            plan=together.plan[i : i + 1, :n],
            n_iter=together.n_iter[i : i + 1],
            error=together.error[i : i + 1],
            converged=together.converged[i : i + 1],
        )
        assert_same_result(alone, cut)


@cases
def test_float32_labels_do_not_depend_on_padding(case: SolverCase, generator: torch.Generator) -> None:
    cost = torch.rand(1, 40, 6, generator=generator)
    alone = case(Problem.make(cost, epsilon=0.05, rho_b=0.2, priors=case.priors)).labels()
    for padding in (1, 24, 300):
        padded = torch.cat([cost, torch.full((1, padding, 6), 7.0)], dim=1)
        mask = torch.arange(40 + padding).expand(1, -1) < 40
        labels = case(Problem.make(padded, epsilon=0.05, rho_b=0.2, mask=mask, priors=case.priors)).labels()
        assert torch.equal(labels[:, :40], alone)
        assert (labels[:, 40:] == -1).all()


@cases
@quick
@given(data=st.data())
def test_permuting_sequences_and_actions_permutes_the_plan(case: SolverCase, data: st.DataObject) -> None:
    problem = data.draw(problems(case.priors))
    batch, _, actions = problem.cost.shape
    order = torch.tensor(data.draw(st.permutations(range(batch))))
    swap = torch.tensor(data.draw(st.permutations(range(actions))))
    moved = Problem(
        problem.cost[order][:, :, swap],
        problem.a[order],
        problem.b[order][:, swap],
        problem.mask[order],
        problem.epsilon[order],
        problem.rho_a[order],
        problem.rho_b[order],
        problem.priors,
    )
    # Mirror descent compares objectives: where it is that close, another order of a sum may take another step.
    atol = 1e-7 if "mirror" in case.name else 1e-9
    torch.testing.assert_close(case(moved).plan, case(problem).plan[order][:, :, swap], atol=atol, rtol=0)


@cases
@quick
@given(data=st.data(), shift=st.sampled_from([-3.0, 0.7, 20.0]))
def test_constant_cost_changes_nothing_with_exact_frames(case: SolverCase, data: st.DataObject, shift: float) -> None:
    problem = data.draw(problems(case.priors, rho_a=st.just(torch.inf)))
    shifted = replace(problem, cost=problem.cost + shift)
    atol = 1e-5 if "tolerance" in case.name else 1e-7  # another last digit may stop one test earlier or later
    torch.testing.assert_close(case(shifted).plan, case(problem).plan, atol=atol, rtol=0)


@cases
@quick
@given(data=st.data())
def test_potentials_rebuild_the_plan(case: SolverCase, data: st.DataObject) -> None:
    result = case(data.draw(problems(case.priors)))
    problem = result.problem
    assert result.f is not None
    assert result.g is not None
    cost = problem.linear_cost
    for prior in problem.curved_priors:
        cost = cost + prior.energy_and_grad(result.plan, problem.mask)[1]
    score = (result.f[:, :, None] + result.g[:, None] - cost) / problem.epsilon[:, None, None]
    rebuilt = problem.a[:, :, None] * problem.b[:, None] * score.exp()
    if "mirror" not in case.name:
        torch.testing.assert_close(rebuilt, result.plan, atol=1e-9, rtol=1e-6)
        return
    # Exact at stationary plans: elsewhere off by what `error` reports, where no other marginal is kept.
    gap = (rebuilt - result.plan).abs().sum(dim=(1, 2)) / problem.a.sum(dim=1)
    assert (gap <= result.error + 1e-9).all()


@cases
def test_empty_batch(case: SolverCase) -> None:
    result = case(Problem.make(torch.zeros(0, 4, 3), epsilon=0.1, rho_b=0.3, priors=case.priors))
    assert result.plan.shape == (0, 4, 3)
    assert result.n_iter.shape == result.error.shape == result.converged.shape == (0,)


@cases
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(case: SolverCase, dtype: torch.dtype) -> None:
    cost = torch.rand(2, 9, 3, generator=torch.Generator().manual_seed(0)).to(dtype)
    problem = Problem.make(cost, epsilon=0.1, rho_b=0.5, priors=case.priors)
    result = case(problem)
    assert result.plan.dtype == torch.float32
    reference = case(Problem.make(cost.float(), epsilon=0.1, rho_b=0.5, priors=case.priors))
    assert torch.equal(result.plan, reference.plan)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(case(problem).plan, reference.plan)


@cases
def test_gradient_modes(case: SolverCase, generator: torch.Generator) -> None:
    cost = torch.rand(2, 6, 3, generator=generator, requires_grad=True)
    problem = Problem.make(cost, epsilon=0.2, rho_b=0.5, priors=case.priors)
    assert not case(problem, grad="none").plan.requires_grad
    unrolled = case(problem, grad="unroll")
    unrolled.plan.square().sum().backward()
    assert cost.grad is not None
    assert torch.isfinite(cost.grad).all()
    assert (cost.grad != 0).any()
    torch.testing.assert_close(unrolled.plan.detach(), case(problem, grad="none").plan)
    with pytest.raises(ValueError, match="`grad` must be one of"):
        case(problem, grad="exact")


@cases
def test_options_out_of_range_are_refused(case: SolverCase) -> None:
    problem = Problem.make(torch.rand(1, 4, 2), epsilon=0.1, priors=case.priors)
    for options in ({"max_iter": -1}, {"max_iter": 2.5}, {"tol": -1e-3}):
        if "annealed" in case.name:
            continue  # its options are fixed inside
        with pytest.raises((ValueError, TypeError), match=f"`{next(iter(options))}` must be"):
            case(problem, **options)
