"""What every prior must satisfy."""

import pytest
import torch

import otseg
from otseg.priors import DenseStructure, FeatureAffinity, LinearPrior, LowRankStructure, TemporalSmoothness
from otseg.solvers import mirror_descent
from otseg.types import Constraint, Prior
from tests.cases import PRIORS

cases = pytest.mark.parametrize("case", PRIORS, ids=lambda case: case.name)
N, K = 7, 3


def plan_and_mask(generator, lengths=(7, 4)):
    plan = torch.rand(len(lengths), N, K, generator=generator, dtype=torch.float64)
    return plan, torch.arange(N) < torch.tensor(lengths)[:, None]


@cases
def test_gradient_is_that_of_the_energy(case, generator):
    plan, mask = plan_and_mask(generator)
    plan.requires_grad_()
    energy, grad = case.make().energy_and_grad(plan, mask)
    assert energy.shape == (2,)
    (expected,) = torch.autograd.grad(energy.sum(), plan)
    torch.testing.assert_close(grad, expected)


@cases
def test_masked_frames_contribute_nothing(case, generator):
    plan, mask = plan_and_mask(generator)
    energy, grad = case.make().energy_and_grad(plan, mask)
    other = torch.where(mask.unsqueeze(2), plan, 5.0)
    energy_other, grad_other = case.make().energy_and_grad(other, mask)
    assert torch.equal(energy, energy_other)
    assert torch.equal(grad[mask], grad_other[mask])
    assert (grad[~mask] == 0).all()


@cases
def test_linear_tells_the_truth(case, generator):
    plan, mask = plan_and_mask(generator)
    prior = case.make()
    assert isinstance(prior, Prior)
    one, other = (prior.energy_and_grad(scale * plan, mask)[1] for scale in (1.0, 2.0))
    assert prior.linear == torch.equal(one, other)


@cases
def test_weight_per_problem_equals_each_alone(case, generator):
    if not case.weighted:
        pytest.skip("it has no weight")
    plan, mask = plan_and_mask(generator)
    together = case.make(torch.tensor([0.3, 1.5], dtype=torch.float64)).energy_and_grad(plan, mask)
    for i, weight in enumerate((0.3, 1.5)):
        alone = case.make(weight).energy_and_grad(plan[i : i + 1], mask[i : i + 1])
        torch.testing.assert_close(together[0][i], alone[0][0])
        torch.testing.assert_close(together[1][i], alone[1][0])


@cases
@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf"), "much", torch.tensor([-1.0])])
def test_bad_weights_are_refused(case, bad):
    if not case.weighted:
        pytest.skip("it has no weight")
    with pytest.raises((ValueError, TypeError), match="`weight` must be"):
        case.make(bad)


@cases
def test_smoothness_bounds_the_curvature(case, generator):
    """Descent lemma relative to the entropy: E(Q) <= E(P) + <E'(P), Q - P> + L KL(Q | P) for exact frames."""
    _, mask = plan_and_mask(generator, (7, 7))
    prior = case.make()
    a = torch.rand(2, N, generator=generator, dtype=torch.float64)
    a = a / a.sum(dim=1, keepdim=True)
    bound = prior.smoothness(a, mask)
    assert prior.linear == bool((bound == 0).all())
    for sharpness in (1.0, 5.0, 30.0):
        p, q = ((sharpness * torch.randn(2, N, K, generator=generator, dtype=torch.float64)).softmax(2) for _ in "pq")
        p, q = a.unsqueeze(2) * p, a.unsqueeze(2) * q
        energy, grad = prior.energy_and_grad(p, mask)
        divergence = (q * (q / p).log()).sum(dim=(1, 2))
        upper = energy + (grad * (q - p)).sum(dim=(1, 2)) + bound * divergence
        assert (prior.energy_and_grad(q, mask)[0] <= upper + 1e-9).all()


@cases
def test_linear_priors_add_to_the_cost_under_curved_ones(case, generator):
    """Beside Gromov structure a linear prior is exactly a fixed term, in plan and objective."""
    prior = case.make()
    if not prior.linear or isinstance(prior, Constraint):
        pytest.skip("curved, or a constraint")
    cost, mask = plan_and_mask(generator)
    fixed = LinearPrior(prior.energy_and_grad(cost, mask)[1])
    one, other = (
        otseg.solve(
            cost, epsilon=0.1, rho_b=0.2, mask=mask, priors=[TemporalSmoothness(0.3, 0.3), p], solver=mirror_descent
        )
        for p in (prior, fixed)
    )
    torch.testing.assert_close(one.plan, other.plan)
    torch.testing.assert_close(one.value, other.value)
    without = otseg.solve(
        cost, epsilon=0.1, rho_b=0.2, mask=mask, priors=[TemporalSmoothness(0.3, 0.3)], solver=mirror_descent
    )
    energies = [prior.energy_and_grad(result.plan, mask)[0] for result in (one, without)]
    assert (energies[0] < energies[1]).all()  # and it does what it is for


@cases
def test_a_prior_does_not_depend_on_padding_and_batch(case, generator):
    plan, mask = plan_and_mask(generator)
    prior = case.make()
    shaped = (DenseStructure, LowRankStructure, FeatureAffinity)
    if isinstance(prior, LinearPrior) or isinstance(getattr(prior, "frames", None), shaped):
        pytest.skip("it has the shape of the batch")
    energy, grad = prior.energy_and_grad(plan * mask.unsqueeze(2), mask)
    for i, n in enumerate((7, 4)):
        alone = prior.energy_and_grad(plan[i : i + 1, :n], mask[i : i + 1, :n])
        torch.testing.assert_close(energy[i], alone[0][0])
        torch.testing.assert_close(grad[i, :n], alone[1][0])


@cases
def test_same_on_every_device(case, generator, device):
    plan, mask = plan_and_mask(generator)
    energy, grad = case.make().energy_and_grad(plan, mask)
    there = case.make().energy_and_grad(plan.to(device), mask.to(device))
    assert there[0].device.type == there[1].device.type == device.type
    torch.testing.assert_close(there[0].cpu(), energy)
    torch.testing.assert_close(there[1].cpu(), grad)
