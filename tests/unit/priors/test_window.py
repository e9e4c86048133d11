"""The window as a structure: its matrix, and its agreement with the fast prior."""

import pytest
import torch

from otseg.priors import GromovWasserstein, TemporalSmoothness, TemporalWindow
from otseg.priors.window import largest_reach, window
from tests.asserts import dense_band


@pytest.mark.parametrize(
    ("radius", "protocol"), [(0.3, "default"), (2, "default"), (20, "default"), (0.3, "published")]
)
def test_prior_of_a_window_is_temporal_smoothness(generator, radius, protocol):
    plan = torch.rand(2, 9, 4, generator=generator, dtype=torch.float64)
    mask = torch.arange(9) < torch.tensor([[9], [6]])
    weight = torch.tensor([0.7, 1.5], dtype=torch.float64)
    general = GromovWasserstein(weight, TemporalWindow(radius, protocol))
    fast = TemporalSmoothness(weight, radius, protocol)
    torch.testing.assert_close(general.energy_and_grad(plan, mask), fast.energy_and_grad(plan, mask))
    a = plan.sum(dim=2) * mask
    bound = fast.smoothness(a, mask)
    assert (general.smoothness(a, mask) <= bound * (1 + 1e-12)).all()
    equal = mask.double() / mask.sum(dim=1, keepdim=True)
    if protocol == "default":  # there the window is no longer than the sequence
        torch.testing.assert_close(general.smoothness(equal, mask), fast.smoothness(equal, mask))


def test_products_and_bound(generator):
    x = torch.rand(1, 10, 2, generator=generator, dtype=torch.float64)
    mask = torch.ones(1, 10, dtype=torch.bool)
    matrix = 10 / 3 * dense_band(10, 3)
    structure = TemporalWindow(0.3)
    torch.testing.assert_close(structure.apply(x, mask)[0], matrix @ x[0])
    torch.testing.assert_close(structure.apply_squared(x, mask)[0], matrix**2 @ x[0])
    torch.testing.assert_close(structure.row_bound(x[:, :, 0], mask)[0], (matrix @ x[0, :, 0]).max())


def test_no_sequence_reaches_farther_than_the_longest():
    for n in range(1, 60):
        for radius in (1, 5, 100, 0.01, 0.04, 0.3, 1.0):
            lengths = torch.arange(1, n + 1)[:, None]
            reach, _ = window(radius, "default", torch.arange(n) < lengths)
            assert int(reach.max()) == int(reach[-1]) == largest_reach(radius, n)


@pytest.mark.parametrize("radius", [0, -1, 0.0, 1.5, float("nan"), "wide", True])
def test_radius_out_of_range_is_refused(radius):
    with pytest.raises((ValueError, TypeError), match="`radius` must be"):
        TemporalWindow(radius)
