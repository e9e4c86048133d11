"""What every benchmark shares: timing, the machine it ran on, and a result file that says both."""

import json
import platform
import resource
import statistics
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import torch

import otseg

RESULTS = Path(__file__).resolve().parent / "results"


def seconds(work: Callable[[], object], least: float = 0.0) -> float:
    """Mean time of as many calls as take ``least`` seconds together."""
    start, calls, taken = time.perf_counter(), 0, -1.0
    while taken < least:
        work()
        calls, taken = calls + 1, time.perf_counter() - start
    return taken / calls


def side_by_side(
    ours: Callable[[], object], theirs: Callable[[], object], repeats: int, least: float = 0.0
) -> dict[str, float]:
    """Median times and median of the ratios of runs that follow one another, after one warm-up of each."""
    ours(), theirs()
    pairs = [(seconds(ours, least), seconds(theirs, least)) for _ in range(repeats)]
    return {
        "ours_s": statistics.median(o for o, _ in pairs),
        "theirs_s": statistics.median(t for _, t in pairs),
        "ratio": statistics.median(t / o for o, t in pairs),
        "repeats": repeats,
    }


def peak_gib() -> float:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def machine() -> dict[str, object]:
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = f"{names[0]} ({len(names)} logical cores)" if names else cpu
    return {
        "date": date.today().isoformat(),
        "otseg": otseg.__version__,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "cpu": cpu,
    }


def write(name: str, title: str, rows: list[dict[str, object]], notes: str, folder: Path = RESULTS) -> None:
    """Write ``<name>.json`` and ``<name>.md``, and print the table."""
    folder.mkdir(parents=True, exist_ok=True)
    about = machine()
    (folder / f"{name}.json").write_text(json.dumps({"machine": about, "rows": rows}, indent=1) + "\n")
    columns = list(rows[0])
    lines = [f"# {title}", "", notes, "", ", ".join(f"{k} {v}" for k, v in about.items()), ""]
    lines += ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        cells = (f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values())
        lines.append("| " + " | ".join(cells) + " |")
    text = "\n".join(lines) + "\n"
    (folder / f"{name}.md").write_text(text)
    print(text)
