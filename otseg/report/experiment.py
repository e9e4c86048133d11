"""Reads the folder of a run: what `otseg train` wrote, as far as it is there."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from otseg import checks
from otseg.data import SequenceDataset
from otseg.train import load_model, segment_dataset
from otseg.train.loggers import read_history
from otseg.train.records import Embedding, Segments, read_embedding, read_segments, write_records
from otseg.train.results import Results

_FIX = "Give the folder that `otseg train` wrote to, such as runs/clot-mine, or that of one of its seeds."


@dataclass(frozen=True, eq=False)
class Run:
    """One activity and seed.

    Attributes:
        folder: Its folder.
        activity: The activity; empty where there is only one.
        seed: The seed.
        record: What ``run.json`` says; ``None`` of a training that was interrupted.
        history: Curves: for every name its value after each epoch.
        segments: The segments of its videos; ``None`` where it kept none.
        embedding: A plane through its embeddings; ``None`` where it kept none.
    """

    folder: Path
    activity: str
    seed: int
    record: Mapping[str, Any] | None
    history: Mapping[str, Mapping[int, float]]
    segments: Segments | None
    embedding: Embedding | None

    @property
    def finished(self) -> datetime | None:
        """When it was finished; the age of the file where the record does not say."""
        if self.record is None:
            return None
        if "finished" in self.record:
            return datetime.fromisoformat(self.record["finished"])
        return datetime.fromtimestamp((self.folder / "run.json").stat().st_mtime, timezone.utc)


@dataclass(frozen=True, eq=False)
class Experiment:
    """All runs of a folder.

    Attributes:
        folder: The folder.
        title: Name of the method.
        runs: The runs, sorted by activity and seed.
        settings: Where the settings came from, as in ``results.json``; empty without that file.
    """

    folder: Path
    title: str
    runs: Sequence[Run]
    settings: Mapping[str, Any]

    @property
    def activities(self) -> list[str]:
        """The activities."""
        return list(dict.fromkeys(run.activity for run in self.runs))

    @property
    def records(self) -> list[Mapping[str, Any]]:
        """Records of the runs that are finished."""
        return [run.record for run in self.runs if run.record is not None]

    @property
    def results(self) -> Results | None:
        """The scores; ``None`` where a run lacks them or nothing is finished.

        Seeds that do not have all activities are left out: their means would be of something else.
        """
        records = self.records
        if not records or not all(record["scores"] for record in records):
            return None
        activities = {record["activity"] for record in records}
        by_seed = {seed: {r["activity"] for r in records if r["seed"] == seed} for seed in {r["seed"] for r in records}}
        whole = [record for record in records if by_seed[record["seed"]] == activities]
        return Results(self.title, whole, self.settings) if whole else None

    def of_activity(self, activity: str) -> list[Run]:
        """Its runs, one per seed."""
        return [run for run in self.runs if run.activity == activity]


def read_experiment(folder: str | Path) -> Experiment:
    """Read the folder of an experiment, of one activity of it, or of one seed.

    Args:
        folder: The folder.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it holds no run, or a file in it cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        checks.fail_file(folder, "there is no such folder", _FIX, FileNotFoundError)
    places = [folder] if _is_run(folder) else [path for path in folder.rglob("seed_*") if _is_run(path)]
    if not places:
        checks.fail_file(folder, "holds no run of `otseg train`", _FIX)
    runs = sorted((_read_run(place, folder) for place in places), key=lambda run: (run.activity, run.seed))
    known = next((t for path in (folder, *folder.resolve().parents[:3]) if (t := _read_table(path))), {})
    records = [run.record for run in runs if run.record is not None]
    title = known.get("method") or (records[0]["method"] if records else "Training")
    return Experiment(folder, title, runs, known.get("settings", {}))


def segment_again(experiment: Experiment, data: SequenceDataset) -> Experiment:
    """Segment the videos with the saved models, and keep the segments as training does; for runs that kept none.

    Args:
        experiment: The experiment; ``segments.json`` and ``embedding.json`` are written into the folders of its runs.
        data: The sequences it was trained on.

    Raises:
        ValueError: If the data has other sequences.
    """
    for run in experiment.runs:
        if run.record is None:
            continue
        known = run.activity in data.activities
        part = data.subset(run.activity) if known else data
        names = run.record["data"]["names"]
        if list(part.names) != names:
            fix = "Give the folder that it was trained on, with the same options."
            checks.fail_file(run.folder, f"was trained on {len(names)} other sequences than those of the data", fix)
        model, config = load_model(run.folder)
        write_records(run.folder, model, part, config, segment_dataset(model, part, config=config))
    return read_experiment(experiment.folder)


def _is_run(path: Path) -> bool:
    return (path / "run.json").is_file() or (path / "training" / "metrics.csv").is_file()


def _read_run(place: Path, folder: Path) -> Run:
    record = _read_json(place / "run.json") if (place / "run.json").is_file() else None
    table = place / "training" / "metrics.csv"
    history = read_history(table) if table.is_file() else {}
    if record is None:
        number = re.fullmatch(r"seed_(\d+)", place.resolve().name)
        activity = "" if place == folder else place.parent.relative_to(folder).as_posix()
        activity = "" if activity in ("all", ".") else activity
        return Run(place, activity, int(number[1]) if number else 0, None, history, None, None)
    segments, embedding = read_segments(place), read_embedding(place)
    return Run(place, record["activity"], record["seed"], record, history, segments, embedding)


def _read_table(folder: Path) -> dict[str, Any]:
    """The table of an experiment; empty where there is none, or something else of that name."""
    path = folder / "results.json"
    found = _read_json(path) if path.is_file() else {}
    return found if isinstance(found, dict) and {"method", "settings", "runs"} <= set(found) else {}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        checks.fail_file(path, f"not a JSON file ({error})")
    return found
