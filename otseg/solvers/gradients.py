"""How a solver's result is differentiated.

========  ============================================================  =====================================
mode      what the gradient of plan, potentials and value is            memory
========  ============================================================  =====================================
none      nothing is recorded; the plan is a constant (pseudo-labels)   O(B N K)
unroll    exact for the iterations that were done, converged or not     O(B N K) for each iteration
========  ============================================================  =====================================
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from otseg import checks
from otseg.types import GradMode

MODES: tuple[GradMode, ...] = ("none", "unroll")


@contextmanager
def recording(grad: GradMode, device: torch.device) -> Iterator[None]:
    """The context in which a solver iterates: recorded or not, and in full precision even under autocast."""
    checks.choice("grad", grad, MODES)
    recorded = grad != "none" and torch.is_grad_enabled()
    with torch.set_grad_enabled(recorded), torch.autocast(device_type=device.type, enabled=False):
        yield
