import pytest
import torch

from otseg.data.signal import autoregressive, draw_features


def test_noise_has_unit_variance_and_the_correlation(generator):
    white = torch.randn(4000, 50, generator=generator)
    z = autoregressive(white, 0.8).double()
    assert z.std() == pytest.approx(1.0, abs=0.02)
    for lag in (1, 2, 5):
        assert (z[lag:] * z[:-lag]).mean() == pytest.approx(0.8**lag, abs=0.02)


def test_noise_is_the_recursion(generator):
    white = torch.randn(6, 2, generator=generator)
    z = autoregressive(white, 0.6)
    expected = white[0]
    assert torch.allclose(z[0], expected)
    for n in range(1, 6):
        expected = 0.6 * expected + 0.8 * white[n]
        assert torch.allclose(z[n], expected, atol=1e-6)
    assert torch.allclose(autoregressive(white, 0.0), white)


@pytest.mark.parametrize("difficulty", [0.0, 0.5, 1.0])
def test_distance_of_means(difficulty, generator):
    """Means of two actions, from many frames of independent noise, are 8^(1 - difficulty) apart."""
    labels = [torch.arange(30).repeat_interleave(2000)]
    (x,) = draw_features(
        labels, 30, 64, difficulty=difficulty, noise_correlation=0.0, video_offset=0.0, generator=generator
    )
    means = x.reshape(30, 2000, 64).mean(dim=1)
    distance = torch.pdist(means).square().mean().sqrt()
    assert distance == pytest.approx(8 ** (1 - difficulty), rel=0.08)


def test_offset_is_one_per_video_and_means_are_shared(generator):
    labels = [torch.tensor([0, 1]).repeat_interleave(3000)] * 2
    quiet = {"difficulty": 0.0, "noise_correlation": 0.0}
    x, y = draw_features(labels, 2, 8, video_offset=0.0, generator=generator, **quiet)
    assert (x[:3000].mean(dim=0) - y[:3000].mean(dim=0)).abs().max() < 0.12  # noise alone: 0.026 each
    x, y = draw_features(labels, 2, 8, video_offset=2.0, generator=generator, **quiet)
    first, second = (x[:3000] - y[:3000]).mean(dim=0), (x[3000:] - y[3000:]).mean(dim=0)
    assert first.abs().max() > 1
    assert (first - second).abs().max() < 0.15


def test_background_segments_have_means_of_their_own(generator):
    labels = [torch.tensor([-1, 0, -1, 0]).repeat_interleave(2000)]
    (x,) = draw_features(labels, 1, 8, difficulty=0.0, noise_correlation=0.0, generator=generator)
    a, b, c, d = x.reshape(4, 2000, 8).mean(dim=1)
    assert (b - d).norm() < 0.3
    assert min((a - b).norm(), (a - c).norm(), (b - c).norm()) > 2


def test_bad_settings():
    labels = [torch.zeros(3, dtype=torch.int64)]
    for name, value in [("difficulty", 1.5), ("noise_correlation", 1.0), ("video_offset", -1.0)]:
        with pytest.raises(ValueError, match=f"`{name}`"):
            draw_features(labels, 1, 2, **{name: value})
    with pytest.raises(ValueError, match="`n_features`"):
        draw_features(labels, 1, 0)
