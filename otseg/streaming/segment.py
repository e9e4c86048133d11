"""Segment whatever comes in blocks, or is too long to be held, in one line."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from otseg import checks
from otseg.models.base import SegmentationModel
from otseg.streaming.model import stream_problem
from otseg.streaming.problem import StreamProblem
from otseg.streaming.stream import Decided, Stream


def segment_stream(
    blocks: Iterable[Float[Tensor, "M D"]] | Any,
    problem: StreamProblem | SegmentationModel,
    *,
    window: int,
    lookahead: int | None = None,
    length: int | None = None,
    passes: int = 1,
    shares: Float[Tensor, "I K"] | None = None,
) -> Iterator[Decided]:
    """Label a sequence that comes in blocks, or that lies in a file too large for the memory.

    :class:`Stream`, with its mathematics, pushed to the end. With ``passes`` above 1 the sequence is read again, with
    the shares that the actions had in the pass before (the mean of those that it used and those that it found); only
    the last pass yields. Every pass takes the same time, and comes closer to the answer to the whole sequence.

    Args:
        blocks: Features of consecutive frames: any iterable of ``(n, D)`` tensors or arrays; or one ``(N, D)`` tensor
            or array, such as a ``numpy.memmap``, of which a window at a time is read.
        problem: The problem, or a model, see :func:`stream_problem`.
        window: Most frames that wait for their answer, and that a problem has.
        lookahead: Frames that are known after a frame when it is decided; a quarter of the window if ``None``.
        length: Frames of the whole sequence; that of an array is known.
        passes: How often the sequence is read. An iterator can be read only once.
        shares: Shares of the actions that are known before, see :class:`Stream`.

    Yields:
        The frames that are decided, in order, each once.

    Raises:
        ValueError: If an argument is out of range, or the problem cannot be solved in a stream.

    Example:
        >>> frames = torch.eye(3).repeat_interleave(100, dim=0)
        >>> problem = otseg.streaming.StreamProblem(lambda x: 1 - x, epsilon=0.05, alpha=0.3, radius=10)
        >>> parts = segment_stream(torch.split(frames, 17), problem, window=80, lookahead=20)
        >>> torch.cat([part.labels for part in parts]).unique_consecutive(return_counts=True)
        (tensor([0, 1, 2]), tensor([100, 100, 100]))
    """
    checks.number("passes", passes, 1, integer=True)
    if isinstance(problem, SegmentationModel):
        problem = stream_problem(problem)
    if hasattr(blocks, "shape"):
        array: Any = blocks
        checks.require(len(array.shape) == 2, "blocks", "of shape (N, D)", checks.describe(array))
        length = len(array) if length is None else length
        checks.number("window", window, 1, integer=True)
        blocks = _Slices(array, window)
    again = passes == 1 or iter(blocks) is not blocks
    fix = "Give a list, an array, or an object whose __iter__ starts anew."
    checks.require(again, "passes", "1 for an iterator, which can be read only once", passes, fix)
    # Made here, so that what is wrong with the arguments is said by this call and not by the first frame.
    options: dict[str, Any] = {"window": window, "lookahead": lookahead, "length": length}
    return _passes(blocks, Stream(problem, **options, shares=shares), options, passes)


def _passes(blocks: Iterable[Any], stream: Stream, options: dict[str, Any], passes: int) -> Iterator[Decided]:
    shares: Tensor | None = None
    for _ in range(passes - 1):
        for _ in _pushed(stream, blocks):
            pass
        # From the second pass on the shares swing around those of the whole sequence: half way is much closer.
        shares = stream.shares if shares is None else (shares + stream.shares) / 2
        stream = Stream(stream.problem, **options, shares=shares)
    yield from _pushed(stream, blocks)


def _pushed(stream: Stream, blocks: Iterable[Any]) -> Iterator[Decided]:
    for block in blocks:
        for part in torch.split(torch.as_tensor(block), stream.window):  # so that a large block is let go bit by bit
            decided = stream.push(part)
            if len(decided.shares):
                yield decided
    decided = stream.finish()
    if len(decided.shares):
        yield decided


class _Slices:
    """An array in slices of so many frames; only one is in memory."""

    def __init__(self, array: Any, size: int) -> None:
        self.array, self.size = array, size

    def __iter__(self) -> Iterator[Tensor]:
        for start in range(0, len(self.array), self.size):
            part = self.array[start : start + self.size]
            yield part if isinstance(part, Tensor) else torch.tensor(part)
