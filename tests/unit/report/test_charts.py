import re

import matplotlib as mpl
import numpy as np
import pytest

from otseg.report import read_experiment
from otseg.report.charts import draw_confusion, draw_curves, draw_durations, draw_embedding, draw_spread, to_svg
from otseg.report.scores import score_runs


@pytest.fixture
def runs(trained):
    return read_experiment(trained).of_activity("milk")


def test_every_chart_is_svg_with_ids_of_its_own(trained, runs, page):
    scored = score_runs(runs)
    before = dict(mpl.rcParams)
    charts = [
        *draw_curves("a", runs),
        draw_spread(read_experiment(trained).results, "video"),
        draw_confusion("a", scored),
        draw_durations("a", scored),
        draw_embedding("a", runs[0].embedding, scored, 0),
    ]
    assert dict(mpl.rcParams) == before
    assert len(charts) == 6  # the curves are loss and validation
    found = page("".join(charts))
    assert len(found.all("svg")) == len(charts)
    assert len(found.ids) == len(set(found.ids))
    for chart in charts:
        references = re.findall(r'(?:href="#|url\(#)([^")]+)', chart)
        assert set(references) <= set(page(chart).ids)
        assert "#000000" not in chart  # black is the color of the text of the page, which may be light
        assert "<style" not in chart
        assert "http" not in chart
    assert {"frames", "loss"} & set(found.texts)
    assert {"MoF", "Edit"} <= set(found.texts)
    assert "<i>pour</i>" in found.texts  # escaped by matplotlib


def test_charts_are_a_function_of_their_data(runs):
    assert draw_curves("a", runs) == draw_curves("a", runs)


def test_the_confusion_pools_the_seeds(runs):
    from html import unescape

    scored = score_runs(runs)
    target = np.concatenate(list(scored.target) * 2)
    labels = np.concatenate([row for run in scored.labels for row in run])
    first = min(scored.classes)
    share = 100 * (labels[target == first] == first).mean()
    assert f">{share:.0f}</text>" in unescape(draw_confusion("a", scored))


def test_runs_without_curves_have_no_charts():
    assert draw_curves("a", []) == []


def test_black_of_a_figure_becomes_the_color_of_the_text():
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    ax.plot([0, 1], color="black")
    assert "stroke: currentColor" in to_svg(ax, "x", "A <line>")
    assert "<title>A &lt;line&gt;</title>" in to_svg(ax, "x", "A <line>")
