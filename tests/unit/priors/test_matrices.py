"""Dense and low-rank structures."""

import math

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from otseg.priors import DenseStructure, GromovWasserstein, LowRankStructure

MASK = torch.ones(2, 6, dtype=torch.bool)


def random(generator, *shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("shared", [True, False])
def test_dense(generator, shared):
    x, matrix = random(generator, 2, 6, 3), random(generator, *(() if shared else (2,)), 6, 6)
    matrix = matrix + matrix.mT
    structure = DenseStructure(matrix)
    torch.testing.assert_close(structure.apply(x, MASK), matrix @ x)
    torch.testing.assert_close(structure.apply_squared(x, MASK), matrix**2 @ x)
    a = x[:, :, 0].abs()
    torch.testing.assert_close(structure.row_bound(a, MASK), (matrix.abs() @ a.unsqueeze(2)).amax(dim=(1, 2)))


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("two", [True, False])
def test_low_rank_equals_the_dense_matrix(generator, shared, two):
    x = random(generator, 2, 6, 3)
    left, right = random(generator, 2, *(() if shared else (2,)), 6, 2)
    dense = (left @ right.mT + right @ left.mT) / 2 if two else left @ left.mT
    structure = LowRankStructure(left, right if two else None)
    torch.testing.assert_close(structure.apply(x, MASK), dense @ x)
    torch.testing.assert_close(structure.apply_squared(x, MASK), dense**2 @ x)
    a = x[:, :, 0].abs()
    assert (structure.row_bound(a, MASK) >= (dense.abs() @ a.unsqueeze(2)).amax(dim=(1, 2))).all()


def test_low_rank_bound_is_tight_for_a_constant_matrix():
    one = torch.ones(6, 1, dtype=torch.float64)
    a = torch.arange(6.0, dtype=torch.float64).expand(2, 6)
    torch.testing.assert_close(LowRankStructure(3 * one, one).row_bound(a, MASK), 3 * a.sum(dim=1))


def test_squared_distances_have_low_rank(generator):
    y = random(generator, 6, 2)
    square, one = (y * y).sum(dim=1, keepdim=True), torch.ones(6, 1, dtype=torch.float64)
    structure = LowRankStructure(torch.cat([square, one, -2 * y], 1), torch.cat([one, square, y], 1))
    eye = torch.eye(6, dtype=torch.float64).expand(2, 6, 6)
    torch.testing.assert_close(structure.apply(eye, MASK)[0], torch.cdist(y, y) ** 2)


def test_padding_of_a_matrix_does_not_count(generator):
    plan, matrix, factor = random(generator, 1, 6, 3).abs(), random(generator, 6, 6), random(generator, 6, 2)
    mask = torch.arange(6)[None] < 4
    matrix = matrix + matrix.mT
    other, wild = matrix.clone(), factor.clone()
    other[4:], other[:, 4:], wild[4:] = 9.0, 9.0, 9.0
    for one, two in (
        (DenseStructure(matrix), DenseStructure(other)),
        (LowRankStructure(factor), LowRankStructure(wild)),
    ):
        for loss in ("product", "square"):
            results = [GromovWasserstein(1.0, s, loss=loss) for s in (one, two)]
            torch.testing.assert_close(results[0].energy_and_grad(plan, mask), results[1].energy_and_grad(plan, mask))
            a = plan.sum(dim=2) * mask
            torch.testing.assert_close(results[0].smoothness(a, mask), results[1].smoothness(a, mask))


def test_derivatives(generator):
    x = random(generator, 2, 6, 2)
    matrix, left, right = (random(generator, *shape).requires_grad_() for shape in ((6, 6), (6, 2), (6, 2)))
    for check in (gradcheck, gradgradcheck):
        assert check(lambda m: DenseStructure(m + m.mT).apply_squared(x, MASK), matrix)
        assert check(lambda u, v: LowRankStructure(u, v).apply(x, MASK), (left, right))
        assert check(lambda u: LowRankStructure(u).apply_squared(x, MASK), left)


@pytest.mark.parametrize(
    "bad",
    [
        [[0.0]],
        torch.ones(3),
        torch.ones(2, 3),
        torch.ones(2, 2, dtype=torch.int64),
        torch.tensor([[0.0, 1.0], [2.0, 0.0]]),
        torch.tensor([[math.nan]]),
    ],
)
def test_bad_matrices_are_refused(bad):
    with pytest.raises((ValueError, TypeError), match="`matrix` must be"):
        DenseStructure(bad)
    with pytest.raises((ValueError, TypeError), match="`actions` must be"):
        GromovWasserstein(1.0, LowRankStructure(torch.ones(2, 1)), bad)


def test_bad_factors_are_refused():
    with pytest.raises(ValueError, match="`left` must be"):
        LowRankStructure(torch.ones(3))
    with pytest.raises(ValueError, match="`right` must be of shape"):
        LowRankStructure(torch.ones(3, 2), torch.ones(3, 1))
    with pytest.raises(TypeError, match="`right` must be of the dtype"):
        LowRankStructure(torch.ones(3, 2), torch.ones(3, 2).double())


@pytest.mark.parametrize("name", ["matrix", "left"])
def test_another_number_of_frames_is_refused(name):
    structure = {"matrix": DenseStructure(torch.ones(5, 5)), "left": LowRankStructure(torch.ones(5, 1))}[name]
    with pytest.raises(ValueError, match=f"`{name}` must be of 6 frames"):
        structure.apply(torch.ones(2, 6, 1), MASK)
