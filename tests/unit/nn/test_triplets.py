import math

import numpy as np
import pytest
import torch

from otseg.nn import affinity_triplet_loss


def problem(generator, lengths=(26, 11), dim=4):
    z = torch.randn(len(lengths), max(lengths), dim, generator=generator, dtype=torch.float64)
    return z, torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def brute_force(z, n_actions, mix, bandwidth, margin):
    """One sequence, one frame at a time."""
    z = z.numpy() / np.linalg.norm(z.numpy(), axis=1, keepdims=True)
    n = len(z)
    half_life = n / (2 * n_actions)
    i, j = np.indices((n, n))
    t = np.maximum(2 * 0.5 ** (abs(i - j) / half_life) - 1, 0)
    s = np.exp(-(1 - z @ z.T) / bandwidth)
    f = mix * t / t.sum(1, keepdims=True) + (1 - mix) * s / s.sum(1, keepdims=True)
    total = 0.0
    for row in range(n):
        others = sorted((m for m in range(n) if m != row), key=lambda m: -f[row, m])
        alike, rest = others[: math.ceil((n - 1) / 20)], others[math.ceil((n - 1) / 20) :]
        mean, spread = f[row].mean(), f[row].std()
        apart = [m for m in rest if mean < f[row, m] < mean + spread]
        apart = apart or [m for m in rest if f[row, m] > mean] or rest
        if not alike or not apart:
            continue
        kl = [float((f[row] * np.log(f[row] / f[m])).sum()) for m in range(n)]
        total += max((np.mean([kl[m] for m in alike]) - np.mean([kl[m] for m in apart])) / n + margin, 0)
    return total / n


@pytest.mark.parametrize(
    ("n_actions", "mix", "bandwidth", "margin"), [(3, 0.5, 0.1, 1.0), (5, 0.2, 0.5, 0.1), (1, 0.9, 2.0, 0.3)]
)
def test_equals_the_sum_over_frames(n_actions, mix, bandwidth, margin, generator):
    z, mask = problem(generator)
    rows = [brute_force(x[real], n_actions, mix, bandwidth, margin) for x, real in zip(z, mask, strict=True)]
    loss = affinity_triplet_loss(z, mask, n_actions=n_actions, mix=mix, bandwidth=bandwidth, margin=margin)
    assert float(loss) == pytest.approx(sum(rows) / len(rows), rel=1e-9)
    assert float(loss) > 0


def test_short_sequences_fall_back_to_more_or_less_alike_frames(generator):
    # Two groups of frames at right angles: what is not the most alike frame is as alike, or hardly alike at all.
    for sizes in ((2, 2), (3, 5), (1, 3), (1, 1), (5, 1)):
        z = torch.eye(3, dtype=torch.float64)[[0] * sizes[0] + [1] * sizes[1]]
        z = (z + 0.01 * torch.randn(z.shape, generator=generator, dtype=torch.float64)).unsqueeze(0)
        mask = torch.ones(1, sum(sizes), dtype=torch.bool)
        loss = affinity_triplet_loss(z, mask, n_actions=4, mix=0.1, bandwidth=0.3)
        assert float(loss) == pytest.approx(brute_force(z[0], 4, 0.1, 0.3, 1.0), rel=1e-9), sizes


def test_gradient_in_embeddings_and_mix(generator):
    z, mask = problem(generator, lengths=(9, 6), dim=3)
    mix = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)

    def loss(x, mix):
        return affinity_triplet_loss(x, mask, n_actions=2, mix=mix, bandwidth=0.5)

    assert torch.autograd.gradcheck(loss, (z.requires_grad_(), mix))
    assert torch.autograd.gradgradcheck(loss, (z, mix))


def test_padding_and_neighbors_change_nothing(generator):
    z, mask = problem(generator)
    alone = [
        affinity_triplet_loss(x[real][None], real[real][None], n_actions=3) for x, real in zip(z, mask, strict=True)
    ]
    dirty = z.masked_fill(~mask.unsqueeze(2), torch.nan).requires_grad_()
    loss = affinity_triplet_loss(dirty, mask, n_actions=3)
    torch.testing.assert_close(loss, torch.stack(alone).mean())
    loss.backward()
    assert torch.isfinite(dirty.grad).all()
    assert not dirty.grad[~mask].any()


@pytest.mark.parametrize("n", [1, 2])
def test_a_sequence_without_triplets_is_no_loss(n):
    z = torch.randn(1, n, 3, requires_grad=True)
    loss = affinity_triplet_loss(z, torch.ones(1, n, dtype=torch.bool), n_actions=2)
    loss.backward()
    assert float(loss.detach()) == 0
    assert not z.grad.any()


def test_stays_finite_where_affinities_underflow(generator):
    z, mask = problem(generator)
    z = z.float().requires_grad_()
    loss = affinity_triplet_loss(z, mask, n_actions=4, bandwidth=0.005)  # exp(-2 / 0.005) is 0
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(z.grad).all()


def test_ties_between_equal_frames_are_finite():
    z = torch.ones(1, 12, 3, requires_grad=True)
    loss = affinity_triplet_loss(z, torch.ones(1, 12, dtype=torch.bool), n_actions=3)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(z.grad).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_actions": 0}, "`n_actions` must be an integer >= 1"),
        ({"mix": 1.0}, "`mix` must be below 1"),
        ({"bandwidth": 0.0}, "`bandwidth` must be a number > 0"),
        ({"margin": -1.0}, "`margin` must be a number >= 0"),
    ],
)
def test_refuses(options, message, generator):
    with pytest.raises(ValueError, match=message):
        affinity_triplet_loss(*problem(generator), **{"n_actions": 3, **options})
