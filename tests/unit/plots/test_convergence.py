import pytest
import torch

import otseg
from otseg.plots import plot_convergence
from otseg.solvers import mirror_descent, sinkhorn


@pytest.fixture
def problem():
    cost = torch.rand(2, 12, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return otseg.Problem.make(cost, epsilon=0.05)


def solved(problem, solver=sinkhorn):
    return [solver(problem, max_iter=2**i, tol=None, grad="none") for i in range(5)]


def test_errors_by_iteration(problem):
    runs = solved(problem)
    ax = plot_convergence({"Sinkhorn": runs[::-1]}, index=1)  # sorted by iterations
    (line,) = ax.lines
    assert line.get_xdata().tolist() == [1, 2, 4, 8, 16]
    assert line.get_ydata().tolist() == [float(run.error[1]) for run in runs]
    assert ax.get_yscale() == "log"
    assert ax.get_ylabel() == "error"


def test_objective_above_the_lowest(problem):
    runs = {"Sinkhorn": solved(problem), "mirror descent": solved(problem, mirror_descent)}
    ax = plot_convergence(runs, quantity="value")
    lowest = min(float(run.value[0]) for own in runs.values() for run in own)
    for line, own in zip(ax.lines, runs.values(), strict=True):
        expected = [float(run.value[0]) - lowest for run in own]
        assert line.get_ydata() == pytest.approx([gap for gap in expected if gap > 0])
    assert sum(len(line.get_ydata()) for line in ax.lines) < 10  # the lowest itself has no logarithm


def test_mistakes(problem):
    runs = solved(problem)
    with pytest.raises(TypeError, match="`results` must be a mapping"):
        plot_convergence(runs)
    with pytest.raises(ValueError, match="`results` must be at least one result"):
        plot_convergence({"Sinkhorn": []})
    with pytest.raises(ValueError, match="`index` must be an integer >= 0 and <= 1"):
        plot_convergence({"Sinkhorn": runs}, index=2)
