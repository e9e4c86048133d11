import itertools
import math

import pytest
import torch

from otseg.models import gaussian_viterbi
from otseg.models.gaussian_viterbi import decode_frames
from otseg.models.gaussians import Gaussians, variance_floor


def objective(frames, lengths, labels, gaussians, temperature, stay):
    """The docstring's, term by term."""
    total = float(gaussians.scores(frames).gather(1, labels[:, None]).sum()) / temperature
    for part in labels.split(lengths):
        same = (part.diff() == 0).sum().item()
        total += same * math.log(stay) + (len(part) - 1 - same) * math.log((1 - stay) / (len(gaussians.means) - 1))
    return total


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_the_objective_never_falls(generator, covariance, temperature):
    lengths = [80, 55]  # slow waves in as much noise: k-means leaves much to do
    slow = [torch.sin(torch.arange(n).double() / 9)[:, None] for n in lengths]
    sequences = [x + torch.randn(len(x), 3, dtype=torch.float64, generator=generator) for x in slow]
    frames = torch.cat(sequences)
    settings = {"covariance": covariance, "floor": 0.05}
    values = []
    for turns in range(1, 7):
        seeded = torch.Generator().manual_seed(3)
        options = {**settings, "temperature": temperature, "self_probability": 0.9}
        labels = torch.cat(gaussian_viterbi(sequences, 4, max_iter=turns, generator=seeded, **options))
        fitted = Gaussians.fit(frames, labels, 4, covariance=covariance, floor=variance_floor(frames, 0.05))
        if labels.unique().numel() < 4:
            break  # an action that lost its frames keeps an old Gaussian, which this test does not know
        values.append(objective(frames, lengths, labels, fitted, temperature, 0.9))
    assert all(after >= before - 1e-9 for before, after in itertools.pairwise(values))
    assert temperature > 1 or values[-1] > values[0] + 0.1


@pytest.mark.parametrize("order", [None, [1, 0]])
def test_decodes_the_best_of_all_paths(generator, order):
    scores = torch.randn(9, 2, dtype=torch.float64, generator=generator)
    found = decode_frames(scores, [scores[:5], scores[5:]], order, 0.7).split([5, 4])
    for own, path in zip(scores.split([5, 4]), found, strict=True):

        def value(labels, own=own):
            if order is not None:
                runs = [k for k, _ in itertools.groupby(labels)]
                allowed = runs == order
            else:
                allowed = True
            same = sum(a == b for a, b in itertools.pairwise(labels))
            switch = (len(labels) - 1 - same) * math.log(0.3) + same * math.log(0.7)
            return sum(float(own[n, k]) for n, k in enumerate(labels)) + switch if allowed else -math.inf

        assert tuple(path.tolist()) == max(itertools.product(range(2), repeat=len(own)), key=value)


def test_ordered_paths_hold_every_action_once_in_order(generator):
    sequences = [torch.randn(n, 2, generator=generator) for n in (12, 7)]
    for labels in gaussian_viterbi(sequences, 5, transitions="ordered"):
        assert labels.unique_consecutive().tolist() == [0, 1, 2, 3, 4]


def test_scale_and_company_of_padding_change_nothing(generator):
    sequences = [torch.randn(n, 2, dtype=torch.float64, generator=generator).cumsum(0) for n in (30, 17)]
    one = gaussian_viterbi(sequences, 3, transitions="ordered")
    scaled = gaussian_viterbi([1000 * x for x in sequences], 3, transitions="ordered")
    turned = gaussian_viterbi(sequences[::-1], 3, transitions="ordered")[::-1]
    assert all(map(torch.equal, one, scaled))
    assert all(map(torch.equal, one, turned))


def test_a_higher_temperature_gives_longer_segments(generator):
    x = torch.randn(200, 4, generator=generator)

    def count(temperature):
        seeded = torch.Generator().manual_seed(0)
        return len(gaussian_viterbi([x], 4, temperature=temperature, generator=seeded)[0].unique_consecutive())

    assert count(5.0) < count(1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"transitions": "left"}, "`transitions` must be one of 'free', 'ordered'"),
        ({"covariance": "tied"}, "`covariance` must be one of"),
        ({"self_probability": 1.0}, "`self_probability` must be between 0 and 1"),
        ({"temperature": 0}, "`temperature` must be a number > 0"),
        ({"floor": 0}, "`floor` must be a number > 0"),
        ({"max_iter": 0}, "`max_iter` must be an integer >= 1"),
    ],
)
def test_refuses(settings, message):
    with pytest.raises(ValueError, match=message):
        gaussian_viterbi([torch.zeros(4, 2)], 2, **settings)
