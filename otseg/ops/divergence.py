"""Generalized Kullback-Leibler divergence, safe at zero mass."""

import torch
from torch import Tensor


def kl(p: Tensor, q: Tensor, dim: tuple[int, ...] = (-1,)) -> Tensor:
    r"""``sum p log(p / q) - p + q`` over ``dim``, with ``0 log 0 = 0``, in value and gradient.

    Args:
        p: Masses, at least 0.
        q: Reference masses, at least 0. Where it is 0, ``p`` must be 0 too (else the result is infinite).
        dim: Axes to sum over.
    """
    one = torch.ones((), dtype=p.dtype, device=p.device)
    # log(1) stands for the log of a zero mass, so that neither the value nor the gradient sees an infinity.
    log_p = torch.where(p > 0, p, one).log()
    log_q = torch.where((p > 0) | (q > 0), q, one).log()
    gap: Tensor = p * (log_p - log_q) - p + q
    return gap.sum(dim=dim)


def log_weight(weight: Tensor) -> Tensor:
    """``log(weight)``, minus infinity with zero gradient where the weight is 0, as every denormal number counts."""
    positive = weight >= torch.finfo(weight.dtype).tiny
    one = torch.ones((), dtype=weight.dtype, device=weight.device)
    return torch.where(positive, torch.where(positive, weight, one).log(), float("-inf"))


def dot(x: Tensor, y: Tensor) -> Tensor:
    """``sum x y`` per problem, ``(B,)``, in one pass where both have their frames contiguous in memory."""
    x, y = x.transpose(1, 2).flatten(1), y.transpose(1, 2).flatten(1)
    with torch.autocast(device_type=x.device.type, enabled=False):  # which would round the factors
        product: Tensor = torch.linalg.vecdot(x, y)
    return product
