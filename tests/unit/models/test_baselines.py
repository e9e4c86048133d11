import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from otseg.models import kmeans_frames, uniform_split
from otseg.models._sequences import relative_time, with_time


@given(st.integers(1, 200), st.integers(1, 12))
def test_uniform_split_is_ordered_and_even(n_frames, n_actions):
    labels = uniform_split(n_frames, n_actions)
    sizes = labels.bincount(minlength=n_actions)
    assert len(labels) == n_frames
    assert (labels.diff() >= 0).all()
    assert sizes.max() - sizes.min() <= 1
    assert labels.max() < n_actions


def test_kmeans_finds_separated_clusters_across_sequences(generator):
    truth = [torch.tensor([0, 1, 2, 0]), torch.tensor([2, 1])]
    sequences = [10 * torch.eye(3)[y] + torch.randn(len(y), 3, generator=generator) / 10 for y in truth]
    labels = torch.cat(kmeans_frames(sequences, 3, generator=generator))
    together, found = torch.cat(truth), labels[:, None] == labels
    assert torch.equal(found, together[:, None] == together)


def test_kmeans_refuses_more_clusters_than_frames():
    with pytest.raises(ValueError, match="`n_actions` must be an integer >= 1 and <= 2; got 3"):
        kmeans_frames([torch.zeros(2, 2)], 3)


def test_time_weighs_as_much_as_all_features_at_one(generator):
    sequences = [torch.randn(n, 4, dtype=torch.float64, generator=generator) for n in (300, 300)]
    points = with_time(torch.cat(sequences), relative_time(sequences), 1.0)
    variance = points.var(dim=0, correction=0)
    assert variance[4] == pytest.approx(float(variance[:4].sum()), rel=1e-4)


def test_much_time_weight_cuts_like_equal_parts(generator):
    sequences = [torch.randn(n, 2, generator=generator) for n in (60, 90)]
    labels = kmeans_frames(sequences, 3, time_weight=100.0, generator=generator)
    for found in labels:
        order = found.unique_consecutive()
        assert len(order) == 3
        assert (found != order[uniform_split(len(found), 3)]).sum() <= 2
    with pytest.raises(ValueError, match="`time_weight` must be a number >= 0; got -1"):
        kmeans_frames(sequences, 3, time_weight=-1)
