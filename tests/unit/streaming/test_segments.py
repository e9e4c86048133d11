import torch

from otseg.decode import segments
from otseg.streaming import Decided, stream_segments


def test_segments_of_parts_are_those_of_the_whole(generator):
    labels = torch.randint(3, (200,), generator=generator).repeat_interleave(3)
    for size in (1, 7, 600):
        shares = torch.eye(3)[labels]
        parts = [Decided(i, shares[i : i + size]) for i in range(0, 600, size)]
        assert list(stream_segments(parts)) == segments(labels)
    assert not list(stream_segments([]))


def test_a_segment_comes_when_it_has_ended():
    parts = (Decided(i, torch.eye(2)[[i // 3]]) for i in range(6))
    assert next(stream_segments(parts)) == (0, 3, 0)
    assert next(parts).start == 4
