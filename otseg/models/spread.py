"""Many recordings through one model: in this process, in several, or on a cluster, as joblib is told."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from torch import nn

from otseg import checks

M = TypeVar("M", bound=nn.Module)
T = TypeVar("T")
R = TypeVar("R")
#: Shares of the recordings that each process gets, one after another: more of them even out unequal lengths.
_SHARES = 4


def spread(
    function: Callable[[M, Sequence[T]], Sequence[R]],
    model: M,
    items: Sequence[T],
    *,
    item_bytes: float = 0.0,
    n_jobs: int | None = None,
) -> Iterator[R]:
    """Apply a model to every item, by :class:`joblib.Parallel`; whoever chose another backend of joblib gets that.

    Items travel in groups, so that the model is sent a few times to each process and not once for every item: at most
    a quarter of what is due to a process, and no more than what weighs as much as the model. All that a group needs
    travels with it. Nothing stays behind in a worker, so that a cluster may lose one, and repeat the group elsewhere.

    Args:
        function: From the model and some items to one result for each. Other processes import it by name.
        model: The model.
        items: Recordings, or where they are found.
        item_bytes: What an item weighs, on average; 0 for names of files.
        n_jobs: Processes; -1 is one for each processor, ``None`` one, or what :class:`joblib.parallel_config` says.

    Raises:
        ValueError: If ``n_jobs`` is 0.
        TypeError: If it is no integer.

    Yields:
        The results in the order of the items, each group as soon as it and those before it are done; all at the end
        where the backend cannot do that (Ray's).
    """
    if n_jobs is not None:
        checks.number("n_jobs", n_jobs, integer=True)
    checks.require(n_jobs != 0, "n_jobs", "a number of processes, or -1 for one per processor", n_jobs)
    from joblib import Parallel, delayed, effective_n_jobs
    from joblib.parallel import get_active_backend

    size = group_size(len(items), weight(model), item_bytes, effective_n_jobs(n_jobs))
    groups = (items[start : start + size] for start in range(0, len(items), size))
    chosen = {} if n_jobs is None else {"n_jobs": n_jobs}  # to joblib 1.3, None is one whatever was configured
    soon = get_active_backend()[0].supports_return_generator
    parallel = Parallel(**chosen, batch_size=1, return_as="generator" if soon else "list")
    for results in parallel(delayed(function)(model, group) for group in groups):
        yield from results


def group_size(n_items: int, model_bytes: float, item_bytes: float, n_processes: int) -> int:
    """How many items travel together, see :func:`spread`; one by one where there is a single process.

    Example:
        >>> group_size(100, 1e6, 0.0, 5), group_size(100, 1e6, 5e5, 5), group_size(100, 1e6, 2e6, 5)
        (5, 2, 1)
    """
    if n_processes == 1:
        return 1
    due = n_items // (_SHARES * n_processes)
    light = due if item_bytes == 0 else int(model_bytes // item_bytes)
    return max(1, min(due, light))


def weight(model: nn.Module) -> int:
    """Bytes of the parameters and buffers of a model."""
    tensors = [*model.parameters(), *model.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
