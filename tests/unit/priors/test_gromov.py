"""Gromov-Wasserstein terms against their fourfold sum, for every structure and both losses."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

import otseg
from otseg.priors import (
    BandKernel,
    DenseStructure,
    FeatureAffinity,
    GromovWasserstein,
    LowRankStructure,
    TemporalWindow,
)
from tests.cases import ACTIONS, STRUCTURES

structures = pytest.mark.parametrize("name", STRUCTURES)
losses = pytest.mark.parametrize("loss", ["product", "square"])
N, K = 7, 3


def tensor_of(frames, actions, loss):
    """``L[i, j, k, l]`` of two matrices."""
    frames, actions = frames[:, None, :, None], actions[None, :, None, :]
    return frames * actions if loss == "product" else (frames - actions) ** 2


def dense_of(structure, mask):
    """The matrix of the real frames of every sequence, from products with unit vectors."""
    unit = torch.eye(mask.shape[1], dtype=torch.float64) * mask.unsqueeze(2)
    return structure.apply(unit, mask) * mask.unsqueeze(2)


@structures
@losses
@pytest.mark.parametrize("actions", [None, ACTIONS, torch.stack([ACTIONS, 2 * ACTIONS])], ids=["", "shared", "batch"])
def test_equals_the_fourfold_sum(name, loss, actions, generator):
    plan = torch.rand(2, N, K, generator=generator, dtype=torch.float64)
    mask = torch.arange(N) < torch.tensor([[7], [4]])
    weight = torch.tensor([0.7, 1.3], dtype=torch.float64)
    energy, grad = GromovWasserstein(weight, STRUCTURES[name], actions, loss).energy_and_grad(plan, mask)
    matrices = dense_of(STRUCTURES[name], mask)
    torch.testing.assert_close(matrices, matrices.mT)
    for b, n in enumerate((7, 4)):
        other = 1 - torch.eye(K, dtype=torch.float64) if actions is None else actions.expand(2, K, K)[b]
        interaction, own = tensor_of(matrices[b, :n, :n], other, loss), plan[b, :n]
        total = torch.einsum("ijkl,ij,kl->", interaction, own, own)
        torch.testing.assert_close(energy[b], weight[b] / 2 * total)
        torch.testing.assert_close(grad[b, :n], weight[b] * torch.einsum("ijkl,kl->ij", interaction, own))


@structures
def test_derivatives_in_plan_and_weight(name, generator):
    """Of the square loss, which has the product in it."""
    plan = torch.rand(2, N, K, generator=generator, dtype=torch.float64, requires_grad=True)
    mask = torch.arange(N) < torch.tensor([[7], [4]])
    weight = torch.tensor([0.7, 1.3], dtype=torch.float64, requires_grad=True)

    def run(plan, weight):
        return GromovWasserstein(weight, STRUCTURES[name], ACTIONS, "square").energy_and_grad(plan, mask)

    assert gradcheck(run, (plan, weight))
    assert gradgradcheck(run, (plan, weight))


@losses
def test_derivatives_in_the_structures(loss, generator):
    plan = torch.rand(1, 4, 2, generator=generator, dtype=torch.float64)
    mask = torch.ones(1, 4, dtype=torch.bool)
    shapes = {"dense": (4, 4), "rank": (4, 1), "kernel": (2,), "features": (4, 2), "actions": (2, 2)}
    tensors = [torch.rand(*s, generator=generator, dtype=torch.float64).requires_grad_() for s in shapes.values()]

    def run(dense, rank, kernel, features, actions):
        frames = (
            DenseStructure(dense + dense.mT),
            LowRankStructure(rank),
            BandKernel(kernel),
            FeatureAffinity(features, 2),
        )
        for structure in frames:
            yield from GromovWasserstein(0.8, structure, actions + actions.mT, loss).energy_and_grad(plan, mask)

    assert gradcheck(lambda *x: tuple(run(*x)), tensors)
    assert gradgradcheck(lambda *x: tuple(run(*x)), tensors)


@structures
@losses
def test_hessian_vector_products_through_the_gradient(name, loss, generator):
    """Differentiating the returned gradient in the plan is the exact (constant) curvature, and it can be done again."""
    plan, direction = torch.rand(2, 1, N, K, generator=generator, dtype=torch.float64)
    mask = torch.ones(1, N, dtype=torch.bool)
    prior = GromovWasserstein(0.7, STRUCTURES[name], ACTIONS, loss)
    plan.requires_grad_(), direction.requires_grad_()
    (product,) = torch.autograd.grad(prior.energy_and_grad(plan, mask)[1], plan, direction, create_graph=True)
    torch.testing.assert_close(product, prior.energy_and_grad(direction, mask)[1])  # quadratic: H d is the slope at d
    (again,) = torch.autograd.grad(product.sum(), direction)
    torch.testing.assert_close(again, prior.energy_and_grad(torch.ones_like(plan), mask)[1])


@losses
@pytest.mark.parametrize(("n", "k"), [(1, 3), (4, 1), (1, 1)])
def test_one_frame_or_one_action(loss, n, k, generator):
    plan = torch.rand(1, n, k, generator=generator, dtype=torch.float64).requires_grad_()
    mask, features = torch.ones(1, n, dtype=torch.bool), torch.rand(n, 2, generator=generator, dtype=torch.float64)
    for structure in (
        TemporalWindow(0.3),
        STRUCTURES["kernel"],
        STRUCTURES["shaped window"],
        FeatureAffinity(features, 1),
    ):
        assert gradcheck(lambda p, s=structure: GromovWasserstein(0.7, s, loss=loss).energy_and_grad(p, mask), plan)


def test_square_of_a_matrix_with_itself_is_zero_on_the_matching(generator):
    points = torch.rand(5, 2, generator=generator, dtype=torch.float64)
    matrix, order = torch.cdist(points, points), torch.tensor([2, 0, 1, 4, 3])
    prior = GromovWasserstein(1.0, DenseStructure(matrix), matrix[order][:, order], "square")
    matching = torch.eye(5, dtype=torch.float64)[:, order][None] / 5
    right, wrong = (prior.energy_and_grad(p, torch.ones(1, 5, dtype=torch.bool))[0] for p in (matching, matching.mT))
    assert abs(float(right)) < 1e-12
    assert float(wrong) > 0.01


@structures
@losses
def test_float32_and_half(name, loss, generator):
    plan, mask = torch.rand(2, N, K, generator=generator, dtype=torch.float64), torch.ones(2, N, dtype=torch.bool)
    prior = GromovWasserstein(0.5, STRUCTURES[name], ACTIONS, loss)
    exact = prior.energy_and_grad(plan, mask)
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 5e-2)):
        for value, expected in zip(prior.energy_and_grad(plan.to(dtype), mask), exact, strict=True):
            assert value.dtype == torch.float32
            torch.testing.assert_close(
                value.double(), expected, rtol=tolerance, atol=tolerance * float(expected.abs().max())
            )


@structures
@losses
def test_descent_is_certain_at_the_safe_step(name, loss, generator):
    """The constant of smoothness keeps its word in the solver: the objective never rises at the step 1 / L."""
    cost = torch.rand(2, N, K, generator=generator, dtype=torch.float64)
    prior = GromovWasserstein(0.8, STRUCTURES[name], ACTIONS, loss)
    problem = otseg.Problem.make(cost, epsilon=0.02, rho_b=0.1, priors=[prior])
    step = 1 / (prior.smoothness(problem.a, problem.mask) + 0.1)
    results = [otseg.solvers.mirror_descent(problem, max_iter=i, step=step, grad="none") for i in range(12)]
    values = torch.stack([result.value for result in results])
    assert (values.diff(dim=0) <= 1e-12).all()
    assert (values[-1] < values[0]).all()


def test_bad_arguments_are_refused():
    window = TemporalWindow(1)
    with pytest.raises(TypeError, match=r"`frames` must be a structure of frames .* Wrap a matrix"):
        GromovWasserstein(1.0, torch.eye(3))
    with pytest.raises(ValueError, match="`loss` must be one of 'product', 'square'"):
        GromovWasserstein(1.0, window, loss="kl")
    plan, mask = torch.ones(3, 4, 2), torch.ones(3, 4, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"`actions` must be of shape \(K, K\) with K = 2"):
        GromovWasserstein(1.0, window, torch.zeros(3, 3)).energy_and_grad(plan, mask)
    with pytest.raises(ValueError, match="`actions` must be for one problem or for all 3"):
        GromovWasserstein(1.0, window, torch.zeros(2, 2, 2)).energy_and_grad(plan, mask)
