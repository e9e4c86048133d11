"""Sliced Wasserstein distances of sets against POT and closed forms; masks, weights, memory, errors."""

import math

import numpy as np
import ot
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.utils._python_dispatch import TorchDispatchMode

import otseg
from otseg.costs import (
    CircularProjection,
    PolynomialProjection,
    _sets,
    energy_sliced_wasserstein,
    random_directions,
    sliced_pairs,
    sliced_pairwise,
    sliced_wasserstein,
)

FAMILIES = [("linear", 3), (CircularProjection(1.5), 3), (PolynomialProjection(3), 10)]


class LargestTensor(TorchDispatchMode):
    """Number of entries of the largest tensor that any operation returns."""

    def __init__(self):
        super().__init__()
        self.size = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for value in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(value, torch.Tensor):
                self.size = max(self.size, value.untyped_storage().nbytes() // value.element_size())
        return out


@pytest.fixture
def sets(generator):
    make = {"generator": generator, "dtype": torch.float64}
    x, y = torch.randn(2, 7, 3, **make), torch.randn(2, 5, 3, **make)
    return x, y, torch.rand(2, 7, **make), torch.rand(2, 5, **make)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_equals_pot_with_unequal_weights_and_the_same_projections(sets, generator, p):
    x, y, a, b = sets
    directions = random_directions(20, 3, generator=generator)
    ours = otseg.sliced_wasserstein(x, y, weights_x=a, weights_y=b, p=p, directions=directions)
    for i in range(2):
        u, v, w, z = (t[i].numpy() for t in (x, y, a, b))
        theirs = ot.sliced_wasserstein_distance(u, v, w / w.sum(), z / z.sum(), projections=directions.T.numpy(), p=p)
        np.testing.assert_allclose(ours[i], theirs, rtol=1e-12)


def test_translation_and_scaling_in_closed_form(sets, generator):
    x = sets[0]
    shift = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    directions = random_directions(20_000, 3, generator=generator)
    moved = otseg.sliced_wasserstein(x, x.flip(1) + shift, directions=directions)
    exact = (directions @ shift).square().mean().sqrt()
    torch.testing.assert_close(moved, exact.expand(2))
    torch.testing.assert_close(moved, (shift.norm() / 3**0.5).expand(2), rtol=1e-2, atol=0)
    spread = (x @ directions.T).square().mean(dim=(1, 2)).sqrt()
    torch.testing.assert_close(otseg.sliced_wasserstein(x, 3 * x, directions=directions), 2 * spread)


def test_gaussians(generator):
    """Quantiles of normal laws on a line: W_2^2 = (difference of means)^2 + (difference of deviations)^2."""
    quantile = torch.distributions.Normal(0.0, 1.0).icdf((torch.arange(4001.0) + 0.5).double() / 4001)[None, :, None]
    other = torch.distributions.Normal(0.0, 1.0).icdf((torch.arange(1000.0) + 0.5).double() / 1000)[None, :, None]
    distance = otseg.sliced_wasserstein(quantile * 2 + 1, other * 0.5 - 1, n_projections=1)
    torch.testing.assert_close(distance, torch.tensor([(4 + 1.5**2) ** 0.5]).double(), rtol=1e-3, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("family", "length"), FAMILIES, ids=["linear", "circular", "polynomial"])
def test_padding_weights_and_neighbors_change_nothing(sets, generator, family, length, dtype):
    x, y, a, b = (t.to(dtype) for t in sets)
    directions = random_directions(6, 3, projection=family, generator=generator).to(dtype)
    assert directions.shape == (6, length)
    options = {"directions": directions, "projection": family}
    mask = torch.tensor([[True] * 7, [True, False, True, True, False, False, False]])
    x[1, 4:] = torch.nan
    together = otseg.sliced_wasserstein(x, y, weights_x=a, weights_y=b, mask_x=mask, **options)
    for i in range(2):
        keep = mask[i]
        alone = otseg.sliced_wasserstein(
            x[i : i + 1, keep], y[i], weights_x=a[i, keep], weights_y=b[i], **options
        )  # fmt: skip
        torch.testing.assert_close(together[i], alone[0])
    # A weight of zero is as good as a mask, and equal weights are no weights.
    zero = a.masked_fill(~mask, 0)
    as_weight = otseg.sliced_wasserstein(
        x.masked_fill(~mask.unsqueeze(2), 0), y, weights_x=zero, weights_y=b, **options
    )
    torch.testing.assert_close(as_weight, together)
    plain = otseg.sliced_wasserstein(x, y, mask_x=mask, **options)
    torch.testing.assert_close(
        plain, otseg.sliced_wasserstein(x, y, mask_x=mask, weights_y=3 * b.new_ones(5), **options)
    )
    assert together.dtype == dtype


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize(("family", "length"), FAMILIES, ids=["linear", "circular", "polynomial"])
@pytest.mark.parametrize("distance", [sliced_wasserstein, energy_sliced_wasserstein])
def test_derivatives(sets, generator, distance, family, length, p):
    x, y, a, b = (t[:, :3].clone().requires_grad_() for t in sets)
    mask = torch.tensor([[True, True, True], [True, False, True]])
    directions = random_directions(3, 3, projection=family, generator=generator)

    def value(x, y, a, b):
        return distance(
            x, y, weights_x=a, weights_y=b, mask_x=mask, p=p, directions=directions, projection=family
        )  # fmt: skip

    assert gradcheck(value, (x, y, a, b))
    assert gradgradcheck(value, (x, y, a, b))


@pytest.mark.parametrize("p", [1, 1.5, 2])
def test_gradient_is_finite_at_ties_and_zero_at_distance_zero(p):
    x = torch.tensor([[[0.0, 1.0], [0.0, 1.0], [2.0, 0.0]]], requires_grad=True)
    same = otseg.sliced_wasserstein(x, x.detach(), p=p, n_projections=4)
    assert (same == 0).all()
    assert (torch.autograd.grad(same.sum(), x)[0] == 0).all()
    other = otseg.sliced_wasserstein(x, torch.zeros(2, 2), p=p, directions=torch.eye(2))
    assert torch.isfinite(torch.autograd.grad(other.sum(), x)[0]).all()
    one = otseg.sliced_wasserstein(torch.zeros(1, 1, 1), torch.ones(1, 1), p=p, directions=torch.ones(1, 1))
    assert (one == 1).all()


def test_energy_lies_between_mean_and_maximum(sets, generator):
    x, y, _, _ = sets
    directions = random_directions(30, 3, generator=generator)
    single = torch.stack([otseg.sliced_wasserstein(x, y, directions=d[None]) for d in directions])
    weight = (single**2 / 0.7).softmax(dim=0)
    expected = (weight * single**2).sum(dim=0).sqrt()
    torch.testing.assert_close(energy_sliced_wasserstein(x, y, directions=directions, temperature=0.7), expected)
    mean = energy_sliced_wasserstein(x, y, directions=directions, temperature=math.inf)
    torch.testing.assert_close(mean, otseg.sliced_wasserstein(x, y, directions=directions))
    largest = energy_sliced_wasserstein(x, y, directions=directions, temperature=1e-6)
    torch.testing.assert_close(largest, single.amax(dim=0))


def test_generator_makes_it_reproducible_in_both_precisions(sets):
    x, y, _, _ = sets
    one, two, single = (
        otseg.sliced_wasserstein(x.to(dtype), y.to(dtype), generator=torch.Generator().manual_seed(3))
        for dtype in (torch.float64, torch.float64, torch.float32)
    )
    assert torch.equal(one, two)
    torch.testing.assert_close(single, one.float())
    assert not torch.equal(one, otseg.sliced_wasserstein(x, y, generator=torch.Generator().manual_seed(4)))


def test_half_precision_and_autocast(sets):
    x, y = sets[0].float(), sets[1].float()
    options = {"directions": random_directions(5, 3, generator=torch.Generator().manual_seed(0)).float()}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(otseg.sliced_wasserstein(x, y, **options), otseg.sliced_wasserstein(x, y, **options))
        under = otseg.sliced_wasserstein(x, y, **options)
    assert torch.equal(under, otseg.sliced_wasserstein(x, y, **options))
    assert (
        otseg.sliced_wasserstein(x.half(), y.half(), weights_x=torch.ones(7).half(), **options).dtype == torch.float32
    )


def test_chunks_change_nothing(sets, generator, monkeypatch):
    x, y, a, _ = sets
    directions = random_directions(7, 3, generator=generator)

    def run():
        inputs = x.clone().requires_grad_(), a.clone().requires_grad_()
        value = energy_sliced_wasserstein(inputs[0], y, weights_x=inputs[1], directions=directions)
        first = torch.autograd.grad(value.sum(), inputs, create_graph=True)
        return value, *first, *torch.autograd.grad(sum(g.square().sum() for g in first), inputs)

    whole = run()
    monkeypatch.setattr(_sets, "CHUNK", 2 * 12 * 2)  # two directions at a time
    for one, other in zip(whole, run(), strict=True):
        torch.testing.assert_close(one, other)


def test_memory_does_not_grow_with_features_times_projections(monkeypatch):
    """(B, N, P, D) would take 26 GB in float32."""
    x, y = torch.randn(2, 1000, 1024), torch.randn(8, 1024)
    n_projections = 3200
    with LargestTensor() as largest:
        otseg.sliced_wasserstein(x, y, n_projections=n_projections)
    assert 2 * 1000 * n_projections * 1024 * 4 > 20e9
    assert largest.size <= 2 * 1008 * n_projections  # never more than one number per point and projection
    monkeypatch.setattr(_sets, "CHUNK", 2**20)
    monkeypatch.setattr(sliced_pairs, "CHUNK", 2**20)
    directions = torch.randn(400, 1024)
    with LargestTensor() as largest:
        value = otseg.sliced_wasserstein(x.requires_grad_(), y, directions=directions)
        value.sum().backward()
    assert largest.size <= max(2 * x.numel(), 2**20)
    with LargestTensor() as largest:
        sliced_pairwise(x, y, directions=directions).sum().backward()
    assert largest.size <= max(2 * x.numel(), 2**20)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"y": torch.rand(2, 4)}, ValueError, "`y` must be of shape"),
        ({"x": torch.rand(1, 0, 3)}, ValueError, "`x` must be non-empty"),
        ({"x": torch.tensor([[[0.0, torch.nan, 0.0]]])}, ValueError, "`x` must be finite"),
        ({"weights_x": torch.tensor([1.0, -1.0, 2.0, 0.0])}, ValueError, "`weights_x` must be at least 0"),
        ({"weights_x": torch.zeros(4)}, ValueError, "`weights_x` must be of positive total mass"),
        ({"weights_y": torch.ones(3)}, ValueError, "`weights_y` must be of shape"),
        ({"weights_y": torch.ones(2).double()}, TypeError, "`weights_y` must be of the dtype"),
        ({"mask_x": torch.ones(4)}, TypeError, "`mask_x` must be a boolean tensor"),
        ({"mask_x": torch.zeros(1, 4, dtype=torch.bool)}, ValueError, "`mask_x` must be True on a point of every set"),
        ({"p": 0.5}, ValueError, "`p` must be a number >= 1"),
        ({"p": math.inf}, ValueError, "`p` must be finite"),
        ({"n_projections": 0}, ValueError, "`n_projections` must be an integer >= 1"),
        ({"directions": torch.ones(2, 4)}, ValueError, "`directions` must be of shape"),
        ({"directions": torch.ones(2, 3).double()}, TypeError, "`directions` must be of the dtype"),
        ({"projection": "ball"}, ValueError, "`projection` must be one of"),
    ],
)
def test_bad_arguments_are_refused(change, error, message):
    arguments = {"x": torch.rand(1, 4, 3), "y": torch.rand(2, 3)} | change
    with pytest.raises(error, match=message):
        otseg.sliced_wasserstein(arguments.pop("x"), arguments.pop("y"), **arguments)
