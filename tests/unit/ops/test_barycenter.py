import torch

from otseg.ops.barycenter import barycenter_sweeps
from otseg.ops.sinkhorn import TEST_EVERY


def inputs(generator):
    score = -torch.rand(3, 5, 4, generator=generator, dtype=torch.float64) / 0.3
    a = torch.rand(3, 5, generator=generator, dtype=torch.float64)
    a = a * torch.tensor([1, 1, 0, 1, 1])
    return score, a / a.sum(dim=1, keepdim=True), torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)


def in_the_plain_domain(score, a, weight, sweeps):
    """The projections of Benamou et al. on scalings, without logarithms."""
    kernel, v = score.exp(), torch.ones(3, 4, dtype=torch.float64)
    for _ in range(sweeps):
        u = a / torch.einsum("bnk,bk->bn", kernel, v)
        marginal = torch.einsum("bnk,bn->bk", kernel, u)
        q = (marginal ** weight[:, None]).prod(dim=0)
        v = q / marginal
    return q, v, marginal


def test_equals_the_scalings(generator):
    score, a, weight = inputs(generator)
    for sweeps in (1, 2, 7):
        log_q, f, g, n_iter, _ = barycenter_sweeps(score, a, weight, sweeps, None)
        expected, _, _ = in_the_plain_domain(score, a, weight, sweeps + 1)  # the returned q is one half sweep ahead
        _, v, _ = in_the_plain_domain(score, a, weight, sweeps)
        torch.testing.assert_close(log_q.exp(), expected)
        torch.testing.assert_close(g.exp(), v)
        plan = a.unsqueeze(2) * (f.unsqueeze(2) + g.unsqueeze(1) + score).exp()
        torch.testing.assert_close(plan.sum(dim=2), a)
        assert n_iter == sweeps


def test_error_is_the_weighted_distance_of_the_marginals(generator):
    score, a, weight = inputs(generator)
    log_q, f, g, _, error = barycenter_sweeps(score, a, weight, 2, None)
    plan = a.unsqueeze(2) * (f.unsqueeze(2) + g.unsqueeze(1) + score).exp()
    gap = (plan.sum(dim=1) - log_q.exp()).abs().sum(dim=1)
    torch.testing.assert_close(error, (weight * gap).sum())
    assert error > 1e-6


def test_stops_at_the_first_test_below_the_tolerance(generator):
    score, a, weight = inputs(generator)
    *_, n_iter, error = barycenter_sweeps(score, a, weight, 1000, 1e-3)
    assert n_iter == TEST_EVERY
    assert error < 1e-3
    *_, n_iter, error = barycenter_sweeps(score, a, weight, 1000, 1e-12)
    assert n_iter % TEST_EVERY == 0
    assert TEST_EVERY < n_iter < 1000
    assert error < 1e-12
