"""How a solver's result is differentiated.

========  ============================================================  =====================================
mode      what the gradient of plan, potentials and value is            memory
========  ============================================================  =====================================
none      nothing is recorded; the plan is a constant (pseudo-labels)   O(B N K)
unroll    exact for the iterations that were done, converged or not     O(B N K) for each iteration
========  ============================================================  =====================================
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch

from otseg import checks
from otseg.types import GradMode

MODES: tuple[GradMode, ...] = ("none", "unroll")


def recording(grad: GradMode) -> AbstractContextManager[None]:
    """The context in which a solver iterates under a gradient mode."""
    checks.choice("grad", grad, MODES)
    return torch.no_grad() if grad == "none" else nullcontext()


def detached(grad: GradMode) -> Callable[[torch.Tensor], torch.Tensor]:
    """What a solver does to a tensor of its result under a gradient mode."""
    return torch.Tensor.detach if grad == "none" else lambda tensor: tensor
