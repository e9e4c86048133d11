"""The banded Gromov-Wasserstein term against its dense matrices."""

import pytest
import torch

from otseg.priors import TemporalSmoothness
from tests.asserts import dense_band


def dense_energy_and_grad(plan, weight, reach, height):
    band = height * dense_band(plan.shape[0], reach)
    grad = weight * band @ plan @ (1 - torch.eye(plan.shape[1], dtype=plan.dtype))
    return (grad * plan).sum() / 2, grad


@pytest.mark.parametrize(("radius", "n", "reach"), [(0.3, 10, 3), (0.04, 10, 1), (1.0, 6, 6), (3, 10, 3), (50, 8, 8)])
def test_equals_the_dense_form(generator, radius, n, reach):
    plan = torch.rand(1, n, 4, generator=generator, dtype=torch.float64)
    energy, grad = TemporalSmoothness(0.7, radius).energy_and_grad(plan, torch.ones(1, n, dtype=torch.bool))
    expected = dense_energy_and_grad(plan[0], 0.7, reach, n / reach)
    torch.testing.assert_close(energy[0], expected[0])
    torch.testing.assert_close(grad[0], expected[1])


def test_interior_row_sum_is_twice_the_length():
    for n in (5, 24, 30, 257):
        mask = torch.ones(1, n, dtype=torch.bool)
        reach, height = TemporalSmoothness(1.0, 0.04).window(mask)
        assert float(2 * reach * height) == pytest.approx(2 * n)


def test_published_window_uses_the_padded_length(generator):
    plan = torch.rand(1, 20, 3, generator=generator, dtype=torch.float64)
    mask = (torch.arange(20) < 12)[None]
    plan = plan * mask.unsqueeze(2)
    _, grad = TemporalSmoothness(1.0, 0.17, "published").energy_and_grad(plan, mask)
    expected = dense_energy_and_grad(plan[0], 1.0, 3, 1 / 0.17)[1]
    torch.testing.assert_close(grad[0, :12], expected[:12])
    # ... and is silently off for short sequences, which the default is not
    short, full = plan[:, :4], mask[:, :4]
    assert (TemporalSmoothness(1.0, 0.17, "published").energy_and_grad(short, full)[1].abs() < 1e-12).all()
    assert (TemporalSmoothness(1.0, 0.17).energy_and_grad(short, full)[1] > 0).any()


@pytest.mark.parametrize("radius", [0, -1, 0.0, 1.5, -0.1, float("nan"), "wide", True])
def test_radius_out_of_range_is_refused(radius):
    with pytest.raises((ValueError, TypeError), match="`radius` must be"):
        TemporalSmoothness(1.0, radius)


def test_constant_of_smoothness_does_not_depend_on_padding():
    """Padded frames have real neighbors: they must not raise the constant, which sets the solver's steps."""
    for n in (1, 2, 3, 7):
        for radius in (1, 2, 0.3):
            prior, alone = TemporalSmoothness(1.0, radius), torch.full((1, n), 1 / n)
            padded = torch.cat([alone, torch.zeros(1, 5)], dim=1)
            expected = prior.smoothness(alone, torch.ones(1, n, dtype=torch.bool))
            torch.testing.assert_close(prior.smoothness(padded, (torch.arange(n + 5) < n)[None]), expected)
    assert TemporalSmoothness(1.0, 1).smoothness(torch.tensor([[1.0, 0.0]]), torch.tensor([[True, False]])) == 0
