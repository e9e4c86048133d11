"""Summary statistics of the labels of Breakfast, from which ``otseg.data.breakfast_like`` draws.

Reads ``{video: [[first, last, action], ...]}`` (inclusive frames, 15 per second; plain or gzipped JSON) and
writes ``otseg/data/breakfast_statistics.json``: for every activity its actions, how often one follows two
others, and how long each lasts.

Two previous actions count because SIL (nothing happens) both starts and ends most videos: a chain that remembers
one action would end every other video after its first SIL. Up to five cameras saw each execution of an activity
by a person; one of them counts, so that the views of one execution do not inflate the statistics.

    python benchmarks/breakfast_statistics.py breakfast_labels.json.gz otseg/data/breakfast_statistics.json

Labels: Kuehne, Arslan, Serre, The Language of Actions, CVPR 2014, CC BY 4.0, as published in the GitHub
repository amrut-prabhu/breakfast-actions-classifier, commit 8ed87b97.
"""

import argparse
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

Segments = list[tuple[int, int, str]]
#: Which camera counts: the first of these that saw the execution.
CAMERAS = ("cam01", "webcam01", "webcam02", "cam02", "stereo01")
START, END = "<start>", "<end>"
ATTRIBUTION = (
    "Summary statistics of the labels of the Breakfast data set (Kuehne, Arslan, Serre, The Language of "
    "Actions, CVPR 2014), CC BY 4.0, as published in GitHub amrut-prabhu/breakfast-actions-classifier, "
    "commit 8ed87b97. One camera of each (person, activity) counts."
)


def executions(labels: dict[str, Segments]) -> dict[str, list[Segments]]:
    """The executions of every activity, one camera each, from names such as ``P16_cam01_P16_cereals``."""
    views: dict[tuple[str, str], dict[str, Segments]] = {}
    for video, segments in labels.items():
        person, camera, _, activity = video.split("_")
        views.setdefault((activity, person), {})[camera] = segments
    found: dict[str, list[Segments]] = {}
    for (activity, _), cameras in sorted(views.items()):
        found.setdefault(activity, []).append(cameras[min(cameras, key=CAMERAS.index)])
    return found


def summarize(videos: list[Segments]) -> dict[str, Any]:
    """Statistics of one activity; durations and lengths in frames."""
    transitions: dict[str, dict[str, Counter[str]]] = {}
    durations: dict[str, list[int]] = {}
    for segments in videos:
        names = [START, START, *(name for _, _, name in segments), END]
        for before, now, after in zip(names, names[1:], names[2:], strict=False):
            transitions.setdefault(before, {}).setdefault(now, Counter())[after] += 1
        for first, last, name in segments:
            durations.setdefault(name, []).append(last - first + 1)
    lengths = [segments[-1][1] + 1 for segments in videos]
    actions = {}
    for name, frames in sorted(durations.items()):
        log = np.log(frames)
        actions[name] = {
            "count": len(frames),
            "mean": round(float(np.mean(frames)), 1),
            "log_mean": round(float(log.mean()), 4),
            "log_std": round(float(log.std()), 4),
            "min": min(frames),
            "max": max(frames),
        }
    return {
        "n_videos": len(videos),
        "n_frames_quantiles": [round(float(q)) for q in np.quantile(lengths, (0.1, 0.25, 0.5, 0.75, 0.9))],
        "actions": actions,
        "transitions": transitions,
    }


def main() -> None:
    """Read the labels, write the statistics."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=Path, help="labels of all videos, JSON or gzipped JSON")
    parser.add_argument("output", type=Path, help="where to write the statistics")
    arguments = parser.parse_args()
    raw = arguments.labels.read_bytes()
    labels = json.loads(gzip.decompress(raw) if arguments.labels.suffix == ".gz" else raw)
    activities = {activity: summarize(videos) for activity, videos in executions(labels).items()}
    result = {
        "attribution": ATTRIBUTION,
        "frames_per_second": 15,
        "quantiles": [0.1, 0.25, 0.5, 0.75, 0.9],
        "activities": activities,
    }
    arguments.output.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
