import json
import math
import re

import numpy as np
import pytest
from matplotlib.colors import to_hex

from otseg.plots import palette
from otseg.report import read_experiment
from otseg.report.ribbons import class_styles, draw_videos, percent, worst
from otseg.report.scores import Scored, score_runs


def decode(page):
    """Labels of every ribbon from its strokes: the color of a class, or ``-2 - k`` of a cluster."""
    rows, row = [], None
    for name, found in page.elements:
        if name == "svg":
            row = np.full(int(found["viewbox"].split()[2]), -1)
            rows.append(row)
        elif name == "path":
            k = int(found["class"][1:]) if found["class"] != "u" else -2 - int(found["data-cluster"])
            for start, length in re.findall(r"M(\d+) 0h(\d+)", found["d"]):
                assert (row[int(start) : int(start) + int(length)] == -1).all(), "strokes overlap"
                row[int(start) : int(start) + int(length)] = k
            assert re.fullmatch(r"(M\d+ 0h\d+)+", found["d"])
    return rows


def test_strokes_are_the_labels_worst_video_first(trained, page):
    scored = score_runs(read_experiment(trained).of_activity("milk"))
    found = page(draw_videos(scored, "v"))
    rows = decode(found)
    index = {k: i for i, k in enumerate(scored.classes)}
    expected = []
    for i in scored.worst_first():
        rows_of_video = (scored.target[i], *(run[i] for run in scored.labels))
        expected += [[index.get(int(k), int(k)) for k in labels] for labels in rows_of_video]
    assert [row.tolist() for row in rows] == expected
    videos = found.all("article")
    assert [video["data-name"] for video in videos] == [scored.names[i] for i in scored.worst_first()]
    assert [float(video["data-score"]) for video in videos] == sorted(float(v["data-score"]) for v in videos)
    assert [int(video["data-frames"]) for video in videos] == [len(row) for row in rows[::3]]
    (ribbons,) = found.all("div", "ribbons")
    assert json.loads(ribbons["data-names"]) == list(scored.classes.values())
    assert {"<i>pour</i>", "stir", "heat"} <= set(found.texts)
    assert all(swatch["class"].startswith("c") for swatch in found.all("i"))


def made(labels, target):
    return Scored(
        [7], ["x"], {4: "walk", 9: "sit"}, target, [labels], [{}], [[{"MoF": 0.5, "F1@50": 0.25, "Edit": 1.0}]], {}
    )


def test_leftovers_are_gray_and_frames_without_a_label_are_empty(page):
    found = page(draw_videos(made([np.array([4, 9, -5, -5, -1])], [np.array([4, 9, 9, -1, -1])]), "v"))
    true, predicted = decode(found)
    assert true.tolist() == [0, 1, 1, -1, -1]
    assert predicted.tolist() == [0, 1, -5, -5, -1]
    assert "cluster without a class" in found.text
    assert "MoF 50.0" in found.text


def test_one_seed_has_no_switch_and_no_truth_no_score(page):
    scored = Scored([0], ["x"], {0: "action 0"}, None, [[np.array([0, 0])]], [{0: 0}], [], {})
    found = page(draw_videos(scored, "v"))
    assert not [box for box in found.all("input") if "data-seed" in box]
    assert "MoF" not in found.text
    assert [option["value"] for option in found.all("option")] == ["name", "length"]


def test_colors_are_those_of_the_plots():
    styles = class_styles(3)
    for i, color in enumerate(palette(3)):
        assert f".c{i}{{--c:{to_hex(color)}}}" in styles
    assert class_styles(250).count("--c") == 250  # colors come again, and nothing fails


def test_worst_links_the_lowest_scores(page):
    found = page(worst([(0.5, "b", "v-1"), (math.nan, "n", "v-2"), (0.1, "<a>", "v-3"), (0.9, "c", "v-4")], n=2))
    assert found.links == ["#v-3", "#v-1"]
    assert found.text.split() == ["<a>", "10.0", "%b", "50.0", "%"]


@pytest.mark.parametrize(("value", "text"), [(1.0, "100.0"), (math.nan, "-")])
def test_percent(value, text):
    assert percent(value) == text
