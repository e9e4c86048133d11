import itertools

import torch

from otseg.models import ward_segments


def greedy(x, n_segments):
    """Merges the neighbors whose union raises the sum of squares least, from the definition."""
    parts = [[i] for i in range(len(x))]

    def loss(part):
        return float((x[part] - x[part].mean(dim=0)).square().sum())

    while len(parts) > n_segments:
        rise = [loss(a + b) - loss(a) - loss(b) for a, b in itertools.pairwise(parts)]
        i = rise.index(min(rise))
        parts[i : i + 2] = [parts[i] + parts[i + 1]]
    return torch.tensor([k for k, part in enumerate(parts) for _ in part])


def test_merges_as_the_definition_says(generator, dtype):
    for n_segments in (1, 2, 3, 7, 20):
        x = torch.randn(20, 3, dtype=dtype, generator=generator).cumsum(0)
        assert torch.equal(ward_segments([x], n_segments)[0], greedy(x.double(), n_segments))


def test_sequences_do_not_see_each_other(generator):
    a, b = (torch.randn(n, 2, generator=generator) for n in (15, 40))
    assert torch.equal(ward_segments([a, b], 4)[1], ward_segments([b], 4)[0])


def test_ten_thousand_frames(generator):
    x = torch.arange(5).repeat_interleave(2000)[:, None] + 0.1 * torch.randn(10_000, 1, generator=generator)
    cuts = ward_segments([x], 5)[0].diff().nonzero()[:, 0]
    assert cuts.tolist() == [1999, 3999, 5999, 7999]
