import pytest
import torch

from otseg.models import spectral_frames
from otseg.models.spectral import by_first_frame


def test_two_clusters_are_the_sign_of_the_second_eigenvector(generator):
    """The relaxed normalized cut, from its definition."""
    x = torch.cat([torch.randn(12, 2, generator=generator), 3 + torch.randn(9, 2, generator=generator)]).double()
    squared = torch.cdist(x, x).square()
    t = torch.arange(21).double() / 21
    affinity = torch.exp(-squared / (2 * 0.5**2 * squared.mean()) - (t[:, None] - t).square() / (2 * 0.2**2))
    scale = affinity.sum(dim=1).rsqrt()
    second = torch.linalg.eigh(scale[:, None] * affinity * scale).eigenvectors[:, -2] * scale
    expected = by_first_frame((second > 0).long())
    assert (spectral_frames([x], 2, generator=generator)[0] != expected).sum() <= 1  # k-means rounds it, not the sign


def test_a_short_window_cuts_time_and_no_window_lets_actions_come_back(generator):
    x = torch.tensor([0.0] * 10 + [1.0] * 10 + [0.0] * 10)[:, None] + 0.05 * torch.randn(30, 1, generator=generator)
    far = spectral_frames([x], 2, window=float("inf"), bandwidth=0.3, generator=generator)[0]
    near = spectral_frames([x], 3, window=0.2, bandwidth=0.3, generator=generator)[0]
    assert far.tolist() == [0] * 10 + [1] * 10 + [0] * 10
    assert near.tolist() == [0] * 10 + [1] * 10 + [2] * 10


def test_scale_changes_nothing(generator):
    x = torch.randn(40, 3, dtype=torch.float64, generator=generator).cumsum(0)
    a, b = (spectral_frames([s * x], 4, generator=torch.Generator().manual_seed(0))[0] for s in (1.0, 100.0))
    assert torch.equal(a, b)


def test_long_sequences_are_refused():
    message = r"`sequences\[0\]` must be of at most max_frames = 10 frames; got 11"
    with pytest.raises(ValueError, match=message):
        spectral_frames([torch.zeros(11, 2)], 2, max_frames=10)


@pytest.mark.parametrize("name", ["bandwidth", "window"])
def test_refuses(name):
    with pytest.raises(ValueError, match=f"`{name}` must be a number > 0; got 0"):
        spectral_frames([torch.zeros(3, 2)], 2, **{name: 0})


def test_by_first_frame():
    assert by_first_frame(torch.tensor([7, 7, 2, 9, 2])).tolist() == [0, 0, 1, 2, 1]
