"""Metrics of unsupervised segmentation; every number names its protocol.

For metrics that accumulate batch by batch, import ``otseg.metrics.streaming`` (needs the extra ``train``).
"""

from otseg.metrics.degenerate import DegenerateSolutionWarning, effective_actions, warn_if_degenerate
from otseg.metrics.evaluate import Evaluation, EvaluationProtocol, evaluate
from otseg.metrics.frames import miou, mof
from otseg.metrics.majority import segment_f1
from otseg.metrics.matching import Matching, match
from otseg.metrics.segments import edit, f1

__all__ = [
    "DegenerateSolutionWarning",
    "Evaluation",
    "EvaluationProtocol",
    "Matching",
    "edit",
    "effective_actions",
    "evaluate",
    "f1",
    "match",
    "miou",
    "mof",
    "segment_f1",
    "warn_if_degenerate",
]
