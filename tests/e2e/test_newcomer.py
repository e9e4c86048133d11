"""The README's commands for recordings of one's own, word for word: from files to a table of segments and a picture."""

import csv
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lightning")
pytest.importorskip("matplotlib")
ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
(COMMANDS,) = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def recordings():
    """Six recordings of four actions in one order, ten frames a second."""
    generator = np.random.default_rng(0)
    means = 3 * generator.normal(size=(4, 6))
    for _ in range(6):
        truth = np.repeat(np.arange(4), generator.integers(40, 80, 4))
        yield truth, means[truth] + generator.normal(size=(len(truth), 6))


def test_from_recordings_to_a_table_and_a_picture(tmp_path):
    """Half of them logs of sensors in CSV, half of them arrays."""
    logs = tmp_path / "logs"
    logs.mkdir()
    truths = {}
    for i, (truth, x) in enumerate(recordings()):
        truths[f"day_{i}"] = truth
        if i % 2:
            np.save(logs / f"day_{i}.npy", x)
            continue
        table = np.column_stack([np.arange(len(x)) / 10, x])
        names = "time,acc_x,acc_y,acc_z,gyro_x,gyro_y,gyro_z"
        np.savetxt(logs / f"day_{i}.csv", table, delimiter=",", fmt="%.4f", header=names, comments="")
    shell = f'otseg() {{ "{sys.executable}" -m otseg "$@"; }}\nset -e\n'
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    for command in COMMANDS.strip().splitlines():
        start = time.perf_counter()
        run = ["bash", "-c", shell + command]
        done = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True)
        print(f"{time.perf_counter() - start:5.1f} s  {command}")
        assert done.returncode == 0, done.stderr
    with (tmp_path / "segments.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["sequence", "start", "stop", "action", "start_seconds", "stop_seconds"]
    found = {name: [] for name in truths}
    for row in rows:
        start, stop = int(row["start"]), int(row["stop"])
        assert (float(row["start_seconds"]), float(row["stop_seconds"])) == (start / 10, stop / 10)
        found[row["sequence"]] += [int(row["action"])] * (stop - start)
    labels, truth = (np.concatenate(list(values.values())) for values in (found, truths))
    counts = np.array([[np.sum((labels == k) & (truth == t)) for t in range(4)] for k in range(4)])
    assert counts.max(axis=1).sum() > 0.9 * len(truth)  # the recordings are easy
    assert sorted(counts.argmax(axis=1)) == [0, 1, 2, 3]
    assert (tmp_path / "segments.png").read_bytes().startswith(b"\x89PNG")
