"""Solvers: functions from a problem to a result."""

from otseg.solvers._point_result import PointResult
from otseg.solvers.annealing import annealed
from otseg.solvers.mirror_descent import mirror_descent
from otseg.solvers.points import sinkhorn_points
from otseg.solvers.published import published_mirror_descent
from otseg.solvers.sinkhorn import sinkhorn

__all__ = [
    "PointResult",
    "annealed",
    "mirror_descent",
    "published_mirror_descent",
    "sinkhorn",
    "sinkhorn_points",
]
