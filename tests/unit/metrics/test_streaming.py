import json
import os
import subprocess
import sys

import pytest
import torch

from otseg.metrics import evaluate

pytest.importorskip("torchmetrics")
from otseg.metrics.streaming import SegmentationMetrics

ACTIVITIES = ["tea", "café", "tea", "café"]


@pytest.fixture
def batches():
    """Two batches of two padded videos; what lies on the padding must not matter."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for n in (20, 35):
        target = torch.randint(0, 4, (2, n // 5), generator=generator).repeat_interleave(5, dim=1)
        noise = torch.rand(target.shape, generator=generator) < 0.3
        labels = torch.where(noise, torch.randint(0, 5, target.shape, generator=generator), 3 - target)
        mask = torch.arange(n)[None] < torch.tensor([[n], [n - 7]])
        found.append((labels.where(mask, 77), target.where(mask, -1), mask))
    return found


def unpadded(batches, which):
    return [x[mask] for batch in batches for x, mask in zip(batch[which], batch[2], strict=True)]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scope": "activity"},
        {"scope": "video", "weights": "equal"},
        {"ignore_labels": (1,), "background": (0,), "unmatched": "background"},
    ],
)
def test_batch_by_batch_equals_all_at_once(batches, options):
    metric = SegmentationMetrics(5, **options)
    for i, batch in enumerate(batches):
        metric.update(*batch, ACTIVITIES[2 * i : 2 * i + 2])
    expected = evaluate(unpadded(batches, 0), unpadded(batches, 1), 5, activities=ACTIVITIES, **options)
    assert metric.evaluation() == expected
    assert {k: float(v) for k, v in metric.compute().items()} == pytest.approx(expected.values)
    assert all(value.dim() == 0 for value in metric.compute().values())


def test_reset_forgets_and_forward_gives_the_batch(batches):
    metric = SegmentationMetrics()
    metric.update(*batches[0])
    metric.reset()
    value = metric(*batches[1])
    expected = evaluate(unpadded(batches[1:], 0), unpadded(batches[1:], 1))
    assert metric.evaluation() == expected
    assert float(value["mof"]) == pytest.approx(expected.mof)
    assert metric.evaluation().per_activity == {}


def test_a_dataset_of_one_unnamed_activity(batches):
    metric = SegmentationMetrics(scope="activity")
    metric.update(*batches[0], ["", ""])
    assert list(metric.evaluation().per_activity) == [""]


WORKER = """
import json, sys
import torch
from otseg.metrics.streaming import SegmentationMetrics
rank, path = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group("gloo", init_method="file://" + path, rank=rank, world_size=3)
metric = SegmentationMetrics(scope="activity")
for labels, target, name in json.loads(sys.argv[3]) if rank < 2 else []:
    metric.update(torch.tensor([labels]), torch.tensor([target]), activities=[name])
if rank == 2:
    metric._update_count = 1  # a process without videos: torchmetrics would warn
result = [metric.evaluation().as_dict(), float(metric.compute()["mof"]), len(metric.lengths)]
print(json.dumps(result))
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_processes_with_more_few_and_no_videos_agree_with_one(batches, tmp_path):
    labels, target = unpadded(batches, 0), unpadded(batches, 1)
    videos = [
        list(v)
        for v in zip(map(torch.Tensor.tolist, labels), map(torch.Tensor.tolist, target), ACTIVITIES, strict=True)
    ]
    shares = [videos[:3], videos[3:], []]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(rank), str(tmp_path / "store"), json.dumps(share)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
        )
        for rank, share in enumerate(shares)
    ]
    expected = evaluate(labels, target, scope="activity", activities=ACTIVITIES)
    for process, share in zip(processes, shares, strict=True):
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        whole, value, kept = json.loads(out.splitlines()[-1])
        assert whole == expected.as_dict()
        assert value == pytest.approx(expected.mof)
        assert kept == len(share)  # the process goes on with its own videos


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (torch.zeros(3, dtype=torch.long), torch.zeros(1, 3)),
            r"`labels` must be an integer tensor of shape \(B, N\)",
        ),
        (
            (torch.zeros(1, 3, dtype=torch.long), torch.zeros(1, 2, dtype=torch.long)),
            r"`target` must be of shape",
        ),
        (
            (torch.zeros(1, 3, dtype=torch.long),) * 2 + (torch.zeros(1, 3),),
            r"`mask` must be a boolean tensor",
        ),
        (
            (torch.zeros(1, 3, dtype=torch.long),) * 2 + (torch.zeros(1, 3).bool(),),
            r"`mask` must be True on a frame",
        ),
        (
            (torch.zeros(1, 3, dtype=torch.long),) * 2 + (None, ["a", "b"]),
            r"`activities` must be one name per video \(1\)",
        ),
    ],
)
def test_bad_batches_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SegmentationMetrics().update(*arguments)


def test_bad_settings_are_refused_before_the_epoch():
    with pytest.raises(ValueError, match=r"`scope` must be one of"):
        SegmentationMetrics(scope="all")
    with pytest.raises(ValueError, match=r"`weights` must be one of"):
        SegmentationMetrics(weights="videos")


def test_nothing_seen_is_an_error():
    with pytest.raises(ValueError, match=r"`update` must be called before this; got no videos"):
        SegmentationMetrics().evaluation()


def test_metrics_import_without_torchmetrics():
    code = "\n".join([
        "import sys",
        "sys.modules['torchmetrics'] = None",
        "import otseg.metrics",
        "try:",
        "    import otseg.metrics.streaming",
        "except ImportError as error:",
        "    print(error)",
    ])  # fmt: skip
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "`torchmetrics` is needed here and not installed. Install it with: pip install 'otseg[train]'" in out
