"""Labels beyond the argmax, and segments."""

from otseg.decode.segments import Segment, boundaries, from_segments, merge_short, segments
from otseg.decode.viterbi import order_by_time, viterbi

__all__ = ["Segment", "boundaries", "from_segments", "merge_short", "order_by_time", "segments", "viterbi"]
