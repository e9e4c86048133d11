"""Validates a folder of sequences and lists every problem, with its files and what to do about it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, ParamSpec, TypeAlias, TypeVar

import torch

from otseg.data.files import FEATURE_SUFFIXES, features_shape, read_features, read_labels, read_mapping
from otseg.data.folder import LengthPolicy, find_sequences, fit_labels, ground_truth_file, is_transposed
from otseg.data.load import AnyPath, Groups, read_label_map

P = ParamSpec("P")
T = TypeVar("T")
#: Path, name and activity of a sequence.
Found: TypeAlias = tuple[Path, str, str]


@dataclass(frozen=True)
class Finding:
    """One kind of problem of a folder.

    Attributes:
        kind: What it is about, such as ``"features"`` or ``"length"``.
        severity: ``"error"`` where :func:`otseg.data.load_folder` or reading would fail, else ``"note"``.
        details: One line for every file concerned, which names the file and, for an error, the fix.
    """

    kind: str
    severity: Literal["error", "note"]
    details: Sequence[str]

    def __str__(self) -> str:
        shown = [f"\n  {line}" for line in self.details[:5]]
        rest = f"\n  and {len(self.details) - 5} more" if len(self.details) > 5 else ""
        return f"{self.severity}: {self.kind} ({len(self.details)})" + "".join(shown) + rest


class _Report:
    """Collects what goes wrong, by kind, in the order of appearance."""

    def __init__(self) -> None:
        self.details: dict[tuple[str, Literal["error", "note"]], list[str]] = {}

    def attempt(self, kind: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """The value of a function, or ``None`` and an entry if a file or a value is not as it must be."""
        try:
            return function(*args, **kwargs)
        except (ValueError, OSError) as error:
            self.details.setdefault((kind, "error"), []).append(str(error))
            return None

    def note(self, kind: str, detail: str) -> None:
        """Add something that is worth knowing."""
        self.details.setdefault((kind, "note"), []).append(detail)

    def findings(self) -> list[Finding]:
        """Errors first."""
        found = [Finding(kind, severity, lines) for (kind, severity), lines in self.details.items()]
        return sorted(found, key=lambda finding: finding.severity)


def check_folder(
    root: AnyPath,
    *,
    activity: str | None = None,
    labels: bool = True,
    features: str = "features",
    ground_truth: str = "groundTruth",
    mapping: str = "mapping/mapping.txt",
    label_map: Groups | None = None,
    n_features: int | None = None,
    actions: Mapping[str, int] | None = None,
    activity_pattern: str | None = None,
    length_policy: LengthPolicy = "error",
    tolerance: int = 30,
    progress: Callable[[Sequence[Found]], Iterable[Found]] = iter,
) -> list[Finding]:
    """Read everything in a folder and list what is wrong with it, without stopping at the first problem.

    Args:
        root: The folder; the other arguments are those of :func:`otseg.data.load_folder`. For a benchmark,
            pass ``**LAYOUTS[name].arguments()``.
        activity: See there.
        labels: See there.
        features: See there.
        ground_truth: See there.
        mapping: See there.
        label_map: See there.
        n_features: See there.
        actions: See there.
        activity_pattern: See there.
        length_policy: See there; with ``"truncate"`` or ``"resample"`` differing lengths become notes.
        tolerance: See there.
        progress: Wraps the list of sequences to show how far it is, as ``tqdm`` does.

    Returns:
        Findings, errors first; an empty list where all is well.
    """
    root, report = Path(root), _Report()
    found = report.attempt("folder", find_sequences, root / features, activity, activity_pattern) or []
    classes = report.attempt("mapping", read_mapping, root / mapping) if labels else None
    coarse = None
    if classes is not None and label_map is not None:
        names = tuple(name for name, label in classes.items() if label >= 0)
        coarse = report.attempt("label map", read_label_map, root, label_map, names)
    reference: tuple[Path, int] | None = None
    occurring: dict[str, set[int]] = {}
    used: set[Path] = set()
    for path, name, of_activity in progress(found):
        target = file = None
        if labels:
            file = report.attempt("ground truth", ground_truth_file, root / ground_truth, name, of_activity)
        if file is not None:
            used.add(file)
            if classes is not None:
                target = report.attempt("labels", read_labels, file, classes)
        if target is not None:
            seen = target if coarse is None else coarse.apply(target)
            occurring.setdefault(of_activity, set()).update(torch.unique(seen).tolist())
        shape = report.attempt("features", features_shape, path)
        if shape is None:
            continue
        n_labels = None if target is None else len(target)
        transposed = report.attempt("number of features", is_transposed, path, shape, n_features, reference, n_labels)
        if transposed is not None:  # a file that does not fit is no measure for the others
            reference = reference or (path, shape[1])
        x = report.attempt("features", read_features, path, transposed=bool(transposed))
        if x is None or transposed is None:
            continue
        n_zero = int((x == 0).all(dim=1).sum())
        if n_zero:
            report.note("zero rows", f"{path}: {n_zero} of {len(x)} frames are all zero and stay so")
        if target is not None and len(target) != len(x):
            fitted = report.attempt("length", fit_labels, path, target, len(x), length_policy, tolerance)
            if fitted is not None:
                report.note("length", f"{path}: {len(x)} frames, {len(target)} labels ({length_policy})")
    _compare_actions(report, occurring, actions or {})
    if activity is None:
        _list_unused(report, root / features, root / ground_truth if labels else None, used)
    return report.findings()


def _compare_actions(report: _Report, occurring: Mapping[str, set[int]], actions: Mapping[str, int]) -> None:
    """Note the activities in which more or fewer classes occur than declared."""
    for activity, labels in occurring.items():
        n = len(labels - {-1})
        if n != actions.get(activity, n):
            what = f"{activity or 'all sequences'}: {n} actions occur, {actions[activity]} are declared"
            report.note("number of actions", what)


def _list_unused(report: _Report, features: Path, ground_truth: Path | None, used: set[Path]) -> None:
    """Note the files that belong to no sequence."""
    if features.is_dir():
        for path in sorted(features.glob("[!.]*")) + sorted(features.glob("[!.]*/[!.]*")):
            if path.is_file() and path.suffix not in FEATURE_SUFFIXES:
                report.note("unused files", f"{path}: features end in {' or '.join(FEATURE_SUFFIXES)}")
    if ground_truth is not None and ground_truth.is_dir():
        for path in sorted(ground_truth.glob("[!.]*")):
            if path.is_file() and path not in used:
                report.note("unused files", f"{path}: ground truth without features")
