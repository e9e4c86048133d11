import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from otseg.metrics import segment_f1


def published(target, seed=0, labels=None, **options):
    generator = torch.Generator().manual_seed(seed)
    return segment_f1(labels or target, target, protocol="published", generator=generator, **options)


def video(actions, frames):
    return np.repeat(actions, frames)


ALTERNATING = [video([0, 1] * 10, 50)]
HALF_THE_ACTIONS = [video([0, 1], 50), video([2, 3], 50)]
ONE_FRAME = [video(np.arange(8), 1), video(np.arange(8)[::-1], 1)[[1, 0, 2, 3, 4, 5, 6, 7]]]
TWO_FRAMES = [np.repeat(x, 2) for x in ONE_FRAME]
SHARED_BORDER = [video([0, 1], 50), video([1, 0], 50)]


@pytest.mark.parametrize("protocol", ["asot", "cte"])
@pytest.mark.parametrize("target", [ALTERNATING, HALF_THE_ACTIONS, ONE_FRAME, TWO_FRAMES, SHARED_BORDER])
def test_a_perfect_prediction_scores_one(target, protocol):
    assert segment_f1(target, target, protocol=protocol) == 1.0


@pytest.mark.parametrize(
    ("target", "value", "tolerance"),
    [
        (ALTERNATING, 40 / 22, 1e-12),  # 1.82: 20 segments, 1 video of 2 classes
        (HALF_THE_ACTIONS, 2 / 3, 1e-12),  # 4 segments, 2 videos of 4 classes
        (TWO_FRAMES, 0.92, 0.03),  # P(more than 7 of 15 at 2/3) = 0.912, the last segment is sure
        (ONE_FRAME, 0.53, 0.05),  # P(more than 7 of 15 at 1/2) = 0.5, the last segment is sure
        (SHARED_BORDER, 6 / 7, 1e-12),  # 3 segments instead of 4, 2 videos of 2 classes
    ],
)
def test_the_published_protocol_has_the_published_flaws(target, value, tolerance):
    assert published(target) == pytest.approx(value, abs=tolerance)


def test_the_published_protocol_merges_across_ignored_frames():
    target = [video([0, 9, 0, 1], 50)]
    assert published(target, ignore_labels=(9,)) == 1.0  # 2 segments and 2 classes, though 3 segments are left
    assert segment_f1(target, target, ignore_labels=(9,)) == 1.0
    labels = [video([0, 9, 1, 1], 50)]  # the second 0 is missed
    assert segment_f1(labels, target, ignore_labels=(9,)) == pytest.approx(0.8)  # 2 of 2 predicted, 2 of 3 true


def test_the_generator_decides_what_is_drawn():
    assert published(ONE_FRAME, 1) == published(ONE_FRAME, 1) != published(ONE_FRAME, 2)
    torch.manual_seed(3)
    first = segment_f1(ONE_FRAME, ONE_FRAME, protocol="published")
    torch.manual_seed(3)
    assert segment_f1(ONE_FRAME, ONE_FRAME, protocol="published") == first


def test_samples_are_uniform_over_the_segment_and_the_frame_after_it():
    # 30 segments of 3 frames of which one is right, and the frame after is wrong: 1/4 is right.
    target = [video([0, 1] * 15, 3)]
    labels = [np.where(np.arange(90) % 3 == 0, target[0], 5)]
    probability = sum(_binomial(15, k, 1 / 4) for k in range(8, 16))
    expected = 2 * 30 * probability / (2 + 30)
    assert published(target, labels=labels) == pytest.approx(expected, abs=0.03)


def _binomial(n, k, p):
    return float(torch.distributions.Binomial(n, torch.tensor(p)).log_prob(torch.tensor(float(k))).exp())


@pytest.mark.parametrize(
    ("labels", "target", "asot", "cte"),
    [
        # half of the frames is no majority
        ([0, 0, 1, 1], [0, 0, 0, 0], 0.0, 2 * (1 / 2 * 1 / 4) / (1 / 2 + 1 / 4)),
        ([0, 0, 0, 1], [0, 0, 0, 0], 2 / 3, 1 / 2),  # precision 1/2 (3/8), recall 1 (3/4)
        # splitting costs precision: 4 of 5 frames are right, 3 segments
        ([0, 0, 1, 0, 0], [0, 0, 0, 0, 0], 0.5, 2 * (4 / 15 * 4 / 5) / (4 / 15 + 4 / 5)),
        # one predicted segment over two true ones is one right segment, not two
        ([0, 0, 0, 0, 0], [0, 0, 1, 0, 0], 0.8, 0.8),
        ([2, 2, 2], [0, 0, 1], 0.0, 0.0),
        ([-1, -1, 0], [1, 0, 0], 0.0, 1 / 3),  # no prediction is no segment: 1/2 of 1 and of 2
        ([-2, -2, 0], [1, 0, 0], 0.0, 0.25),  # no class is one: 1/2 of 2 and of 2
    ],
)
def test_worked_examples(labels, target, asot, cte):
    assert segment_f1([labels], [target], protocol="asot") == pytest.approx(asot)
    assert segment_f1([labels], [target], protocol="cte") == pytest.approx(cte)


def test_sums_run_over_all_videos():
    labels, target = [[0, 0, 0], [1, 2, 3]], [[0, 0, 0], [1, 1, 1]]
    assert segment_f1(labels, target) == pytest.approx(2 * (1 / 4 * 1 / 2) / (1 / 4 + 1 / 2))


def test_background_segments_are_not_scored():
    labels, target = [[9, 9, 1, 9]], [[9, 1, 1, 1]]
    assert segment_f1(labels, target, protocol="cte", background=(9,)) == pytest.approx(1 / 3)
    assert segment_f1([[9, 9]], [[9, 9]], background=(9,)) == 1.0
    assert segment_f1([[9, 1]], [[9, 9]], background=(9,)) == 0.0
    with pytest.raises(ValueError, match=r"`background` must be empty for protocol='published'; got \[9\]"):
        published(target, background=(9,))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(-2, 2), st.integers(0, 2)), min_size=1, max_size=15))
def test_the_exact_kinds_are_fractions_and_one_for_a_perfect_prediction(frames):
    x, y = (list(values) for values in zip(*frames, strict=True))
    for protocol in ("asot", "cte"):
        assert 0 <= segment_f1([x], [y], protocol=protocol) <= 1
        assert segment_f1([y], [y], protocol=protocol) == 1
    assert (segment_f1([x], [y], protocol="cte") == 1) == (x == y)


def test_unknown_protocols_are_refused():
    with pytest.raises(ValueError, match=r"`protocol` must be one of 'asot', 'cte', 'published'; got 'sampled'"):
        segment_f1([[0]], [[0]], protocol="sampled")
