"""Pictures of plans, segmentations and training; they need the extra ``plots`` (matplotlib).

Every function draws on the ``ax`` that it is given, or on a new figure, and returns the axes; none calls
``plt.show`` or changes a global setting.
"""

from otseg.plots.curves import plot_curves
from otseg.plots.palette import palette
from otseg.plots.plan import plot_cost, plot_plan
from otseg.plots.segments import plot_segments

__all__ = ["palette", "plot_cost", "plot_curves", "plot_plan", "plot_segments"]
