from dataclasses import replace

import pytest

from otseg.report import read_experiment
from otseg.report.scores import score_runs
from otseg.report.sections import how_to, scores, seed_table, summary, video_scores, what_was_run


@pytest.fixture
def experiment(trained):
    return read_experiment(trained)


def test_summary_has_scores_alarms_and_links(experiment, page):
    found = page(summary(experiment, ["<seed> 0 collapsed"], ["seed 1: gone"], [(0.2, "<v>", "a0-video-1")]))
    mean = experiment.results.mean()["mof"]
    assert f"{mean}MoF, percent" in found.text
    assert "<seed> 0 collapsed" in found.text
    assert "#a0-video-1" in found.links
    assert "seed 1: gone" in found.text


def test_what_was_run(experiment, page):
    found = page(what_was_run(experiment))
    record = experiment.records[0]
    facts = ("milk, tea & toast", "0, 1", "6 videos", record["versions"]["torch"], "kernels", "train.epochs=2", "UTC")
    for fact in facts:
        assert fact in found.text
    assert "learning_rate 0.001" in found.text.replace("learning_rate0.001", "learning_rate 0.001")
    assert "seed0, 1" in found.text  # of the settings of the training, all values that occur


def test_scores_are_those_of_the_table_on_disk(experiment, trained, page):
    found = page(scores(experiment, experiment.results))
    numbers = [line for line in (trained / "results.md").read_text().splitlines() if "±" in line and "|" in line]
    for line in numbers:
        for cell in line.strip("|").split("|")[3:]:
            assert cell.strip() in found.text
    assert "published" not in found.text


def test_published_numbers_stand_beside_those_of_a_benchmark(experiment, page):
    known = replace(experiment, settings={"benchmark": "breakfast", "source": "", "published": True})
    found = page(scores(known, known.results))
    assert "NOT the whole benchmark" in found.text
    assert "56.1" in found.texts
    assert "ASOT (otseg)" in found.texts


def test_seeds_and_videos(experiment, page):
    scored = score_runs(experiment.of_activity("milk"))
    found = page(seed_table(scored))
    lowest = min(video["MoF"] for video in scored.scores[1])
    assert f"{100 * lowest:.1f}" in found.texts
    assert [name for _, name, _ in video_scores(scored, "v")] == list(scored.names)


def test_commands_name_the_folder(experiment, trained, page):
    alone = read_experiment(trained / "milk" / "seed_1")
    assert "otseg segment 'seed_1' FEATURES" in page(how_to(alone)).text
    assert "otseg segment 'first/milk/seed_0' FEATURES" in page(how_to(experiment)).text
