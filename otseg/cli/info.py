"""`otseg info`: versions, machine, and what the library offers, for people and for bug reports."""

import platform
import sys

import click
import torch

from otseg import __version__, costs, data, models, priors, solvers
from otseg.cli._common import Command, Outcome
from otseg.ops._backend import backend_info


@click.command(cls=Command, examples=["otseg info", "otseg info --json"])
def info() -> Outcome:
    """Versions, this machine, and what the library offers.

    Paste its output into a bug report. It checks nothing: `otseg doctor` does.
    """
    backend = backend_info()
    cuda = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    parts = {"costs": costs, "priors": priors, "solvers": solvers, "models": models}
    offers = {name: sorted(module.__all__) for name, module in parts.items()}
    document = {
        "otseg": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "cuda_devices": cuda,
        "kernels": {device: backend[device] for device in ("cpu", "cuda")},
        "offers": offers,
        "benchmarks": {name: layout.title for name, layout in data.LAYOUTS.items()},
    }
    lines = [
        f"otseg {__version__}, torch {torch.__version__}, Python {platform.python_version()}",
        f"{platform.platform()}, {torch.get_num_threads()} threads, CUDA devices: {', '.join(cuda) or 'none'}",
        *(f"{device} kernels: {backend[device]}" for device in ("cpu", "cuda")),
        *(f"{name}: {', '.join(names)}" for name, names in offers.items()),
        f"benchmarks: {', '.join(data.LAYOUTS)}",
    ]
    return Outcome(document, "\n".join(lines))
