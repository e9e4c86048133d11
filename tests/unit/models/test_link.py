import pytest
import torch

from otseg.models import link_videos


def test_finds_the_action_of_every_cluster(generator, dtype):
    sequences, labels, truth = [], [], []
    for n in (40, 30, 50):
        own = torch.randint(8, (n,), generator=generator)
        action = torch.randint(3, (8,), generator=generator)[own]
        sequences.append(6 * torch.eye(3, dtype=dtype)[action] + torch.randn(n, 3, dtype=dtype, generator=generator))
        labels.append(own)
        truth.append(action)
    found = link_videos(sequences, labels, 3, generator=generator)
    together, linked = torch.cat(truth), torch.cat(found)
    assert torch.equal(linked[:, None] == linked, together[:, None] == together)


def test_clusters_weigh_as_many_as_they_have():
    """Alone 1 joins 0, which is nearer than 2.1; but where 0 and 1 are a hundred frames each, 2.1 joins one of them."""
    few = torch.tensor([0.0, 1.0, 2.1])[:, None]
    labels = torch.tensor([0, 1]).repeat_interleave(100)
    many = torch.cat([labels.float(), torch.tensor([2.1])])[:, None]
    alone = link_videos([few], [torch.arange(3)], 2)[0]
    found = link_videos([many], [torch.cat([labels, torch.tensor([2])])], 2)[0]
    assert alone[0] == alone[1] != alone[2]
    assert found[0] != found[100] == found[200]


def test_time_tells_like_clusters_apart():
    x = torch.tensor([0.0, 0.0, 1.0, 1.0, 0.0, 0.0])[:, None]
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    plain = link_videos([x, x], [labels, labels], 2)
    timed = link_videos([x, x], [labels, labels], 2, time_weight=10.0)
    assert (plain[0][[0, 4]] == plain[0][0]).all()
    assert timed[0][0] != timed[0][4]
    assert torch.equal(timed[0], timed[1])


@pytest.mark.parametrize(
    ("labels", "n_actions", "error", "message"),
    [
        ([], 1, ValueError, "`labels` must be of 1 sequences; got 0"),
        ([torch.zeros(3).long()], 1, ValueError, r"`labels\[0\]` must be of shape \(N,\) = \(4,\)"),
        ([torch.tensor([0, 0, -1, 1])], 1, ValueError, r"`labels\[0\]` must be at least 0; got -1"),
        ([torch.zeros(4)], 1, TypeError, r"`labels\[0\]` must be a tensor of integers"),
        ([torch.tensor([0, 0, 1, 1])], 3, ValueError, "`n_actions` must be at most the 2 clusters"),
    ],
)
def test_refuses(labels, n_actions, error, message):
    with pytest.raises(error, match=message):
        link_videos([torch.zeros(4, 1)], labels, n_actions)
