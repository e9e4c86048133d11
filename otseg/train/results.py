"""The numbers of an experiment: means over activities, mean and deviation over seeds; as JSON, Markdown and LaTeX."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otseg.metrics.evaluate import TITLES
from otseg.train.files import write_json, write_text

#: Which videos share a matching of clusters and classes, and how tables call it.
SCOPES = {"activity": "one matching per activity", "video": "one matching per video"}
#: How activities are averaged.
MEANS = {"weighted": "mean, weighted by frames", "unweighted": "mean of activities"}


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over seeds.

    Attributes:
        mean: Mean.
        std: Standard deviation of a sample (divided by the number of seeds minus 1); 0 of a single seed.
        n: Number of seeds.
    """

    mean: float
    std: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The spread of at least one value.

        Example:
            >>> Spread.of([0.5, 0.7])
            Spread(mean=0.6, std=0.14142135623730948, n=2)
        """
        n, mean = len(values), math.fsum(values) / len(values)
        return cls(mean, math.sqrt(math.fsum((x - mean) ** 2 for x in values) / max(n - 1, 1)), n)

    def __str__(self) -> str:
        return f"{100 * self.mean:.1f}" + (f" ± {100 * self.std:.1f}" if self.n > 1 else "")


@dataclass(frozen=True, eq=False)
class Results:
    """What the runs of an experiment scored.

    Attributes:
        title: Name of the method in tables.
        runs: The record of every run, as in its ``run.json``.
        settings: What was asked for, for the reports.
    """

    title: str
    runs: Sequence[Mapping[str, Any]]
    settings: Mapping[str, Any]

    @property
    def activities(self) -> list[str]:
        """Activities in the order of the runs."""
        return list(dict.fromkeys(run["activity"] for run in self.runs))

    @property
    def seeds(self) -> list[int]:
        """Seeds in the order of the runs."""
        return list(dict.fromkeys(run["seed"] for run in self.runs))

    @property
    def scored(self) -> bool:
        """Whether there was ground truth to score with."""
        return all(run["scores"] for run in self.runs)

    def of_activity(self, activity: str, scope: str = "activity") -> dict[str, Spread]:
        """Every metric of an activity over the seeds, as a fraction.

        Args:
            activity: The activity.
            scope: ``"activity"`` or ``"video"``: which videos share a matching.
        """
        runs = [run for run in self.runs if run["activity"] == activity]
        return {name: Spread.of([run["scores"][scope][name] for run in runs]) for name in TITLES}

    def per_seed(self, weights: str = "weighted", scope: str = "activity") -> dict[str, list[float]]:
        """Every metric of all activities: their mean for every seed.

        Args:
            weights: ``"weighted"`` by the number of frames that were scored, as in the field, or ``"unweighted"``.
            scope: ``"activity"`` or ``"video"``: which videos share a matching.
        """
        per_seed: dict[str, list[float]] = {name: [] for name in TITLES}
        for seed in self.seeds:
            runs = [run for run in self.runs if run["seed"] == seed]
            shares = [run["n_frames"] if weights == "weighted" else 1 for run in runs]
            for name, values in per_seed.items():
                scores = [run["scores"][scope][name] for run in runs]
                values.append(math.fsum(w * x for w, x in zip(shares, scores, strict=True)) / sum(shares))
        return per_seed

    def mean(self, weights: str = "weighted", scope: str = "activity") -> dict[str, Spread]:
        """Mean and deviation over the seeds of :meth:`per_seed`, with the same arguments."""
        return {name: Spread.of(values) for name, values in self.per_seed(weights, scope).items()}

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        scores = {}
        for scope in SCOPES if self.scored else ():
            scores[scope] = {
                "activities": {a: _plain(self.of_activity(a, scope)) for a in self.activities},
                **{weights: _plain(self.mean(weights, scope)) for weights in MEANS},
            }
        return {
            "method": self.title,
            "seeds": self.seeds,
            "activities": self.activities,
            "scores": scores,
            "settings": dict(self.settings),
            "runs": [dict(run) for run in self.runs],
        }

    def markdown(self) -> str:
        """A table for each scope, in percent, mean ± standard deviation over the seeds."""
        if not self.scored:
            models = "1 model" if len(self.runs) == 1 else f"{len(self.runs)} models"
            return f"# {self.title}\n\n{models} trained; there is no ground truth to score with.\n"
        parts = [f"# {self.title}\n"]
        for scope, meaning in SCOPES.items():
            rows = [["activity", "videos", "frames", *TITLES.values()]]
            for activity in self.activities:
                run = next(run for run in self.runs if run["activity"] == activity)
                counts = [str(run["n_videos"]), str(run["n_frames"])]
                rows.append([activity or "all", *counts, *map(str, self.of_activity(activity, scope).values())])
            if len(self.activities) > 1:
                for weights, name in MEANS.items():
                    rows.append([name, "", "", *map(str, self.mean(weights, scope).values())])
            parts.append(f"{scope.capitalize()} level: {meaning}.\n\n{markdown_table(rows)}\n")
        seeds, rules = ", ".join(map(str, self.seeds)), self.runs[0]["rules"]
        spread = "; mean ± standard deviation over seeds" if len(self.seeds) > 1 else ""
        starts = len(self.runs[0].get("restart_losses", [0]))
        kept = f" Each the best of {starts} starts by its training loss." if starts > 1 else ""
        parts.append(f"In percent{spread}. Seeds: {seeds}.{kept} Metrics: {rules}.\n")
        return "\n".join(parts)

    def latex(self) -> str:
        """Rows of a table, one for each scope, with a comment that names the columns."""
        lines = ["% columns: method & " + " & ".join(TITLES.values()) + " (percent)"]
        for scope, meaning in SCOPES.items() if self.scored else ():
            cells = []
            for spread in self.mean("weighted", scope).values():
                deviation = rf" {{\scriptsize$\pm${100 * spread.std:.1f}}}" if spread.n > 1 else ""
                cells.append(f"{100 * spread.mean:.1f}{deviation}")
            lines.append(f"% {meaning}, activities weighted by frames, seeds {', '.join(map(str, self.seeds))}")
            lines.append(f"{self.title.replace('_', chr(92) + '_')} & " + " & ".join(cells) + r" \\")
        return "\n".join(lines) + "\n"

    def write(self, folder: Path) -> None:
        """Write ``results.json``, ``results.md`` and ``results.tex``."""
        write_json(folder / "results.json", self.as_dict())
        write_text(folder / "results.md", self.markdown())
        write_text(folder / "results.tex", self.latex())


def compare_results(results: Sequence[Results], scope: str = "activity", weights: str = "weighted") -> str:
    """A Markdown table with one row per method: the mean over activities, in percent, with the spread over seeds.

    Args:
        results: What the methods scored, on the same data.
        scope: ``"activity"`` or ``"video"``: which videos share a matching.
        weights: ``"weighted"`` by frames, as in the field, or ``"unweighted"``.
    """
    rows = [[found.title, *map(str, found.mean(weights, scope).values())] for found in results]
    return markdown_table([["method", *TITLES.values()], *rows])


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns are aligned; the first row is its head, the first column to the left.

    Example:
        >>> print(markdown_table([["method", "MoF"], ["ASOT", "56.1"]]))
        | method |  MoF |
        |--------|-----:|
        | ASOT   | 56.1 |
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) + " |" for row in rows]
    lines.insert(1, "|" + "|".join(["-" * (widths[0] + 2)] + ["-" * (w + 1) + ":" for w in widths[1:]]) + "|")
    return "\n".join(lines)


def _plain(values: Mapping[str, Spread]) -> dict[str, Any]:
    return {name: vars(spread) for name, spread in values.items()}
