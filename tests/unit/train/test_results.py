import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otseg.metrics.evaluate import TITLES
from otseg.train import PUBLISHED, Results, Spread, compare_results, compare_with_published, published_results
from otseg.train.results import SCOPES


def record(activity, seed, value, n_frames=10):
    scores = {scope: dict.fromkeys(TITLES, value) for scope in SCOPES}
    return {"activity": activity, "seed": seed, "n_videos": 2, "n_frames": n_frames, "scores": scores, "rules": "r"}


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_spread_is_that_of_a_sample(values):
    spread = Spread.of(values)
    assert spread.mean == pytest.approx(statistics.fmean(values))
    assert spread.std == pytest.approx(statistics.stdev(values), abs=1e-9)


def test_activities_are_averaged_first_then_seeds():
    # seed 0: (30 * 0.2 + 10 * 0.6) / 40 = 0.3; seed 1: (30 * 0.4 + 10 * 0.8) / 40 = 0.5
    runs = [record("a", 0, 0.2, 30), record("a", 1, 0.4, 30), record("b", 0, 0.6), record("b", 1, 0.8)]
    results = Results("X", runs, {})
    assert results.mean()["mof"] == Spread.of([0.3, 0.5])
    assert results.mean("unweighted", "video")["edit"].mean == pytest.approx(0.5)
    assert results.of_activity("b")["f1_50"].mean == pytest.approx(0.7)
    assert "| mean, weighted by frames |" in results.markdown()
    assert "40.0 ± 14.1" in results.markdown()
    assert r"X & 40.0 {\scriptsize$\pm$14.1} & " in results.latex()
    assert results.latex().count(r" \\") == 2


def test_a_single_run_has_no_spread_and_one_row():
    text = Results("X_1", [record("", 0, 0.25)], {}).markdown()
    assert "±" not in text
    assert "mean" not in text.replace("mean ±", "")
    assert "| all      |      2 |     10 | 25.0 |" in text
    assert r"X\_1 & 25.0 & " in Results("X_1", [record("", 0, 0.25)], {}).latex()


def test_methods_side_by_side():
    table = compare_results([Results("one", [record("", 0, 0.25)], {}), Results("two", [record("", 0, 0.5)], {})])
    assert [line.split("|")[1:3] for line in table.splitlines()[2:]] == [[" one    ", " 25.0 "], [" two    ", " 50.0 "]]


def test_published_results_are_percentages_of_known_metrics_with_a_source():
    for row in PUBLISHED:
        assert set(row.values) <= set(TITLES)
        assert all(1 < value < 100 for value in row.values.values())
        assert row.source
    keys = [(row.method, row.benchmark, row.scope) for row in PUBLISHED]
    assert len(set(keys)) == len(keys)
    assert [row.method for row in published_results("50salads-eval")] == ["ASOT", "VASOT", "CLOT"]
    assert published_results("50salads-mid") == []


def test_part_of_a_benchmark_is_not_taken_for_the_whole():
    text = compare_with_published(Results("ASOT", [record("coffee", 0, 0.5)], {}), "breakfast")
    assert "NOT the whole benchmark: without cereals, friedegg" in text
    assert "| ASOT (otseg) |        50.0 |" in text or "| 50.0 |" in text
    assert "56.1" in text
    assert "63.3" in text
