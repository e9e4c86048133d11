"""Label files of features with a trained model; no ground truth is needed."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Sequence as Seq
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

from torch import Tensor

from otseg import checks
from otseg.data import Sequence, SequenceDataset
from otseg.data.files import FEATURE_SUFFIXES, features_shape, read_features
from otseg.data.folder import is_transposed
from otseg.decode import segments
from otseg.decode.segments import Segment
from otseg.models import SegmentationModel
from otseg.models.spread import spread
from otseg.train.config import TrainConfig
from otseg.train.evaluation import segment_dataset
from otseg.train.files import write_text

#: How labels are written, see :func:`write_labels`.
LabelFormat: TypeAlias = Literal["frames", "segments"]


def feature_files(paths: Iterable[str | Path]) -> list[Path]:
    """The files of features among paths; of a folder those in it and in its sub-folders, sorted.

    Args:
        paths: Files and folders.

    Raises:
        FileNotFoundError: If a path does not exist, or a folder holds no features.
        ValueError: If a file does not end as features do, or two files have one name.
    """
    found: list[Path] = []
    endings = " or ".join(FEATURE_SUFFIXES)
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(p for p in path.rglob("[!.]*") if p.suffix in FEATURE_SUFFIXES and p.is_file())
            if not inside:
                checks.fail_file(path, "holds no files of features", f"They end in {endings}.", FileNotFoundError)
            found += inside
        elif not path.exists():
            checks.fail_file(path, "there is no such file", error=FileNotFoundError)
        else:
            if path.suffix not in FEATURE_SUFFIXES:
                checks.fail_file(path, "no file of features", f"They end in {endings}.")
            found.append(path)
    seen: dict[str, Path] = {}
    for path in found:
        if path.stem in seen:
            fix = "The labels of both would have one name: segment them one after the other."
            checks.fail_file(path, f"has the name of {seen[path.stem]}", fix)
        seen[path.stem] = path
    return found


def segment_files(
    model: SegmentationModel, config: TrainConfig, files: Seq[Path], *, n_jobs: int | None = None
) -> Iterator[tuple[str, Tensor]]:
    """The action of every frame of every file, in the order of the files, each as soon as it is known.

    Args:
        model: The model.
        config: Settings of its training, which say how features are standardized.
        files: Files of features, see :func:`feature_files`.
        n_jobs: Files that are segmented at once, by processes of joblib; -1 is one for each processor. ``None`` is
            one, or what :class:`joblib.parallel_config` says: machines of a cluster must see the files under the
            same absolute paths.

    Yields:
        Name of the sequence, and its labels.

    Raises:
        ValueError: If a file does not have the model's number of features.
    """
    return spread(partial(_segment_files, config), model, [path.absolute() for path in files], n_jobs=n_jobs)


def _segment_files(config: TrainConfig, model: SegmentationModel, files: Seq[Path]) -> list[tuple[str, Tensor]]:
    n_features = getattr(model.config, "n_features", None)
    found = []
    for path in files:
        transposed = is_transposed(path, features_shape(path), n_features)
        sequence = Sequence(read_features(path, transposed=transposed), name=path.stem)
        found.append((path.stem, segment_dataset(model, SequenceDataset([sequence]), config=config)[0]))
    return found


def segment_table(labels: Mapping[str, Tensor], frame_rate: float | None = None) -> str:
    """The segments of sequences as a CSV file, one line each.

    Args:
        labels: The action of every frame, by name of the sequence.
        frame_rate: Frames per second, above 0; adds the columns of seconds.

    Returns:
        Lines with the columns ``sequence``, ``start``, ``stop`` (the frame after the last), ``action``, and
        ``start_seconds``, ``stop_seconds`` if there is a frame rate.

    Example:
        >>> print(segment_table({"a": torch.tensor([2, 2, 0])}, frame_rate=2.0), end="")
        sequence,start,stop,action,start_seconds,stop_seconds
        a,0,2,2,0.0,1.0
        a,2,3,0,1.0,1.5
    """
    rows = [(name, *row) for name, found in labels.items() for row in table_rows(segments(found), frame_rate)]
    return table_text([("sequence", *table_columns(frame_rate)), *rows])


def write_labels(path: Path, labels: Tensor, form: LabelFormat, frame_rate: float | None = None) -> None:
    """Write the labels of a sequence.

    Args:
        path: The file.
        labels: The action of every frame.
        form: ``"frames"``: one number per line and frame; ``"segments"``: a CSV file with the columns ``start``,
            ``stop`` (the frame after the last) and ``action``.
        frame_rate: See :func:`segment_table`.
    """
    checks.choice("form", form, ("frames", "segments"))
    if form == "frames":
        write_text(path, "".join(f"{label}\n" for label in labels.tolist()))
        return
    write_text(path, table_text([table_columns(frame_rate), *table_rows(segments(labels), frame_rate)]))


def table_columns(frame_rate: float | None) -> tuple[str, ...]:
    """Names of the columns of a table of segments."""
    return ("start", "stop", "action", *(() if frame_rate is None else ("start_seconds", "stop_seconds")))


def table_rows(parts: Iterable[Segment], frame_rate: float | None) -> Iterator[tuple[Any, ...]]:
    """The rows: segments in frames and, if there is a frame rate, in seconds to the microsecond."""
    if frame_rate is not None:
        checks.number("frame_rate", frame_rate, 0, open_low=True)
    for part in parts:
        seconds = () if frame_rate is None else (round(frame / frame_rate, 6) for frame in part[:2])
        yield (*part, *seconds)


def table_text(rows: Iterable[Iterable[Any]]) -> str:
    """Rows as a CSV file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
