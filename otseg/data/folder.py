"""What belongs together in a folder of sequences: features, labels, activities, and lengths that agree."""

import re
from pathlib import Path
from typing import Literal, TypeAlias

import torch
from jaxtyping import Int
from torch import Tensor

from otseg import checks
from otseg.data.files import FEATURE_SUFFIXES

#: What to do where features and labels differ in length.
LengthPolicy: TypeAlias = Literal["error", "truncate", "resample"]


def find_sequences(
    folder: Path, activity: str | None = None, activity_pattern: str | None = None
) -> list[tuple[Path, str, str]]:
    """The files of features in a folder and its sub-folders, see :func:`load_folder`.

    Args:
        folder: Folder of the features.
        activity: Only this activity.
        activity_pattern: Finds the activity in a name.

    Returns:
        Path, name and activity of every sequence, sorted by activity and name.

    Raises:
        FileNotFoundError: If there is no such folder, or no file of features in it.
        ValueError: If two files have one name, or no sequence has the activity.
    """
    if not folder.is_dir():
        fix = "It holds one file of features per sequence."
        if _feature_files(folder.parent):
            fix = f"If those are the files in {folder.parent} itself, pass features='.' (--features .)."
        checks.fail_file(folder, "does not exist or is not a folder", fix, FileNotFoundError)
    files = _feature_files(folder) + _feature_files(folder, "[!.]*/[!.]*")
    if not files:
        fix = f"Put one file per sequence there, ending in {' or '.join(FEATURE_SUFFIXES)}."
        checks.fail_file(folder, "holds no files of features", fix, FileNotFoundError)
    seen: dict[str, Path] = {}
    found = []
    for path in sorted(files):
        name = path.stem
        if name in seen:
            fix = "Keep one file for each sequence: its name is what finds its labels."
            checks.fail_file(path, f"has the name of another sequence, {seen[name]}", fix)
        seen[name] = path
        found.append((path, name, _activity(path, folder, activity_pattern)))
    if activity is not None:
        checks.choice("activity", activity, tuple(sorted({item[2] for item in found})))
        found = [item for item in found if item[2] == activity]
    return sorted(found, key=lambda item: (item[2], item[1]))


def _feature_files(folder: Path, pattern: str = "[!.]*") -> list[Path]:
    return [path for path in folder.glob(pattern) if path.suffix in FEATURE_SUFFIXES and path.is_file()]


def _activity(path: Path, folder: Path, pattern: str | None) -> str:
    """Name of the sub-folder, or what the pattern finds in the name of the file."""
    if path.parent != folder:
        return path.parent.name
    if pattern is None:
        return ""
    match = re.search(pattern, path.stem)
    if match is None:
        checks.fail_file(path, f"its name holds no activity (pattern {pattern!r})", "Put it in features/<activity>/.")
    return match["activity"]


def ground_truth_file(folder: Path, name: str, activity: str) -> Path:
    """The labels of a sequence: ``<name>`` or ``<name>.txt``, in the folder or the activity's sub-folder."""
    places = [place / file for place in (folder, folder / activity) for file in (name, name + ".txt")]
    for path in places:
        if path.is_file():
            return path
    problem = f"ground truth of sequence {name!r} is missing (also as .txt)"
    fix = "Add it, or read the folder without labels."
    return checks.fail_file(places[0], problem, fix, FileNotFoundError)


def is_transposed(
    path: Path,
    shape: tuple[int, int],
    n_features: int | None,
    reference: tuple[Path, int] | None = None,
    n_labels: int | None = None,
) -> bool:
    """Whether a file of features holds (D, N); only a declared number of features can say so.

    Args:
        path: The file.
        shape: Its rows and columns.
        n_features: Declared number of features.
        reference: Another file of the same data set with its number of features.
        n_labels: Number of labels of the sequence.

    Returns:
        True if only the rows have the declared number.

    Raises:
        ValueError: If the shape does not fit.
    """
    rows, columns = shape
    if n_features is not None:
        if n_features not in shape:
            what = f"has shape {shape}, and neither number is the declared n_features={n_features}"
            checks.fail_file(path, what, "Correct n_features, or extract these features again.")
        return columns != n_features
    if n_labels == columns != rows:
        what = f"has shape {shape} and {n_labels} labels, so that it seems to hold (features, frames)"
        checks.fail_file(path, what, f"Pass n_features={rows} to have such files transposed.")
    if reference is not None and columns != reference[1]:
        what = f"has {columns} features per frame, but {reference[0]} has {reference[1]}"
        checks.fail_file(path, what, "Pass n_features= if files of shape (features, frames) are among them.")
    return False


def fit_labels(
    path: Path, labels: Int[Tensor, " N"], n_frames: int, policy: LengthPolicy, tolerance: int
) -> Int[Tensor, " M"]:
    """Labels for features of another length, see :func:`load_folder`.

    Args:
        path: File of the features, to name it.
        labels: The labels on disk.
        n_frames: Number of frames of the features.
        policy: What to do.
        tolerance: Largest difference that ``"truncate"`` accepts.

    Returns:
        Labels of the frames that are kept: all of them, or the first if labels are fewer (``"truncate"``).

    Raises:
        ValueError: If the policy is to fail, or the difference exceeds the tolerance.
    """
    what = f"has {n_frames} frames, but {len(labels)} labels"
    if policy == "resample":
        return labels[(2 * torch.arange(n_frames) + 1) * len(labels) // (2 * n_frames)]
    if policy == "truncate":
        difference = abs(n_frames - len(labels))
        fix = "Raise tolerance=, or use length_policy='resample' if the frame rates differ."
        if difference > tolerance:
            checks.fail_file(path, f"{what}, more than tolerance={tolerance} apart", fix)
        return labels[:n_frames]
    fix = "Pass length_policy='truncate' (cut both to the shorter) or 'resample' (labels to the frames)."
    return checks.fail_file(path, what, fix)
