import math

import numpy as np
import pytest
from matplotlib import pyplot

from otseg.plots import plot_curves


def band(ax):
    """Lower and upper edge of the first band by epoch."""
    vertices = ax.collections[0].get_paths()[0].vertices
    return {x: (vertices[vertices[:, 0] == x, 1].min(), vertices[vertices[:, 0] == x, 1].max()) for x in (1, 2)}


def test_one_run_is_its_values_by_epoch():
    ax = plot_curves({"loss": [3.0, 2.0, 1.5], "MoF": {2: 0.4, 4: 0.5}}, ylabel="value")
    loss, mof = ax.lines
    assert loss.get_xydata().tolist() == [[1, 3.0], [2, 2.0], [3, 1.5]]
    assert mof.get_xydata().tolist() == [[2, 0.4], [4, 0.5]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["loss", "MoF"]
    assert not ax.collections
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "value")


def test_gaps_are_bridged_and_marked():
    ax = plot_curves({"a": [1.0, None, math.nan, 2.0], "b": np.array([1.0, 2.0])})
    assert ax.lines[0].get_xydata().tolist() == [[1, 1.0], [4, 2.0]]
    assert ax.lines[0].get_marker() == "o"
    assert ax.lines[1].get_marker() in ("", "None")


def test_several_seeds_are_a_mean_and_their_range():
    ax = plot_curves([{"loss": [1.0, 5.0]}, {"loss": [2.0, 7.0]}, {"loss": [6.0]}])
    assert ax.lines[0].get_ydata().tolist() == [3.0, 6.0]
    assert band(ax) == {1: (1.0, 6.0), 2: (5.0, 7.0)}


def test_band_of_the_standard_deviation():
    ax = plot_curves([{"loss": [1.0, 5.0]}, {"loss": [2.0, None]}, {"loss": [6.0, None]}], band="std")
    deviation = np.std([1.0, 2.0, 6.0], ddof=1)
    assert band(ax) == {1: pytest.approx((3 - deviation, 3 + deviation)), 2: pytest.approx((5.0, 5.0))}


def test_curves_differ_in_color_and_style():
    lines = plot_curves({name: [1.0, 2.0] for name in "abcd"}).lines
    assert len({line.get_color() for line in lines}) == len({line.get_linestyle() for line in lines}) == 4


def test_draws_on_the_given_axes():
    _, ax = pyplot.subplots()
    before = pyplot.get_fignums()
    assert plot_curves({"loss": [1.0]}, ax=ax) is ax
    assert pyplot.get_fignums() == before


@pytest.mark.parametrize(
    ("history", "error", "message"),
    [
        ([1.0, 2.0], TypeError, "`history` must be a mapping of names to values.*Write"),
        ({}, ValueError, "`history` must be at least one curve; got none"),
        ({"a": [None]}, ValueError, r"`history\['a'\]` must be at least one value"),
        ({"a": 3.0}, TypeError, r"`history\['a'\]` must be a sequence of numbers"),
        ({"a": {-1: 1.0}}, ValueError, "epoch"),
    ],
)
def test_refuses_without_leaving_a_figure(history, error, message):
    before = pyplot.get_fignums()
    with pytest.raises(error, match=message):
        plot_curves(history)
    assert pyplot.get_fignums() == before
