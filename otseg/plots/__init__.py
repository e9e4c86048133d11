"""Pictures of plans, segmentations and training; they need the extra ``plots`` (matplotlib).

Every function draws on the ``ax`` that it is given, or on a new figure, and returns the axes; none calls
``plt.show`` or changes a global setting.
"""

from otseg.plots.confusion import plot_confusion
from otseg.plots.convergence import plot_convergence
from otseg.plots.curves import plot_curves
from otseg.plots.durations import plot_durations
from otseg.plots.embedding import plot_embedding
from otseg.plots.palette import palette
from otseg.plots.plan import plot_cost, plot_plan
from otseg.plots.priors import plot_priors
from otseg.plots.ribbons import plot_ribbons
from otseg.plots.segments import plot_segments
from otseg.plots.spread import plot_spread

__all__ = [
    "palette",
    "plot_confusion",
    "plot_convergence",
    "plot_cost",
    "plot_curves",
    "plot_durations",
    "plot_embedding",
    "plot_plan",
    "plot_priors",
    "plot_ribbons",
    "plot_segments",
    "plot_spread",
]
