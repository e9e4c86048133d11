"""`otseg data check`: every problem of a folder of sequences, with its files and what to do about it."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from otseg.cli._common import Command, Outcome, progress
from otseg.cli._folder import FOLDER, expected_layout, folder_arguments, folder_options
from otseg.data import Finding, SequenceDataset, check_folder, load_folder

#: Lines of one kind of problem that are shown unless all are asked for.
SHOWN = 10


@click.command(
    cls=Command,
    examples=[
        "otseg data check my_recordings --no-labels",
        "otseg data check Breakfast --dataset breakfast --activity coffee",
        "otseg data check my_recordings --json > problems.json",
    ],
)
@click.argument("folder", type=FOLDER)
@click.option("--all", "show_all", is_flag=True, help="Name every file, not the first ten of each kind.")
@folder_options
def check(folder: Path, show_all: bool, dataset: str | None, **options: Any) -> Outcome:
    """Read every file in FOLDER and list what is wrong.

    Each kind of problem is listed with its files and what to do about it. Exits with 1 if there are errors: what
    `otseg train` or `otseg segment` would stop at. Notes, such as files that belong to no sequence, are no errors.
    """
    arguments = folder_arguments(dataset, **options)
    findings = check_folder(folder, **arguments, progress=partial(progress, label="Reading"))
    errors = sum(len(finding.details) for finding in findings if finding.severity == "error")
    notes = sum(len(finding.details) for finding in findings) - errors
    lines = [_describe(finding, show_all) for finding in findings]
    if {"folder", "mapping"} & {finding.kind for finding in findings if finding.severity == "error"}:
        lines.append(expected_layout(dataset))
    loaded = None if errors else _count(load_folder(folder, **arguments))
    what = "" if loaded is None else ", ".join(f"{n} {name}" for name, n in loaded.items())
    lines.append(f"{folder}: {_plural(errors, 'error')}, {_plural(notes, 'note')}" + (f"; {what}" if what else ""))
    document = {
        "folder": folder,
        "ok": not errors,
        "errors": errors,
        "notes": notes,
        "contents": loaded,
        "findings": [vars(finding) | {"count": len(finding.details)} for finding in findings],
    }
    return Outcome(document, "\n".join(lines), ok=not errors)


def _describe(finding: Finding, show_all: bool) -> str:
    """The kind of problem, how many files it concerns, and what each of them says."""
    shown = finding.details if show_all else finding.details[:SHOWN]
    lines = [f"{finding.severity}: {finding.kind} ({len(finding.details)})", *(f"  {line}" for line in shown)]
    if len(shown) < len(finding.details):
        lines.append(f"  and {len(finding.details) - len(shown)} more: --all names them")
    return "\n".join(lines)


def _count(dataset: SequenceDataset) -> dict[str, int]:
    """What a data set holds."""
    counts = {"sequences": len(dataset), "features": dataset.n_features, "classes": len(dataset.class_names)}
    return counts | {"activities": len(dataset.activities)}


def _plural(count: int, word: str) -> str:
    return f"{count or 'no'} {word}{'' if count == 1 else 's'}"
