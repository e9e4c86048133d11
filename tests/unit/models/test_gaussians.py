import pytest
import torch
from sklearn.mixture import GaussianMixture

from otseg.models.gaussians import Gaussians, variance_floor


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_fit_is_that_of_scikit_learn(generator, covariance):
    frames = torch.randn(40, 3, dtype=torch.float64, generator=generator)
    kind = {"full": "full", "diagonal": "diag"}[covariance]
    expected = GaussianMixture(1, covariance_type=kind, reg_covar=0.3).fit(frames.numpy())
    found = Gaussians.fit(frames, torch.zeros(40).long(), 1, covariance=covariance, floor=0.3)
    torch.testing.assert_close(found.means, torch.from_numpy(expected.means_))
    torch.testing.assert_close(found.covariances, torch.from_numpy(expected.covariances_))
    # The score is the log-density less the expected cost of the blur.
    precision = torch.from_numpy(expected.precisions_[0])
    blur = 0.15 * (precision.diagonal().sum() if covariance == "full" else precision.sum())
    log_density = torch.from_numpy(expected.score_samples(frames.numpy()))
    torch.testing.assert_close(found.scores(frames)[:, 0], log_density - blur)


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_the_fit_maximizes_the_score_of_its_frames(generator, covariance):
    frames = torch.randn(30, 2, dtype=torch.float64, generator=generator)
    best = Gaussians.fit(frames, torch.zeros(30).long(), 1, covariance=covariance, floor=0.2)
    for _ in range(20):
        means = best.means + 0.1 * torch.randn(1, 2, dtype=torch.float64, generator=generator)
        noise = 0.2 * torch.randn(1, 2, 2, dtype=torch.float64, generator=generator)
        scale = noise @ noise.mT if covariance == "full" else noise[..., 0].square()
        other = Gaussians(means, best.covariances + scale, 0.2, best.seen)
        assert other.scores(frames).sum() < best.scores(frames).sum()


def test_an_action_without_frames_scores_nothing_or_keeps_what_it_had():
    frames, labels = torch.tensor([[0.0], [1.0]]), torch.tensor([0, 0])
    alone = Gaussians.fit(frames, labels, 2, floor=0.1)
    assert alone.scores(frames)[:, 1].tolist() == [float("-inf")] * 2
    before = Gaussians.fit(frames, torch.tensor([0, 1]), 2, floor=0.1)
    after = Gaussians.fit(frames, labels, 2, floor=0.1, before=before)
    assert after.means.tolist() == [[0.5], [1.0]]
    assert torch.equal(after.scores(frames)[:, 1], before.scores(frames)[:, 1])


def test_variance_floor():
    assert variance_floor(torch.tensor([[0.0, 0.0], [2.0, 0.0]]), 0.1) == pytest.approx(0.05)
    assert variance_floor(torch.ones(4, 2), 0.1) == 0.1
