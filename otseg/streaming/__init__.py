"""Streams and very long sequences: windows that carry over what was decided before them, in bounded memory."""

from otseg.streaming.model import stream_problem
from otseg.streaming.problem import StreamProblem
from otseg.streaming.segment import segment_stream
from otseg.streaming.segments import stream_segments
from otseg.streaming.stream import Decided, Stream

__all__ = ["Decided", "Stream", "StreamProblem", "segment_stream", "stream_problem", "stream_segments"]
