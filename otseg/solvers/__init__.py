"""Solvers: functions from a problem to a result, and barycenters."""

from otseg.solvers._point_result import PointResult
from otseg.solvers.annealing import annealed
from otseg.solvers.barycenter import free_support_barycenter, plan_directions, plan_means
from otseg.solvers.exact import exact
from otseg.solvers.fixed_support import fixed_support_barycenter
from otseg.solvers.mirror_descent import mirror_descent
from otseg.solvers.points import sinkhorn_points
from otseg.solvers.published import published_mirror_descent
from otseg.solvers.sinkhorn import sinkhorn

__all__ = [
    "PointResult",
    "annealed",
    "exact",
    "fixed_support_barycenter",
    "free_support_barycenter",
    "mirror_descent",
    "plan_directions",
    "plan_means",
    "published_mirror_descent",
    "sinkhorn",
    "sinkhorn_points",
]
