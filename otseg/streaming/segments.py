"""The segments of a stream, as they end."""

from collections.abc import Iterable, Iterator

from otseg.decode.segments import Segment, segments
from otseg.streaming.stream import Decided


def stream_segments(parts: Iterable[Decided]) -> Iterator[Segment]:
    """The segments of a stream, each when it has ended, however many parts it spans.

    Args:
        parts: What :func:`segment_stream` yields, in order.

    Yields:
        What :func:`otseg.decode.segments` says of all labels together; the last one after the last part.

    Example:
        >>> parts = Decided(0, torch.eye(2)), Decided(2, torch.eye(2)[[1, 0]])
        >>> list(stream_segments(parts))
        [Segment(start=0, stop=1, label=0), Segment(start=1, stop=3, label=1), Segment(start=3, stop=4, label=0)]
    """
    last: Segment | None = None
    for part in parts:
        for start, stop, label in segments(part.labels):
            start, stop = start + part.start, stop + part.start
            if last is not None and last.label == label:
                start = last.start
            elif last is not None:
                yield last
            last = Segment(start, stop, label)
    if last is not None:
        yield last
