"""How a solver's result is differentiated: ``grad="none" | "envelope" | "implicit" | "unroll"``.

========  =======================================  ==========================================  =====================
mode      exact gradients                          when                                        memory
========  =======================================  ==========================================  =====================
none      nothing: plan, potentials and value      --                                          O(B N K)
          are constants (pseudo-labels)
envelope  of ``value`` only; plan and potentials   where converged                             O(B N K)
          are constants
implicit  of plan, potentials and value            where converged: the error is of the order  O(B N K), whatever
                                                   of ``error``                                the iterations
unroll    of plan, potentials and value, as        always                                      O(B N K) for each
          functions that the iterations compute                                                iteration
========  =======================================  ==========================================  =====================

All are with respect to whatever the problem holds: cost, marginals, ``epsilon``, ``rho_a``, ``rho_b``, and the
parameters of the priors. ``implicit`` and ``unroll`` can be differentiated again. A backward pass costs one pass over
the plan for ``envelope``; a few, and one small linear system per problem, for ``implicit`` in
:func:`otseg.solvers.sinkhorn`; conjugate gradients, with one gradient of the priors each, for ``implicit`` in
:func:`otseg.solvers.mirror_descent`; and about twice the iterations for ``unroll``.

A point that is far from optimal has no implicit derivative: where ``error`` is above 1e-2, and where the linear system
cannot be solved, a :class:`NotConvergedWarning` says so.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from otseg import checks
from otseg.types import GradMode

MODES: tuple[GradMode, ...] = ("none", "envelope", "implicit", "unroll")
#: Error above which an implicit gradient is called wrong.
DIFFERENTIABLE_BELOW = 1e-2


class NotConvergedWarning(UserWarning):
    """A result is too far from optimal for the gradient that was asked for."""


@contextmanager
def recording(on: bool, device: torch.device) -> Iterator[None]:
    """Record what happens here if ``on``, and compute in full precision even under autocast."""
    with torch.set_grad_enabled(on and torch.is_grad_enabled()):
        if torch.is_autocast_enabled(device.type):
            with torch.autocast(device_type=device.type, enabled=False):
                yield
        else:
            yield


def is_implicit(grad: GradMode, *values: Tensor) -> bool:
    """Whether an implicit derivative is asked for, and there is something to differentiate by."""
    return grad == "implicit" and torch.is_grad_enabled() and any(value.requires_grad for value in values)


def warn_unconverged(error: Tensor, fix: str) -> None:
    """Warn where ``error`` is too large for an implicit gradient; reads only what can be read."""
    if not checks.readable(error):
        return
    bad = (error > DIFFERENTIABLE_BELOW).nonzero().flatten().tolist()
    if bad:
        text = f"{len(bad)} of {len(error)} problems are not converged (error {float(error.max()):.2g} in problem "
        text += f"{int(error.argmax())}), so that their implicit gradient is wrong. {fix}"
        warnings.warn(text, NotConvergedWarning, stacklevel=4)
