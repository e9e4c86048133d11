"""Segmentation in the manner of scikit-learn; training needs the extra ``train``."""

from otseg.estimators.convert import (
    from_change_points,
    from_segment_table,
    to_change_points,
    to_segment_table,
)
from otseg.estimators.segmenter import OTSegmenter

__all__ = [
    "OTSegmenter",
    "from_change_points",
    "from_segment_table",
    "to_change_points",
    "to_segment_table",
]
