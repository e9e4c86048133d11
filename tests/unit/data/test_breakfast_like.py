import math
from collections import Counter, defaultdict
from itertools import pairwise

import pytest
import torch

from otseg.data import LAYOUTS, breakfast_like, breakfast_statistics

ACTIVITIES = sorted(LAYOUTS["breakfast"].actions)


def runs(labels):
    """Class and length of every segment."""
    values, counts = labels.unique_consecutive(return_counts=True)
    return list(zip(values.tolist(), counts.tolist(), strict=True))


def test_statistics_are_consistent():
    statistics = breakfast_statistics()
    assert "CC BY 4.0" in statistics["attribution"]
    assert sorted(statistics["activities"]) == ACTIVITIES
    for name, activity in statistics["activities"].items():
        n, actions, transitions = activity["n_videos"], activity["actions"], activity["transitions"]
        assert n <= 52  # people, not camera views
        assert len(actions) == LAYOUTS["breakfast"].actions[name]
        assert sum(transitions["<start>"]["<start>"].values()) == n
        states = [(now, after) for nows in transitions.values() for now, after in nows.items()]
        assert sum(after.get("<end>", 0) for _, after in states) == n
        for action, numbers in actions.items():
            arrivals = sum(after.get(action, 0) for _, after in states)
            departures = sum(sum(after.values()) for now, after in states if now == action)
            assert arrivals == departures == numbers["count"]
            assert all(action not in after for now, after in states if now == action)
            assert 1 <= numbers["min"] <= math.exp(numbers["log_mean"]) * 1.001
            assert numbers["min"] <= numbers["mean"] <= numbers["max"]


@pytest.mark.parametrize("activity", ["coffee", "juice", "scrambledegg"])
def test_videos_follow_the_statistics(activity):
    statistics = breakfast_statistics()["activities"][activity]
    n = 800
    data = breakfast_like(activity, n, n_features=1, generator=torch.Generator().manual_seed(0))
    names = list(data.class_names)
    assert names == list(statistics["actions"])
    durations = {name: [] for name in names}
    following = defaultdict(Counter)
    for video in data:
        segments = [(names[k], length) for k, length in runs(video.labels)]
        for name, length in segments:
            durations[name].append(length)
        path = ["<start>", "<start>", *(name for name, _ in segments), "<end>"]
        for before, now, after in zip(path, path[1:], path[2:], strict=False):
            following[before, now][after] += 1
    for name, numbers in statistics["actions"].items():
        expected = numbers["count"] / statistics["n_videos"]  # segments per video
        assert len(durations[name]) / n == pytest.approx(expected, rel=0.15, abs=0.03), name
        if len(durations[name]) > 200:
            log = torch.tensor(durations[name]).double().log()
            assert float(log.mean()) == pytest.approx(numbers["log_mean"], abs=0.12), name
            mean = sum(durations[name]) / len(durations[name])
            assert mean == pytest.approx(numbers["mean"], rel=0.25), name
        assert min(durations[name], default=numbers["min"]) >= numbers["min"]
        assert max(durations[name], default=numbers["max"]) <= numbers["max"]
    for before, nows in statistics["transitions"].items():
        for now, after in nows.items():
            total, drawn = sum(after.values()), sum(following[before, now].values())
            assert set(following[before, now]) <= set(after)
            if drawn > 300:
                for name, count in after.items():
                    assert following[before, now][name] / drawn == pytest.approx(count / total, abs=0.08)
    lengths = torch.tensor([float(video.n_frames) for video in data])
    low, _, median, _, high = statistics["n_frames_quantiles"]
    assert float(lengths.median()) == pytest.approx(median, rel=0.2)
    assert float(lengths.quantile(0.1)) == pytest.approx(low, rel=0.35)
    assert float(lengths.quantile(0.9)) == pytest.approx(high, rel=0.35)


@pytest.mark.parametrize("activity", ACTIVITIES)
def test_every_activity_is_well_formed(activity):
    data = breakfast_like(activity, 5, frames_scale=0.1, generator=torch.Generator().manual_seed(1))
    assert data.activities == (activity,)
    assert data.n_actions == len(data.class_names) == LAYOUTS["breakfast"].actions[activity]
    for video in data:
        assert video.features.shape == (len(video.labels), 64)
        assert all(a != b for (a, _), (b, _) in pairwise(runs(video.labels)))


def test_reproducible_and_scaled():
    def draw(seed, scale):
        generator = torch.Generator().manual_seed(seed)
        return breakfast_like("tea", 3, n_features=2, frames_scale=scale, generator=generator)

    first, again, other = draw(3, 1.0), draw(3, 1.0), draw(4, 1.0)
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a.features, b.features)
        assert torch.equal(a.labels, b.labels)
    assert [v.n_frames for v in first] != [v.n_frames for v in other]
    for a, b in zip(first, draw(3, 0.5), strict=True):
        assert [k for k, _ in runs(a.labels)] == [k for k, _ in runs(b.labels)]
        assert b.n_frames / a.n_frames == pytest.approx(0.5, abs=0.02)


def test_bad_settings():
    with pytest.raises(ValueError, match=r"`activity` must be one of 'cereals', .*got 'toast'"):
        breakfast_like("toast")
    with pytest.raises(ValueError, match="`frames_scale`"):
        breakfast_like("tea", frames_scale=0.0)
    with pytest.raises(ValueError, match="`n_sequences`"):
        breakfast_like("tea", 0)
