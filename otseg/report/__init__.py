"""A run as one HTML file that opens in a browser without a network; needs the extras ``train`` and ``plots``."""

from otseg.report.experiment import Experiment, Run, read_experiment, segment_again
from otseg.report.page import Report, make_report

__all__ = ["Experiment", "Report", "Run", "make_report", "read_experiment", "segment_again"]
