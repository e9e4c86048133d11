import statistics

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from otseg.plots import palette, plot_spread


def test_dots_mean_and_deviation():
    values = [50.0, 60.0, 64.0]
    ax = plot_spread({"ASOT": {"MoF": values}}, ylabel="percent")
    dots = ax.lines[0]
    assert sorted(dots.get_ydata()) == values
    (errors,) = ax.containers
    mean, deviation = statistics.fmean(values), statistics.stdev(values)
    (bar,) = errors.lines[2]
    np.testing.assert_allclose(bar.get_segments()[0][:, 1], [mean - deviation, mean + deviation])
    assert any(np.allclose(line.get_segments()[0][:, 1], mean) for line in ax.collections if len(line.get_segments()))
    assert ax.get_ylabel() == "percent"
    assert ax.get_legend() is None


def test_methods_stand_side_by_side_in_their_colors():
    ax = plot_spread({"A": {"MoF": [1.0, 2.0], "Edit": [3.0, 4.0]}, "B": {"Edit": [5.0, 7.0]}})
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["MoF", "Edit"]
    dots = {tuple(line.get_ydata()): line for line in ax.lines if len(line.get_ydata()) == 2}
    assert np.mean(dots[3.0, 4.0].get_xdata()) < 1 < np.mean(dots[5.0, 7.0].get_xdata())
    assert to_rgb(dots[5.0, 7.0].get_color()) == pytest.approx(palette(2)[1])
    assert dots[3.0, 4.0].get_marker() != dots[5.0, 7.0].get_marker()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["A", "B"]


def test_a_single_value_has_no_deviation():
    assert not plot_spread({"A": {"MoF": [1.0]}}).containers


@pytest.mark.parametrize("values", [{}, {"A": {}}, {"A": {"MoF": []}}])
def test_no_value(values):
    with pytest.raises(ValueError, match="`values` must be at least one value"):
        plot_spread(values)
