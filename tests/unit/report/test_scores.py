from pathlib import Path

import pytest

from otseg.metrics import evaluate, match
from otseg.report import Run, read_experiment
from otseg.report.scores import METRICS, score_runs
from otseg.train.records import Segments, Video, from_runs


def run(seed, videos, n_actions=3, classes=("a", "b", "c")):
    return Run(Path(), "", seed, {}, {}, Segments(n_actions, list(classes), videos), None)


def test_scores_are_those_of_the_metrics_under_one_matching(trained):
    runs = read_experiment(trained).of_activity("milk")
    scored = score_runs(runs)
    for i, own in enumerate(runs):
        clusters = [from_runs(video.labels) for video in own.segments.videos]
        target = [from_runs(video.target) for video in own.segments.videos]
        matched = match(clusters, target, ignore_labels=(-1,)).apply(clusters)
        shares = [(x == t.numpy()).mean() for x, t in zip(matched, target, strict=True)]
        assert [video["MoF"] for video in scored.scores[i]] == pytest.approx(shares)
        frames = [len(t) for t in target]
        mof = evaluate(clusters, target, ignore_labels=(-1,)).mof
        assert sum(n * x for n, x in zip(frames, shares, strict=True)) / sum(frames) == pytest.approx(mof)
        assert mof == pytest.approx(own.record["scores"]["activity"]["mof"])
    means = [scored.mean(k) for k in scored.worst_first()]
    assert means == sorted(means)
    assert set(scored.scores[0][0]) == set(METRICS)


def test_leftover_clusters_and_videos_without_truth():
    videos = [Video("x", [(0, 6), (1, 2), (2, 2)], [(0, 6), (1, 4)]), Video("y", [(0, 3)], [(-1, 3)])]
    scored = score_runs([run(0, videos)])
    assert scored.labels[0][0].tolist() == [0] * 6 + [1] * 2 + [-4] * 2
    assert scored.classes == {0: "a", 1: "b"}
    assert scored.mappings == [{0: 0, 1: 1}]
    assert scored.scores[0][0]["MoF"] == pytest.approx(0.8)
    assert scored.worst_first() == [0, 1]  # what has no score comes last
    assert scored.scores[0][1]["MoF"] != scored.scores[0][1]["MoF"]


def test_without_truth_clusters_are_shown_as_they_are():
    scored = score_runs([run(3, [Video("x", [(2, 4), (0, 4)], None)], classes=())])
    assert scored.target is None
    assert scored.classes == {0: "action 0", 2: "action 2"}
    assert scored.labels[0][0].tolist() == [2] * 4 + [0] * 4
    assert scored.worst_first() == [0]


def test_degenerate_solutions_are_found():
    scored = score_runs(
        [run(0, [Video("x", [(1, 9)], [(0, 4), (1, 5)])]), run(1, [Video("x", [(0, 4), (1, 5)], None)])]
    )
    assert list(scored.warnings) == [0]
    assert "uses 1.0 of 3 actions" in scored.warnings[0]


def test_runs_of_other_videos_and_without_segments_are_left_out():
    videos = [Video("x", [(0, 4), (1, 4)], [(0, 4), (1, 4)])]
    empty = Run(Path(), "", 1, {}, {}, None, None)
    other = run(2, [Video("z", [(0, 2)], [(0, 2)])])
    assert score_runs([run(0, videos), empty, other]).seeds == [0]
    assert score_runs([empty]) is None
