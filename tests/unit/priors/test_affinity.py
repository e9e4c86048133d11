"""Feature affinity against its formula, entry by entry."""

import math

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from otseg.priors import FeatureAffinity, GromovWasserstein, TemporalWindow


def dense_affinity(x, n, reach, strength, bandwidth):
    """The matrix of the first ``n`` frames of one sequence."""
    matrix = torch.zeros(n, n, dtype=torch.float64)
    for i in range(n):
        for j in range(n):
            if 0 < abs(i - j) <= reach:
                lengths = float(x[i].norm() * x[j].norm())
                cosine = float(x[i] @ x[j]) / lengths if lengths else 0.0
                matrix[i, j] = n / reach * (1 + strength * math.exp(-(1 - cosine) / bandwidth))
    return matrix


@pytest.mark.parametrize("radius", [0.01, 0.2, 1.0, 3, 100])
def test_equals_the_formula(generator, radius):
    lengths, frames = (40, 23, 1), 40
    mask = torch.arange(frames) < torch.tensor(lengths)[:, None]
    features = torch.randn(3, frames, 4, generator=generator, dtype=torch.float64)
    features[0, 5] = 0
    x = torch.rand(3, frames, 2, generator=generator, dtype=torch.float64) * mask.unsqueeze(2)
    strength, bandwidth = (torch.tensor(v, dtype=torch.float64) for v in ([0.5, 2.0, 1.0], [0.1, 1.0, 0.5]))
    structure = FeatureAffinity(features, radius, strength, bandwidth)
    out, squared, bound = (
        structure.apply(x, mask),
        structure.apply_squared(x, mask),
        structure.row_bound(x[:, :, 0], mask),
    )
    for i, n in enumerate(lengths):
        reach = min(n, radius) if isinstance(radius, int) else max(1, int(n * radius))
        matrix = dense_affinity(features[i], n, reach, float(strength[i]), float(bandwidth[i]))
        torch.testing.assert_close(out[i, :n], matrix @ x[i, :n])
        torch.testing.assert_close(squared[i, :n], matrix**2 @ x[i, :n])
        torch.testing.assert_close(bound[i], (matrix @ x[i, :n, 0]).max())


def test_without_strength_it_is_the_window(generator):
    mask = torch.arange(30) < torch.tensor([[30], [17]])
    x = torch.rand(2, 30, 3, generator=generator, dtype=torch.float64) * mask.unsqueeze(2)
    features = torch.randn(30, 4, generator=generator, dtype=torch.float64)
    for radius in (0.1, 4):
        torch.testing.assert_close(
            FeatureAffinity(features, radius, strength=0.0).apply(x, mask), TemporalWindow(radius).apply(x, mask)
        )


@pytest.mark.parametrize("radius", [0.4, 2])
def test_derivatives(generator, radius):
    mask = torch.arange(7) < torch.tensor([[7], [4]])
    x = torch.rand(2, 7, 2, generator=generator, dtype=torch.float64) * mask.unsqueeze(2)
    features = torch.randn(2, 7, 3, generator=generator, dtype=torch.float64).requires_grad_()
    values = [torch.tensor([0.5, 1.5], dtype=torch.float64, requires_grad=True) for _ in range(2)]

    def run(features, strength, bandwidth):
        structure = FeatureAffinity(features, radius, strength, bandwidth)
        return structure.apply(x, mask), structure.apply_squared(x, mask)

    assert gradcheck(run, (features, *values))
    assert gradgradcheck(run, (features, *values))


def test_a_zero_vector_has_a_zero_gradient():
    features = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]], requires_grad=True)
    FeatureAffinity(features, 1).apply(torch.ones(1, 3, 1), torch.ones(1, 3, dtype=torch.bool)).sum().backward()
    assert torch.isfinite(features.grad).all()
    assert (features.grad[0] == 0).all()


def test_half_precision_and_autocast_compute_in_single(generator):
    features, mask = torch.randn(1, 50, 8, generator=generator), torch.ones(1, 50, dtype=torch.bool)
    plan = torch.rand(1, 50, 3, generator=generator) / 150
    half = FeatureAffinity(features.bfloat16(), 0.1)
    assert half.blocks.dtype == torch.float32
    expected = GromovWasserstein(1.0, FeatureAffinity(features, 0.1)).energy_and_grad(plan, mask)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = GromovWasserstein(1.0, FeatureAffinity(features, 0.1)).energy_and_grad(plan, mask)
    for one, other in zip(result, expected, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("features", (torch.ones(3), 1)),
        ("features", (torch.full((3, 2), math.inf), 1)),
        ("radius", (torch.ones(3, 2), 0)),
        ("strength", (torch.ones(3, 2), 1, -1.0)),
        ("strength", (torch.ones(3, 4, 2), 1, torch.ones(2))),
        ("bandwidth", (torch.ones(3, 2), 1, 1.0, 0.0)),
        ("bandwidth", (torch.ones(2, 4, 2), 1, 1.0, torch.tensor([1.0, 0.0]))),
    ],
)
def test_bad_arguments_are_refused(name, arguments):
    with pytest.raises((ValueError, TypeError), match=f"`{name}` must be"):
        FeatureAffinity(*arguments)


def test_features_of_other_frames_are_refused():
    with pytest.raises(ValueError, match="`features` must be of 6 frames"):
        FeatureAffinity(torch.ones(5, 2), 1).apply(torch.ones(1, 6, 1), torch.ones(1, 6, dtype=torch.bool))
