from itertools import pairwise, permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from otseg.data import make_activity
from otseg.data.synthetic import _apportion, _draw_transcript


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def transcript(labels):
    return [k for k in labels.unique_consecutive().tolist() if k >= 0]


@settings(max_examples=40)
@given(
    seed=st.integers(0, 1000),
    n_actions=st.integers(1, 8),
    order_variation=st.floats(0, 1),
    repeat=st.sampled_from([0.0, 0.5, 1.0]),
    skip=st.sampled_from([0.0, 0.5, 1.0]),
    background=st.sampled_from([0.0, 0.3]),
    tail=st.floats(0, 3),
)
def test_videos_are_well_formed(seed, n_actions, order_variation, repeat, skip, background, tail):
    data = make_activity(
        3,
        n_actions,
        2,
        n_frames=(30, 60),
        order_variation=order_variation,
        repeat_probability=repeat,
        skip_probability=skip,
        background=background,
        duration_tail=tail,
        generator=seeded(seed),
    )
    assert data.n_actions == n_actions == len(data.class_names)
    for video in data:
        assert 30 <= video.n_frames <= 60
        assert int((video.labels < 0).sum()) == round(background * video.n_frames)
        actions = transcript(video.labels)
        assert all(0 <= k < n_actions for k in actions)
        assert len(actions) >= 1
        assert all(k != after for k, after in pairwise(actions))
        counts = torch.bincount(torch.tensor(actions))
        assert counts.max() <= 2
        if not repeat:
            assert counts.max() == 1
        if not skip:
            assert set(actions) == set(range(n_actions))
        if skip == 1.0 and not repeat:
            assert len(actions) == 1
        if repeat == 1.0 and not skip and n_actions > 2:
            assert len(actions) == 2 * n_actions


def test_reproducible_given_the_generator():
    first, again, other = (make_activity(2, generator=seeded(s)) for s in (3, 3, 4))
    assert all(torch.equal(a.features, b.features) for a, b in zip(first, again, strict=True))
    assert all(torch.equal(a.labels, b.labels) for a, b in zip(first, again, strict=True))
    assert first[0].features.shape != other[0].features.shape or not torch.equal(first[0].features, other[0].features)


def test_order_variation():
    def orders(variation):
        generator = seeded()
        return [tuple(_draw_transcript(3, variation, 0.0, 0.0, generator).tolist()) for _ in range(600)]

    assert set(orders(0.0)) == {(0, 1, 2)}
    counts = [orders(1.0).count(p) for p in permutations(range(3))]
    assert max(abs(count - 100) for count in counts) < 40  # 4.4 standard deviations
    assert orders(0.5).count((0, 1, 2)) > 150


def test_skips_and_repeats_have_their_probability():
    def mean_length(repeat, skip):
        generator = seeded()
        return sum(len(_draw_transcript(10, 0.0, repeat, skip, generator)) for _ in range(400)) / 400

    assert mean_length(0.0, 0.3) == pytest.approx(7, abs=0.3)
    assert mean_length(0.2, 0.0) == pytest.approx(12, abs=0.3)


def test_duration_tail():
    def spread(tail):
        data = make_activity(200, 5, 1, n_frames=(5000, 5000), duration_tail=tail, generator=seeded())
        logs = [torch.bincount(video.labels).double().log() for video in data]
        return torch.stack(logs)  # (V, K)

    assert spread(0.0).std() < 1e-3
    between = spread(1.0).diff(dim=1) / 2**0.5  # the common factor of a video cancels
    within = between - between.mean(dim=0)
    assert within.std() == pytest.approx(0.5**0.5, rel=0.12)  # half of the variance is the segment's own


def test_difficulty_is_how_well_frames_tell_their_action():
    def accuracy(difficulty):
        data = make_activity(
            6, 5, 32, difficulty=difficulty, noise_correlation=0.0, video_offset=0.0, generator=seeded()
        )
        x, y = torch.cat([v.features for v in data]), torch.cat([v.labels for v in data])
        means = torch.stack([x[y == k].mean(dim=0) for k in range(5)])
        return float((torch.cdist(x, means).argmin(dim=1) == y).double().mean())

    easy, middle, hard = accuracy(0.0), accuracy(0.5), accuracy(1.0)
    assert easy > 0.99
    assert 0.6 < middle < 0.95
    assert 0.25 < hard < 0.65


@given(shares=st.lists(st.floats(0.01, 10), min_size=1, max_size=9), total=st.integers(0, 200))
def test_apportion(shares, total):
    parts = _apportion(torch.tensor(shares), total)
    assert int(parts.sum()) == total
    assert (parts >= 0).all()
    exact = total * torch.tensor(shares).double() / torch.tensor(shares).double().sum()
    assert (parts - exact).abs().max() <= 1 + 1e-9


def test_bad_settings():
    with pytest.raises(ValueError, match=r"`n_frames` must be .*room for 12 segments.*got"):
        make_activity(n_frames=(11, 20), repeat_probability=0.1)
    with pytest.raises(ValueError, match="`n_frames`"):
        make_activity(n_frames=(30, 20))
    with pytest.raises(ValueError, match="`n_frames`"):
        make_activity(n_frames=(30, 40), background=1.0)
    for name in ("order_variation", "repeat_probability", "skip_probability", "background", "difficulty"):
        with pytest.raises(ValueError, match=f"`{name}`"):
            make_activity(2, **{name: 1.1})
    with pytest.raises(ValueError, match="`n_sequences`"):
        make_activity(0)
