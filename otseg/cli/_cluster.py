"""Where the work of a command runs: in this machine's processes, or on the workers of a Dask cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from otseg import checks


@contextmanager
def cluster(address: str | None) -> Iterator[None]:
    """Everything that goes through joblib runs on the workers of a Dask scheduler; ``None`` changes nothing.

    Args:
        address: Of the scheduler, such as ``"tcp://10.0.0.1:8786"``.

    Raises:
        ImportError: If the extra ``dask`` is not installed.
        OSError: If no scheduler answers there within ten seconds.
        ValueError: If it is no address.
    """
    if address is None:
        yield
        return
    from joblib import parallel_config

    try:
        import distributed
    except ModuleNotFoundError:
        checks.missing_extra("distributed", "dask")
    connect: Any = distributed.Client
    with connect(address, timeout=10) as client, parallel_config("dask", client=client):
        yield
