"""Where mirror descent starts."""

import torch
from torch import Tensor

from otseg import checks
from otseg.ops.divergence import log_weight
from otseg.ops.layout import frames_contiguous
from otseg.problem import Problem
from otseg.result import OTResult


def start(problem: Problem, init: Tensor | OTResult | None) -> Tensor:
    """Log density ``log P / (a b)`` of the plan to start from; that of the product ``a b`` if nothing is given."""
    support, log_b = problem.support, log_weight(problem.b)
    if init is None:
        density = torch.zeros_like(problem.cost)
    else:
        plan = checks.tensor("init", init.plan if isinstance(init, OTResult) else init, "B N K")
        checks.shape("init", plan, tuple(problem.cost.shape), "(B, N, K)")
        checks.like("init", plan, "cost", problem.cost)
        checks.finite("init", plan)
        if checks.readable(plan):
            checks.require(bool((plan >= 0).all()), "init", "at least 0", float(plan.detach().min()))
        # Entries that underflowed to 0 are alive in the log domain: give them the smallest positive mass.
        log_plan = plan.clamp(min=torch.finfo(plan.dtype).tiny).log()
        product = log_weight(problem.a).unsqueeze(2) + log_b.unsqueeze(1)
        density = torch.where(torch.isinf(product), 0, log_plan - product)
    weighted = density + log_b.unsqueeze(1)
    weighted = weighted if support is None else weighted.masked_fill(~support, float("-inf"))
    shift = weighted.logsumexp(dim=2, keepdim=True)
    exact = torch.isinf(problem.rho_a)[:, None, None]
    return frames_contiguous(density - torch.where(exact, shift, 0))
