import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from otseg.models import kmeans_frames, uniform_split


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
