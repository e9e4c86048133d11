"""The max-sliced distance against a scan of all directions and closed forms."""

import math

import pytest
import torch
from torch.autograd import gradcheck

import otseg
from otseg.costs import max_sliced_wasserstein, random_directions


@pytest.mark.parametrize("p", [1, 2])
def test_equals_a_scan_of_the_circle(generator, p):
    make = {"generator": generator, "dtype": torch.float64}
    x, y = torch.randn(3, 9, 2, **make), torch.randn(3, 6, 2, **make) * torch.tensor([0.3, 2.0])
    weights = torch.rand(3, 9, **make)
    angle = torch.arange(0, math.pi, 1e-2, dtype=torch.float64)
    every = torch.stack((angle.cos(), angle.sin()), dim=1)
    scan = torch.stack([otseg.sliced_wasserstein(x, y, weights_x=weights, p=p, directions=d[None]) for d in every])
    found = max_sliced_wasserstein(x, y, weights_x=weights, p=p, n_projections=6, max_iter=30, generator=generator)
    assert (found >= scan.amax(dim=0) - 1e-5).all()
    torch.testing.assert_close(found, scan.amax(dim=0), atol=5e-3, rtol=0)


def test_shift_is_found_exactly_and_the_gradient_is_that_of_the_envelope(generator):
    """Sets far apart along one direction: the maximum is smooth, so that its gradient has no direction in it."""
    x = torch.randn(1, 3, 3, generator=generator, dtype=torch.float64)
    y = (x[:, :2] + torch.tensor([5.0, 0.0, 0.0])).clone().requires_grad_()
    x.requires_grad_()
    moved = max_sliced_wasserstein(x.detach(), x.detach().flip(1) + torch.tensor([3.0, 4.0, 0.0]), generator=generator)
    torch.testing.assert_close(moved, torch.full((1,), 5.0, dtype=torch.float64))
    starts = random_directions(2, 3, generator=generator)
    assert gradcheck(lambda x, y: max_sliced_wasserstein(x, y, directions=starts, max_iter=40), (x, y))


@pytest.mark.parametrize(("projection", "length"), [("linear", 3), ("circular", 3), ("polynomial", 10)])
def test_never_below_its_starts_and_alone_as_in_a_batch(generator, projection, length):
    x, y = torch.randn(2, 6, 3, generator=generator), torch.randn(4, 3, generator=generator)
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    starts = random_directions(5, 3, projection=projection, generator=generator).float()
    options = {"projection": projection, "directions": starts}
    found = max_sliced_wasserstein(x, y, mask_x=mask, **options)
    single = [otseg.sliced_wasserstein(x, y, mask_x=mask, projection=projection, directions=d[None]) for d in starts]
    best = torch.stack(single).amax(dim=0)
    assert starts.shape == (5, length)
    assert (found > best).all()
    torch.testing.assert_close(max_sliced_wasserstein(x, y, mask_x=mask, max_iter=0, **options), best)
    alone = max_sliced_wasserstein(x[1:, :4], y, **options)
    torch.testing.assert_close(found[1:], alone, rtol=1e-4, atol=0)


def test_runs_without_gradients_and_at_distance_zero(generator):
    x = torch.randn(1, 4, 2, generator=generator)
    y = x + torch.tensor([3.0, 4.0])
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert max_sliced_wasserstein(x, x.clone(), generator=generator) == 0
            found = max_sliced_wasserstein(x.clone(), y.clone(), weights_x=torch.ones(4), generator=generator)
            torch.testing.assert_close(found, torch.tensor([5.0]))
