import math

import pytest
import torch
from scipy.special import binom

from otseg.data import make_activity
from otseg.metrics import evaluate
from otseg.models import estimate_n_actions, n_actions
from otseg.models.n_actions import _effective_numbers, _log_binomial, _merge_closest


def activity(n_actions, seed=0, n_sequences=8):
    generator = torch.Generator().manual_seed(seed)
    frames = {"n_frames": (60, 90), "noise_correlation": 0.5, "video_offset": 0.0}
    return make_activity(n_sequences, n_actions, 8, difficulty=0.0, generator=generator, **frames)


def estimate(sequences, seed=0, **settings):
    settings = {"max_actions": 8, **settings}
    return estimate_n_actions(sequences, generator=torch.Generator().manual_seed(seed), **settings)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_finds_plain_actions_and_labels_them(k, dtype):
    data = activity(k)
    found = estimate([s.features.to(dtype) for s in data])
    assert found.n_actions == k
    assert found.prototypes.shape == (k, 8)
    assert evaluate(found.labels, [s.labels for s in data]).values["mof"] > 0.95


def test_the_curve_is_the_formula(generator):
    data = activity(3)
    sequences = [s.features.double() for s in data]
    found = estimate(sequences)
    labels, frames = torch.cat(found.labels), torch.cat(sequences)
    squares = (frames - found.prototypes[labels]).square().sum()
    segments = sum(len(x.unique_consecutive()) for x in found.labels)
    n_e, d_e, n = found.n_effective, found.dim_effective, len(sequences)
    code = math.log(binom(n_e - n, segments - n)) + segments * math.log(3)
    assert found.curve[3] == pytest.approx(n_e * d_e / 2 * math.log(squares) + code + 3 * d_e)
    assert found.curve[3] == min(found.curve.values())
    assert list(found.curve) == [8, 7, 6, 5, 4, 3, 2]


def test_a_light_action_dies():
    x = torch.cat([torch.zeros(97, 1), torch.full((3, 1), 9.0), torch.full((100, 1), 5.0)])
    x = x + 0.1 * torch.randn(200, 1, generator=torch.Generator().manual_seed(0))
    kept = estimate([x], min_share=0.0)
    pruned = estimate([x], min_share=0.05)
    assert kept.n_died == 0
    assert pruned.n_died > 0
    assert 3 in kept.curve
    assert len(pruned.curve) < len(kept.curve) == 7


def test_a_generator_decides():
    sequences = [s.features for s in activity(3)]
    one, other = estimate(sequences, seed=4), estimate(sequences, seed=4)
    assert one.curve == other.curve
    assert all(map(torch.equal, one.labels, other.labels))


def test_scale_and_shift_change_nothing():
    sequences = [s.features.double() for s in activity(3)]
    one, other = estimate(sequences), estimate([50 + 100 * x for x in sequences])
    assert all(map(torch.equal, one.labels, other.labels))
    shift = one.n_effective * one.dim_effective * math.log(100)  # the unit of the squares
    assert list(one.curve) == list(other.curve)
    assert list(other.curve.values()) == pytest.approx([value + shift for value in one.curve.values()])


def test_how_sequences_are_batched_changes_nothing(monkeypatch):
    sequences = [s.features.double() for s in activity(3)]
    one = estimate(sequences)
    monkeypatch.setattr(n_actions, "_FRAMES_AT_ONCE", 100)
    other = estimate(sequences)
    assert all(map(torch.equal, one.labels, other.labels))
    assert list(one.curve.values()) == pytest.approx(list(other.curve.values()))


def test_equal_frames_are_one_action():
    found = estimate([torch.ones(9, 2), torch.ones(4, 2)])
    assert found.n_actions == 1
    assert list(found.curve) == [1]


def test_exact_values_are_counted():
    """Without noise every further action is free of squares, and costs."""
    x = torch.tensor([0.0, 1.0, 5.0]).repeat_interleave(10)[:, None]
    assert estimate([x, x.flip(0)]).n_actions == 3


def test_one_frame_and_fewer_frames_than_actions(generator):
    assert estimate([torch.ones(1, 3)]).n_actions == 1
    assert max(estimate([torch.randn(3, 2, generator=generator)]).curve) <= 3


def test_effective_numbers_of_known_noise(generator):
    r, n = 0.8, 40_000
    white = torch.randn(n, 4, dtype=torch.float64, generator=generator)
    x = torch.zeros_like(white)
    for i in range(1, n):
        x[i] = r * x[i - 1] + (1 - r**2) ** 0.5 * white[i]
    n_e, d_e = _effective_numbers([x * torch.tensor([1.0, 1.0, 0.0, 0.0])])
    assert n_e == pytest.approx(n * (1 - r) / (1 + r), rel=0.1)
    assert d_e == pytest.approx(2.0, rel=0.02)
    assert _effective_numbers([torch.ones(50, 1), torch.ones(50, 1)]) == (2.0, 1.0)  # one per sequence at least
    assert _effective_numbers([torch.tensor([[1.0], [-1.0]])])[0] == 2.0  # never more than there are


def test_the_log_of_the_number_of_ways():
    assert _log_binomial(10.0, 3.0) == pytest.approx(math.log(120))
    assert _log_binomial(4.0, 4.0) == pytest.approx(math.log(6))  # more cuts never cost less
    assert _log_binomial(0.0, 5.0) == 0.0


def test_the_merge_is_the_cheapest_of_all():
    prototypes, mass = torch.tensor([[0.0], [3.0], [4.0], [10.0]]), torch.tensor([1.0, 100.0, 100.0, 1.0])
    # Ward: 1 * 100 / 101 * 9 = 8.9 for the first two, 50 for the middle two.
    assert _merge_closest(prototypes, mass).tolist() == [[pytest.approx(300 / 101)], [4.0], [10.0]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_actions": 0}, "`max_actions` must be an integer >= 1"),
        ({"min_share": -0.1}, "`min_share` must be a number >= 0"),
        ({"min_share": 0.125}, "`min_share` must be below 1 / max_actions = 1 / 8; got 0.125"),
        ({"epsilon": -1.0}, "`epsilon` must be"),
    ],
)
def test_refuses_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        estimate([torch.arange(6.0)[:, None]], **settings)


@pytest.mark.parametrize("sequences", [[], [torch.tensor([[math.nan]])], [torch.zeros(0, 2)]])
def test_refuses_sequences(sequences):
    with pytest.raises(ValueError, match="`sequences"):
        estimate(sequences)
