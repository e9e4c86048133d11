"""Prediction on a Dask cluster of two processes, of which one is killed at work."""

import json
import logging
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from otseg.cli.main import main
from otseg.data import make_activity
from otseg.estimators import OTSegmenter
from otseg.models import ASOT
from otseg.train import TrainConfig, save_model

pytest.importorskip("lightning")
distributed = pytest.importorskip("distributed", reason="needs the extra dask")
joblib = pytest.importorskip("joblib")
pytestmark = pytest.mark.filterwarnings("default")  # those of the cluster's own


@pytest.fixture(scope="module")
def client():
    """Two workers, each a process with one thread."""
    options = {"dashboard_address": None, "silence_logs": logging.CRITICAL}
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, **options) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(2)
        yield client


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A segmenter, and a folder of 24 recordings with their labels without a cluster."""
    folder = tmp_path_factory.mktemp("recordings")
    generator = torch.Generator().manual_seed(0)
    recordings = make_activity(24, 3, 5, n_frames=(40, 70), generator=generator)
    for i, sequence in enumerate(recordings):
        np.save(folder / f"log{i:02}.npy", sequence.features.numpy())
    segmenter = OTSegmenter(3, epochs=2, n_samples=32, random_state=0, device="cpu").fit(folder)
    return segmenter, folder, segmenter.predict(folder)


def assert_same(found, labels):
    assert list(found) == list(labels)
    for name, values in labels.items():
        np.testing.assert_array_equal(found[name], values)


def slow_reading(folder):
    """Runs in a worker: from now on it takes its time for every recording, and notes when it starts and ends."""
    from otseg.data import SequenceFile

    read = SequenceFile.read

    def slowly(self):
        note = Path(folder) / f"{os.getpid()} {self.name}"
        note.with_suffix(".started").touch()
        time.sleep(0.3)
        sequence = read(self)
        note.with_suffix(".ended").touch()
        return sequence

    SequenceFile.read = slowly
    return os.getpid()


def notes(folder, ending):
    """Pairs of process and recording."""
    return {tuple(path.stem.split()) for path in folder.glob(f"*.{ending}")}


def count_models():
    """Runs in a worker: from now on it counts the models that arrive."""
    restore = ASOT.__setstate__

    def counted(self, state):
        ASOT.arrived += 1
        restore(self, state)

    ASOT.arrived, ASOT.__setstate__ = 0, counted


def test_the_cluster_finds_the_same_labels(client, trained):
    segmenter, folder, labels = trained
    before = client.run(os.getpid)
    client.run(count_models)
    with joblib.parallel_config("dask", client=client):
        assert_same(segmenter.predict(folder), labels)
    arrived = client.run(lambda: ASOT.arrived)
    assert sum(arrived.values()) == 8  # not 24: four groups of recordings for each worker
    with joblib.parallel_config("dask", client=client):
        in_memory = segmenter.predict([np.load(path) for path in sorted(folder.glob("*.npy"))])
    assert_same(dict(zip(labels, in_memory, strict=True)), labels)
    assert client.run(os.getpid) == before


def test_the_command_works_on_the_cluster(client, trained, tmp_path, monkeypatch):
    segmenter, folder, _ = trained
    save_model(segmenter.model_, tmp_path / "model.safetensors", TrainConfig())
    monkeypatch.chdir(folder.parent)  # the workers are elsewhere
    arguments = ["segment", str(tmp_path / "model.safetensors"), folder.name, "--json"]
    here, there = (
        CliRunner().invoke(main, [*arguments, *dask]) for dask in ([], ["--dask", client.scheduler_info()["address"]])
    )
    assert here.exit_code == there.exit_code == 0, there.output
    assert json.loads(there.stdout) == json.loads(here.stdout)
    assert len(json.loads(here.stdout)["sequences"]) == 24


def test_a_worker_that_is_killed_at_work_is_survived(client, trained, tmp_path):
    segmenter, folder, labels = trained
    victim, other = client.run(slow_reading, str(tmp_path)).values()
    killed = threading.Event()

    def kill():
        # when it has done something, and is in the middle of something else; it stands still while we look
        for _ in range(1000):
            time.sleep(0.05)
            os.kill(victim, signal.SIGSTOP)
            begun, done = (
                {name for pid, name in notes(tmp_path, e) if pid == str(victim)} for e in ("started", "ended")
            )
            if done and begun - done:
                os.kill(victim, signal.SIGKILL)
                killed.set()
                return
            os.kill(victim, signal.SIGCONT)

    killer = threading.Thread(target=kill)
    killer.start()
    with joblib.parallel_config("dask", client=client):
        found = segmenter.predict(folder)
    killer.join()
    assert killed.is_set()
    started, ended = notes(tmp_path, "started"), notes(tmp_path, "ended")
    (lost,) = (name for pid, name in started - ended)  # the victim was reading it
    assert (str(victim), lost) in started
    assert {pid for pid, _ in ended} == {str(victim), str(other)}  # both were at work
    assert victim not in client.run(os.getpid).values()
    assert_same(found, labels)
