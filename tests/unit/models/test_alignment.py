import pytest
import torch
from torch.nn.functional import normalize

from otseg.models import align_frames

PROBLEM = {"epsilon": 0.1, "alpha": 0.4, "radius": 0.2, "order": 0.3}


def batch(generator, n=(12, 7), m=(9, 10)):
    x = torch.randn(len(n), max(n), 4, generator=generator, dtype=torch.float64)
    y = torch.randn(len(m), max(m), 4, generator=generator, dtype=torch.float64)
    return x, y, *(torch.arange(max(lengths)) < torch.tensor(lengths)[:, None] for lengths in (n, m))


def objective(plan, x, y, *, epsilon, alpha, radius, order, unmatched=0.5):
    """The objective of one pair without padding, from dense matrices of loops."""
    n, m = len(x), len(y)
    cost = torch.full((n + 1, m + 1), unmatched, dtype=torch.float64)
    near, far = torch.zeros(n + 1, n + 1), torch.zeros(m + 1, m + 1)
    reach_x, reach_y = max(1, int(n * radius)), max(1, int(m * radius))
    for i in range(n):
        for j in range(m):
            cosine = float(normalize(x[i], dim=0) @ normalize(y[j], dim=0))
            cost[i + 1, j + 1] = 1 - cosine + order * abs((i + 0.5) / n - (j + 0.5) / m)
        for k in range(n):
            near[i + 1, k + 1] = n / reach_x if 0 < abs(i - k) <= reach_x else 0
    for j in range(m):
        for k in range(m):
            far[j + 1, k + 1] = float(abs(j - k) > reach_y)
    gromov = torch.einsum("ik,jl,ij,kl->", near.double(), far.double(), plan, plan)
    entropy = (plan * (plan * (n + 1) * (m + 1)).log()).sum()
    return (1 - alpha) * (cost * plan).sum() + alpha / 2 * gromov + epsilon * entropy


def test_minimizes_the_objective_over_balanced_plans(generator):
    x, y, mask_x, mask_y = batch(generator)
    result = align_frames(x, y, mask_x, mask_y, **PROBLEM, max_iter=200, tol=1e-9)
    assert result.converged.all()
    for b, (n, m) in enumerate(((12, 9), (7, 10))):
        plan = result.plan[b, : n + 1, : m + 1]
        torch.testing.assert_close(plan.sum(1), torch.full((n + 1,), 1 / (n + 1), dtype=torch.float64))
        torch.testing.assert_close(plan.sum(0), torch.full((m + 1,), 1 / (m + 1), dtype=torch.float64))
        value = objective(plan, x[b, :n], y[b, :m], **PROBLEM)
        torch.testing.assert_close(result.value[b], value)
        # Stationary: no exchange between two rows and two columns, which keeps the marginals, lowers it.
        plan.requires_grad_()
        (slope,) = torch.autograd.grad(objective(plan, x[b, :n], y[b, :m], **PROBLEM), plan)
        slope = slope - slope[:1]
        assert (slope - slope[:, :1]).abs().max() < 1e-4


def test_a_sequence_is_aligned_with_its_slow_and_noisy_copy(generator):
    x = torch.randn(1, 8, 6, generator=generator)
    y = x.repeat_interleave(3, dim=1) + 0.1 * torch.randn(1, 24, 6, generator=generator)
    real = torch.ones(1, 24, dtype=torch.bool)
    result = align_frames(x, y, real[:, :8], real, epsilon=0.02, alpha=0.2, radius=0.1)
    assert torch.equal(result.plan[0, 1:, 1:].argmax(0), torch.arange(24) // 3)


def test_the_dummy_takes_what_resembles_nothing(generator):
    eye = torch.eye(6)
    real = torch.ones(1, 4, dtype=torch.bool)
    # The last frame of x has no counterpart in y, nor has the last one of y in x.
    x, y = eye[[0, 1, 2, 3]].unsqueeze(0), eye[[0, 1, 2, 4]].unsqueeze(0)
    plan = align_frames(x, y, real, real, epsilon=0.02, alpha=0.0, radius=0.2).plan[0]
    assert plan[4, 0] > 0.9 / 5
    assert plan[0, 4] > 0.9 / 5
    assert align_frames(x, y, real, real, epsilon=0.02, alpha=0.0, radius=0.2, unmatched=2.0).plan[0, 4, 0] < 0.01


def test_padding_and_neighbors_change_nothing(generator):
    x, y, mask_x, mask_y = batch(generator)
    together = align_frames(x, y, mask_x, mask_y, **PROBLEM).plan
    alone = align_frames(x[1:, :7], y[1:], mask_x[1:, :7], mask_y[1:], **PROBLEM).plan
    torch.testing.assert_close(together[1, :8], alone[0])
    assert not together[1, 8:].any()
    assert not together[0, :, 10:].any()
    dirty = x.masked_fill(~mask_x.unsqueeze(2), torch.nan)
    torch.testing.assert_close(align_frames(dirty, y, mask_x, mask_y, **PROBLEM).plan, together)


def test_no_gradient_flows_through_the_plan(generator):
    x, y, mask_x, mask_y = batch(generator)
    assert not align_frames(x.requires_grad_(), y.requires_grad_(), mask_x, mask_y, **PROBLEM).plan.requires_grad


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 1.5}, "`alpha` must be a number >= 0 and <= 1"),
        ({"radius": 0.0}, "`radius` must be a number > 0"),
        ({"order": -1.0}, "`order` must be a number >= 0"),
        ({"epsilon": 0.0}, "`epsilon` must be above 0"),
    ],
)
def test_refuses(options, message, generator):
    with pytest.raises(ValueError, match=message):
        align_frames(*batch(generator), **{**PROBLEM, **options})


def test_names_a_mask_that_does_not_fit(generator):
    x, y, mask_x, _ = batch(generator)
    with pytest.raises(ValueError, match="`mask_y` must be of shape"):
        align_frames(x, y, mask_x, mask_x, **PROBLEM)
