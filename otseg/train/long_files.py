"""Label files of features that are too long to be held, window by window."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from otseg import checks
from otseg.data import FeatureBlocks
from otseg.data.files import features_shape
from otseg.data.folder import is_transposed
from otseg.decode.segments import Segment
from otseg.models import SegmentationModel
from otseg.streaming import Decided, StreamProblem, segment_stream, stream_problem
from otseg.train.config import TrainConfig
from otseg.train.files import replacing
from otseg.train.segmenting import LabelFormat, table_columns, table_rows


def long_file(path: Path, model: SegmentationModel, size: int) -> FeatureBlocks:
    """A file of features in blocks, checked against a model.

    Args:
        path: A ``.npy`` file.
        model: The model.
        size: Frames of a block.

    Raises:
        ValueError: If the file is of another kind, or does not have the model's number of features.
    """
    n_features = getattr(model.config, "n_features", None)
    if path.suffix != ".npy":
        checks.fail_file(path, "cannot be read in parts", "Save it with numpy.save, or leave the window out.")
    return FeatureBlocks(path, size, is_transposed(path, features_shape(path), n_features))


def segment_long_file(
    model: SegmentationModel | StreamProblem,
    config: TrainConfig,
    blocks: FeatureBlocks,
    *,
    window: int,
    lookahead: int | None = None,
    passes: int = 1,
) -> Iterator[Decided]:
    """The action of every frame of a file, a window in memory at a time.

    Args:
        model: The model, or its problem.
        config: Settings of the training, which say how features are standardized: over the whole file, which is read
            once more for that.
        blocks: The file, see :func:`long_file`.
        window: Most frames of a problem, see :func:`otseg.streaming.segment_stream`.
        lookahead: Frames that are known after a frame when it is decided; a quarter of the window if ``None``.
        passes: How often the file is read.

    Yields:
        The frames that are decided, in order.

    Raises:
        ValueError: If the model cannot be segmented in a stream, or a number in the file is not finite.
    """
    problem = model if isinstance(model, StreamProblem) else stream_problem(model)
    if config.standardize:
        blocks = blocks.standardize(scale=blocks.n_features**-0.5)
    yield from segment_stream(
        blocks, problem, window=window, lookahead=lookahead, length=blocks.n_frames, passes=passes
    )


def written(
    parts: Iterable[Segment], path: Path, form: LabelFormat, frame_rate: float | None = None
) -> Iterator[Segment]:
    """The segments of a sequence, while they are written; the file has its name when all of them are in it.

    Args:
        parts: Segments in order, of all frames, such as those of :func:`otseg.streaming.stream_segments`.
        path: The file.
        form: As in :func:`otseg.train.write_labels`, like ``frame_rate``.
        frame_rate: Frames per second.
    """
    checks.choice("form", form, ("frames", "segments"))
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        if form == "segments":
            rows.writerow(table_columns(frame_rate))
        for part in parts:
            if form == "frames":
                file.write(f"{part[2]}\n" * (part[1] - part[0]))
            else:
                rows.writerows(table_rows([part], frame_rate))
            yield part
