import math

import pytest
import torch
from torch.nn.functional import normalize

from otseg.nn import temporal_coherence_loss


def problem(generator, lengths=(9, 5), dim=4):
    z = torch.randn(len(lengths), max(lengths), dim, generator=generator, dtype=torch.float64)
    return z, torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def brute_force(z, reach, temperature):
    """The sum over pairs of one sequence, one pair at a time."""
    z, n = normalize(z, dim=1), len(z)
    s = [[float(z[i] @ z[j]) / temperature for j in range(n)] for i in range(n)]
    total = 0.0
    for i in range(n):
        near = [p for p in range(n) if 0 < abs(i - p) <= reach]
        far = sum(math.exp(s[i][j]) for j in range(n) if abs(i - j) > reach)
        for p in near:
            total -= math.log(math.exp(s[i][p]) / (math.exp(s[i][p]) + far)) / len(near)
    return total / n


@pytest.mark.parametrize(("radius", "reaches"), [(2, (2, 2)), (0.25, (2, 1)), (1 / 32, (1, 1))])
def test_equals_the_sum_over_pairs(radius, reaches, generator):
    z, mask = problem(generator)
    rows = [brute_force(x[real], reach, 0.3) for x, real, reach in zip(z, mask, reaches, strict=True)]
    loss = temporal_coherence_loss(z, mask, radius=radius, temperature=0.3)
    assert float(loss) == pytest.approx(sum(rows) / len(rows), rel=1e-12)


def test_by_hand():
    # Two equal frames, then two others at a right angle: a partner against two frames in the first and last row,
    # a partner of each kind against one of the other kind in the middle ones.
    z, mask = torch.eye(2)[[0, 0, 1, 1]].unsqueeze(0), torch.ones(1, 4, dtype=torch.bool)
    e = math.exp(1.0)
    ends = math.log((e + 2) / e)
    middle = (math.log((e + 1) / e) + math.log(2)) / 2
    loss = temporal_coherence_loss(z, mask, radius=1, temperature=1.0)
    assert float(loss) == pytest.approx((ends + middle) / 2)


def test_gradient(generator):
    z, mask = problem(generator, lengths=(6, 3), dim=3)
    assert torch.autograd.gradcheck(lambda x: temporal_coherence_loss(x, mask, radius=2), z.requires_grad_())
    assert torch.autograd.gradgradcheck(lambda x: temporal_coherence_loss(x, mask, radius=2), z)


def test_padding_and_neighbors_change_nothing(generator):
    z, mask = problem(generator)
    alone = [temporal_coherence_loss(x[real][None], real[real][None]) for x, real in zip(z, mask, strict=True)]
    dirty = z.masked_fill(~mask.unsqueeze(2), torch.nan).requires_grad_()
    loss = temporal_coherence_loss(dirty, mask)
    torch.testing.assert_close(loss, torch.stack(alone).mean())
    loss.backward()
    assert torch.isfinite(dirty.grad).all()
    assert not dirty.grad[~mask].any()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_nothing_near_or_nothing_far_is_no_loss_and_no_gradient(n):
    z = torch.randn(1, n, 3, requires_grad=True)
    loss = temporal_coherence_loss(z, torch.ones(1, n, dtype=torch.bool), radius=2)
    loss.backward()
    assert float(loss.detach()) == 0
    assert not z.grad.any()


def test_descending_it_draws_neighbors_together(generator):
    z = torch.randn(1, 30, 4, generator=generator).requires_grad_()
    mask = torch.ones(1, 30, dtype=torch.bool)
    optimizer = torch.optim.Adam([z], 0.05)
    for _ in range(60):
        optimizer.zero_grad()
        temporal_coherence_loss(z, mask, radius=2).backward()
        optimizer.step()
    similarity = normalize(z[0], dim=1) @ normalize(z[0], dim=1).T
    assert similarity.diagonal(1).mean() > 0.8
    assert similarity.diagonal(10).mean() < 0.3


def test_half_precision_is_computed_in_float32(generator):
    z, mask = problem(generator)
    loss = temporal_coherence_loss(z.half(), mask)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, temporal_coherence_loss(z.float(), mask), atol=0.02, rtol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"radius": 0}, "`radius` must be an integer >= 1"),
        ({"radius": 1.5}, "`radius` must be a number > 0 and <= 1"),
        ({"temperature": 0.0}, "`temperature` must be a number > 0"),
    ],
)
def test_refuses(options, message, generator):
    with pytest.raises(ValueError, match=message):
        temporal_coherence_loss(*problem(generator), **options)
