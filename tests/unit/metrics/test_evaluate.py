import json

import numpy as np
import pytest

from otseg.metrics import edit, evaluate, f1, match, miou, mof, segment_f1

ACTIVITIES = ["tea", "milk", "tea", "milk"]


@pytest.fixture
def data():
    """Four videos whose predictions are the truth with a third of the frames replaced."""
    rng = np.random.default_rng(0)
    target = [np.repeat(rng.integers(0, 4, 6), rng.integers(1, 9, 6)) for _ in range(4)]
    labels = [np.where(rng.random(len(y)) < 0.3, rng.integers(0, 6, len(y)), (y + 1) % 4) for y in target]
    return labels, target


def metrics_of(labels, target, **options):
    f1s = f1(labels, target, overlap=[0.1, 0.25, 0.5], **options)
    ignored = {"ignore_labels": options.get("ignore_labels", ())}
    return {
        "mof": mof(labels, target, **ignored),
        "miou": miou(labels, target, **ignored),
        **dict(zip(["f1_10", "f1_25", "f1_50"], f1s, strict=True)),
        "edit": edit(labels, target, **options),
        "f1_asot": segment_f1(labels, target, **options),
        "f1_cte": segment_f1(labels, target, protocol="cte", **options),
    }


@pytest.mark.parametrize(
    "options",
    [{}, {"background": (0,)}, {"ignore_labels": (2,)}, {"background": (1,), "ignore_labels": (3,)}],
)
def test_one_matching_then_all_metrics(data, options):
    labels, target = data
    mapped = match(labels, target, **options).apply(labels)
    assert evaluate(labels, target, **options).values == pytest.approx(metrics_of(mapped, target, **options))


def test_a_perfect_prediction_under_other_names_scores_one(data):
    _, target = data
    labels = [3 - y for y in target]
    for scope in ("global", "activity", "video"):
        result = evaluate(labels, target, scope=scope, activities=ACTIVITIES)
        assert result.values == dict.fromkeys(result.values, 1.0)
        assert all(row["f1_asot"] == 1 for row in result.per_activity.values())


def test_activity_scope_is_the_frame_weighted_mean_over_activities(data):
    labels, target = data
    result = evaluate(labels, target, scope="activity", activities=ACTIVITIES)
    alone = {
        name: evaluate([labels[i] for i in index], [target[i] for i in index])
        for name, index in {"tea": (0, 2), "milk": (1, 3)}.items()
    }
    n = {name: part.protocol.n_frames for name, part in alone.items()}
    assert n["tea"] != n["milk"]
    for metric, value in result.values.items():
        mean = sum(n[name] * getattr(part, metric) for name, part in alone.items()) / sum(n.values())
        assert value == pytest.approx(mean)
        assert result.per_activity["milk"][metric] == getattr(alone["milk"], metric)
    assert list(result.per_activity) == ["tea", "milk"]
    assert result.per_activity["tea"]["n_videos"] == 2
    assert result.per_activity["tea"]["n_frames"] == n["tea"]
    equal = evaluate(labels, target, scope="activity", activities=ACTIVITIES, weights="equal")
    assert equal.miou == pytest.approx((alone["tea"].miou + alone["milk"].miou) / 2)
    assert equal.protocol.weights == "equal"


def test_video_scope_scores_every_video_alone(data):
    labels, target = data
    result = evaluate(labels, target, scope="video", weights="equal")
    alone = [evaluate([x], [y]) for x, y in zip(labels, target, strict=True)]
    for metric, value in result.values.items():
        assert value == pytest.approx(np.mean([getattr(part, metric) for part in alone]))
    by_frames = evaluate(labels, target, scope="video")
    assert by_frames.mof == pytest.approx(np.average([p.mof for p in alone], weights=[len(y) for y in target]))


def test_global_scope_pools_all_videos_and_keeps_its_mapping_in_the_activities(data):
    labels, target = data
    result = evaluate(labels, target, activities=ACTIVITIES)
    assert result.values == evaluate(labels, target).values
    mapped = match(labels, target).apply(labels)
    assert result.per_activity["tea"]["mof"] == mof([mapped[0], mapped[2]], [target[0], target[2]])


def test_unmatched_clusters_are_wrong_predictions():
    result = evaluate([[0, 1, 2, 3]], [[0, 0, 1, 1]])
    assert (result.mof, result.miou, result.f1_50) == (0.5, 0.5, pytest.approx(2 * 2 / (4 + 2)))
    assert result.protocol.n_leftovers == 2
    filled = evaluate([[0, 0, 1, 2]], [[0, 0, 1, 1]], unmatched="background", background=(1,))
    assert filled.mof == 1.0


def test_videos_and_activities_of_ignored_frames_do_not_count():
    labels, target = [[0, 1], [0, 0], [1, 1]], [[3, 4], [9, 9], [9, 4]]
    for scope in ("global", "activity", "video"):
        result = evaluate(labels, target, scope=scope, activities=["a", "b", "a"], ignore_labels=(9,), weights="equal")
        assert result.values == dict.fromkeys(result.values, 1.0)
        assert (result.protocol.n_videos, result.protocol.n_frames, result.protocol.n_ignored) == (2, 3, 3)
        assert list(result.per_activity) == ["a"]


def test_protocol_and_table_and_json(data):
    labels, target = data
    result = evaluate(labels, target, 8, activities=ACTIVITIES, scope="activity", ignore_labels=(3,), background=(0,))
    protocol = result.protocol
    assert (protocol.scope, protocol.unmatched, protocol.weights) == ("activity", "ignore", "frames")
    assert (protocol.ignore_labels, protocol.background) == ((3,), (0,))
    kept = np.concatenate(target) != 3
    assert (protocol.n_frames, protocol.n_ignored) == (kept.sum(), (~kept).sum())
    assert (protocol.n_videos, protocol.n_classes, protocol.n_clusters, protocol.n_mappings) == (4, 3, 8, 2)
    assert evaluate(labels, target).protocol.n_clusters == 6
    assert json.loads(json.dumps(result.as_dict())) == result.as_dict()
    assert result.as_dict()["mof"] == result.mof
    lines = result.table().splitlines()
    assert len({len(line) for line in lines[:5]}) == 1
    assert [line.split()[1] for line in lines[2:5]] == ["tea", "milk", "all"]
    assert f"{100 * result.mof:.1f}" in lines[4]
    assert lines[-1].startswith(
        "In percent. Protocol: scope=activity, unmatched=ignore, ignore_labels=[3], background=[0], "
    )


def test_bad_input_is_refused(data):
    labels, target = data
    with pytest.raises(ValueError, match=r"`weights` must be one of 'frames', 'equal'; got 'videos'"):
        evaluate(labels, target, weights="videos")
    with pytest.raises(ValueError, match=r"`activities` must be one name per video \(4\); got 1"):
        evaluate(labels, target, activities=["tea"])
    with pytest.raises(ValueError, match=r"every cluster has a class"):
        evaluate(labels, target, unmatched="error")
