import re
import shutil

import pytest

from otseg.report import make_report, read_experiment


@pytest.fixture(scope="module")
def report(whole):
    return make_report(read_experiment(whole))


def check(html, page):
    """Well-formed, every id once, every link resolves, nothing from a network."""
    found = page(html)
    assert len(found.ids) == len(set(found.ids))
    for link in found.links:
        assert link.startswith(("#", "data:")), link
        if link.startswith("#"):
            assert link[1:] in found.ids
    for tag, name, value in found.attributes:
        assert name not in ("src", "srcset", "action", "poster"), tag
        assert not name.startswith("on"), tag
        for target in re.findall(r"url\(([^)]*)\)", value or ""):
            assert target.strip("'\"")[1:] in found.ids
    assert "http://" not in html
    assert "https://" not in html
    assert "@import" not in html
    assert len(found.all("script")) == 1
    return found


def test_the_page_needs_nothing_else(report, page):
    found = check(report.html, page)
    (policy,) = [m["content"] for m in found.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert found.all("meta")[1]["name"] == "viewport"


def test_names_are_text(report, page):
    html = report.html
    assert "<script>alert" not in html
    assert "<i>pour" not in html
    found = page(html)
    assert "<script>alert('x')</script>" in found.texts
    assert any(video["data-name"] == "<script>alert('x')</script>" for video in found.all("article"))
    assert "tea & toast" in found.texts


def test_every_part_is_there(report, page):
    found = page(report.html)
    parts = [f"a{i}{part}" for i in (0, 1) for part in ("", "-training", "-videos", "-confusion", "-shapes")]
    assert {"summary", "run", "scores", "use", *parts} <= set(found.ids)
    assert len(found.all("article")) == report.n_videos == 6
    assert report.title == "ASOT: first"
    assert report.missing == []
    assert {f"#{part}" for part in ("summary", "run", "scores", "a0", "a1")} <= set(found.links)


def test_a_single_seed_says_so(trained, page):
    report = make_report(read_experiment(trained / "milk" / "seed_0"))
    found = check(report.html, page)
    assert any("Only one seed" in text for text in report.warnings)
    assert len(found.all("article")) == 3


def test_parts_that_are_gone_are_named_with_what_makes_them(trained, page):
    (trained / "milk" / "seed_1" / "run.json").unlink()
    (trained / "milk" / "seed_0" / "segments.json").unlink()
    (trained / "tea & toast" / "seed_0" / "embedding.json").unlink()
    (trained / "tea & toast" / "seed_1" / "training" / "metrics.csv").unlink()
    report = make_report(read_experiment(trained))
    found = check(report.html, page)
    texts = " ".join(report.missing)
    assert "milk, seed 1: not finished, 2 epochs done; give the same `otseg train` command again" in texts
    assert "milk, seed 0: no segments of the videos; `otseg report RUN --data FOLDER`" in texts
    assert "tea & toast, seed 0: no embeddings" in texts
    assert "tea & toast, seed 1: no curves" in texts
    assert all(text in found.text for text in report.missing)
    assert "a0-videos" not in found.ids
    assert "a0-training" in found.ids
    assert "a1-videos" in found.ids


def test_runs_that_lack_the_same_share_a_line(trained):
    for path in trained.rglob("segments.json"):
        path.unlink()
    (line,) = make_report(read_experiment(trained)).missing
    assert line.startswith("milk, seed 0; milk, seed 1; tea & toast, seed 0 and 1 more: no segments")


def test_only_an_interrupted_training(trained, page):
    (trained / "milk" / "seed_0" / "run.json").unlink()
    report = make_report(read_experiment(trained / "milk" / "seed_0"))
    found = check(report.html, page)
    assert "a0-training" in found.ids
    assert "scores" not in found.ids
    assert report.title == "ASOT: seed_0"  # the experiment's table knows the method
    shutil.move(trained / "milk" / "seed_0", trained.parent / "seed_0")
    assert make_report(read_experiment(trained.parent / "seed_0")).title == "Training: seed_0"


def test_without_ground_truth(trained, page, change):
    def unlabel(segments):
        for video in segments["videos"]:
            video["target"] = None

    def unscore(record):
        record.update(scores={}, rules="")

    for path in trained.rglob("segments.json"):
        change(path, unlabel)
    for path in trained.rglob("run.json"):
        change(path, unscore)
    report = make_report(read_experiment(trained / "milk"))
    found = check(report.html, page)
    assert "There is no ground truth" in found.text
    assert "a0-confusion" not in found.ids
    assert "action 0" in found.texts


def test_degenerate_solutions_stand_on_top(trained, page, change):
    def collapse(segments):
        for video in segments["videos"]:
            video["labels"] = [[0, sum(n for _, n in video["labels"])]]

    change(trained / "milk" / "seed_1" / "segments.json", collapse)
    report = make_report(read_experiment(trained / "milk"))
    assert [text[:15] for text in report.warnings] == ["milk, seed 1: T"]
    assert "a degenerate solution" in check(report.html, page).text


def test_the_report_is_a_function_of_the_run(report, trained):
    assert make_report(read_experiment(trained)).html == report.html


def test_a_hundred_videos_of_5000_frames_are_below_a_megabyte(trained, change):
    def grow(segments):
        video = segments["videos"][0]
        runs = [[k % 3, 125] for k in range(40)]
        shifted = [[0, 25], *runs[1:], [2, 100]]
        row = {"labels": shifted, "target": runs}
        segments["videos"] = [{**video, **row, "name": f"video {i}"} for i in range(100)]

    for seed in (0, 1):
        change(trained / "milk" / f"seed_{seed}" / "segments.json", grow)
    html = make_report(read_experiment(trained / "milk")).html
    assert html.count("<article") == 100
    assert len(html.encode()) < 1e6
