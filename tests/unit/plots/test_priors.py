import numpy as np
import pytest
import torch

import otseg
from otseg.plots import plot_plan, plot_priors
from otseg.priors import LinearOrder, OrderBand, TemporalSmoothness, TranscriptOrder
from otseg.solvers import mirror_descent


def solved(priors, n=12, k=3, **options):
    cost = torch.rand(2, n, k, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return otseg.solve(cost, epsilon=0.1, rho_b=0.1, priors=priors, solver=mirror_descent, grad="none", **options)


def edges(line):
    """The drawn edges of a line, as a set of pairs of points."""
    points = np.array(line.get_xydata()).reshape(-1, 3, 2)
    assert np.isnan(points[:, 2]).all()
    return {tuple(map(tuple, points[i, :2].tolist())) for i in range(len(points))}


def boundary(region, step=1.0):
    """The same of a region ``(N, K)``, cell by cell: sides between a cell inside and one outside."""
    found = set()
    inside = {(n, k) for n, k in np.argwhere(region).tolist()}
    for n, k in inside:
        if (n - 1, k) not in inside:
            found.add(((n * step, k - 0.5), (n * step, k + 0.5)))
        if (n + 1, k) not in inside:
            found.add((((n + 1) * step, k - 0.5), ((n + 1) * step, k + 0.5)))
        if (n, k - 1) not in inside:
            found.add(((n * step, k - 0.5), ((n + 1) * step, k - 0.5)))
        if (n, k + 1) not in inside:
            found.add(((n * step, k + 0.5), ((n + 1) * step, k + 0.5)))
    return found


def test_an_order_is_the_outline_of_the_action_it_favors():
    ax = plot_priors(solved([LinearOrder(0.2)]))
    uniform = np.eye(3, dtype=bool).repeat(4, axis=0)
    assert edges(ax.lines[0]) == boundary(uniform)
    assert ax.images  # the plan is below
    assert ax.get_legend().get_texts()[0].get_text() == "LinearOrder: favored action"


def test_a_transcript_in_its_order_and_in_seconds():
    prior = TranscriptOrder(0.1, torch.tensor([2, 0, 2]), 0.75)
    ax = plot_priors(solved([prior]), frame_rate=2.0)
    assert edges(ax.lines[0]) == boundary(np.eye(3, dtype=bool)[[2, 0, 2]].repeat(4, axis=0), 0.5)


def test_a_constraint_is_its_support_of_the_real_frames():
    mask = torch.ones(2, 12, dtype=torch.bool)
    mask[1, 6:] = False
    band = OrderBand(0.2)
    ax = plot_priors(solved([band], mask=mask), index=1)
    assert edges(ax.lines[0]) == boundary(band.support(mask, 3)[1, :6].numpy())


def test_a_window_is_a_bar_of_its_width():
    ax = plot_priors(solved([TemporalSmoothness(0.3, 0.25)]))
    x = ax.lines[0].get_xdata()
    assert x[1] - x[0] == pytest.approx(7)  # 3 frames to each side
    assert "3 frames to each side" in ax.get_legend().get_texts()[0].get_text()


def test_draws_on_a_plan_and_passes_the_truth_on():
    result = solved([LinearOrder(0.2)])
    ax = plot_plan(result, boundaries=False)
    assert plot_priors(result, ax=ax) is ax
    assert len(ax.images) == 1
    new = plot_priors(result, target=[0] * 6 + [1] * 6)
    assert new.lines[0].get_xdata().tolist() == [6]  # the mark of the true boundary


def test_no_prior_no_legend():
    assert plot_priors(solved([])).get_legend() is None


def test_mistakes():
    with pytest.raises(TypeError, match="`result` must be an OTResult"):
        plot_priors(torch.rand(1, 4, 2))
    with pytest.raises(ValueError, match="`index` must be"):
        plot_priors(solved([]), index=2)
