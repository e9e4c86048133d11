import numpy as np
import pytest
import torch

import otseg
from otseg.streaming import Stream, StreamProblem, segment_stream


@pytest.fixture
def x(generator):
    """Features of ten segments of two actions that are hard to tell apart, one three times as long as the other."""
    labels = torch.tensor([0, 1] * 5).repeat_interleave(torch.tensor([60, 20] * 5))
    return torch.eye(2)[labels] + 0.6 * torch.randn(400, 2, generator=generator)


PROBLEM = StreamProblem(lambda x: -x, epsilon=0.1, alpha=0.5, radius=5, rho_b=0.3)


def labels_of(parts):
    parts, start = list(parts), 0
    for part in parts:
        assert part.start == start
        start += len(part.labels)
    return torch.cat([part.labels for part in parts])


def test_every_form_of_input_is_the_same(x, tmp_path):
    stream = Stream(PROBLEM, window=60, lookahead=15)
    expected = torch.cat([stream.push(x).labels, stream.finish().labels])
    np.save(tmp_path / "x.npy", x.numpy())
    forms = (
        x, x.numpy(), np.load(tmp_path / "x.npy", mmap_mode="r"), torch.split(x, 7), iter(torch.split(x, 130)),
        [block.numpy() for block in torch.split(x, 33)], otseg.data.FeatureBlocks(tmp_path / "x.npy", 50),
    )  # fmt: skip
    for form in forms:
        assert torch.equal(labels_of(segment_stream(form, PROBLEM, window=60, lookahead=15)), expected)


def test_labels_come_while_blocks_do(x):
    taken = []

    def blocks():
        for i, block in enumerate(torch.split(x, 10)):
            taken.append(i)
            yield block

    parts = segment_stream(blocks(), PROBLEM, window=30, lookahead=10)
    assert not taken
    assert len(next(parts).labels) == 20
    assert len(taken) == 4


def test_passes_start_from_the_shares_of_the_last(x):
    answer = otseg.gromov_ot(-x[None], epsilon=0.1, alpha=0.5, radius=5, rho_b=0.3, grad="none").labels()[0]
    agree = [
        float((labels_of(segment_stream(x, PROBLEM, window=60, lookahead=20, passes=passes)) == answer).double().mean())
        for passes in (1, 5)
    ]
    assert agree[1] > 0.99
    assert agree[1] > agree[0]
    first = Stream(PROBLEM, window=60, lookahead=20)
    first.push(x), first.finish()
    known = labels_of(segment_stream(x, PROBLEM, window=60, lookahead=20, shares=first.shares))
    assert torch.equal(known, labels_of(segment_stream(x, PROBLEM, window=60, lookahead=20, passes=2)))


def test_the_length_of_an_array_is_known(x):
    problem = StreamProblem(lambda x: -x, epsilon=0.1, alpha=0.5, radius=0.02, order=0.5)
    assert len(labels_of(segment_stream(x, problem, window=60))) == 400
    with pytest.raises(ValueError, match="`length` must be given"):
        segment_stream(torch.split(x, 10), problem, window=60)
    blocks = labels_of(segment_stream(torch.split(x, 10), problem, window=60, length=400))
    assert torch.equal(blocks, labels_of(segment_stream(x, problem, window=60)))


def test_mistakes_are_said_at_once(x):
    with pytest.raises(ValueError, match="`passes` must be 1 for an iterator"):
        segment_stream(iter([x]), PROBLEM, window=60, passes=2)
    with pytest.raises(ValueError, match=r"`blocks` must be of shape \(N, D\)"):
        segment_stream(x[0], PROBLEM, window=60)
    with pytest.raises(ValueError, match="`window` must be"):
        segment_stream(x, PROBLEM, window=0)
    assert not list(segment_stream([], PROBLEM, window=5))
