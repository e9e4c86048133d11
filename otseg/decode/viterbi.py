"""Labels as the best path through actions: with a price for switching, or through a given transcript."""

import math
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from otseg import checks
from otseg.ops.viterbi import viterbi as best_path


def viterbi(
    scores: Float[Tensor, "B N K"],
    *,
    mask: Bool[Tensor, "B N"] | None = None,
    transitions: Literal["free", "ordered"] = "free",
    order: Int[Tensor, " L"] | Int[Tensor, "B L"] | Sequence[int] | None = None,
    self_probability: float = 0.5,
) -> Int[Tensor, "B N"]:
    r"""The most probable sequence of labels under a Markov chain of actions.

    With :math:`p` the probability of staying, an action is followed by itself with score
    :math:`\log p`, and by

    * ``"free"``: any other action, with score :math:`\log \frac{1 - p}{K - 1}` each;
    * ``"ordered"``: the next step of ``order``, with score :math:`\log(1 - p)`. A path starts in the first
      step, ends in the last and skips none, so every step gets at least one frame. As every path has as many
      switches, ``p`` changes nothing in a sequence; CTE and TOT use 0.5.

    A larger :math:`p` gives fewer and longer segments under ``"free"``. Ties go to the lowest action (the
    earliest step), decided at the last frame and then backward. For other transitions use
    :func:`otseg.ops.viterbi.viterbi`.

    Args:
        scores: Log-probability of every action at every frame, up to a constant per frame, such as
            ``log(plan)``, ``-cost / temperature`` or logits. ``-inf`` forbids an action.
        mask: True on real frames; all if ``None``. Masked frames change nothing.
        transitions: Which action may follow which.
        order: The transcript of ``"ordered"``: actions in their order, repeats allowed; one for all sequences
            or one for each, padded with -1 at the end.
        self_probability: Probability p of staying in an action, between 0 and 1, exclusive.

    Returns:
        The labels; -1 on masked frames, and on all frames of a sequence where ``-inf`` scores (or, on an
        accelerator, where it is not checked, a transcript longer than the sequence) leave no path.

    Raises:
        ValueError: If a sequence is shorter than its transcript, or an argument is out of range.
        TypeError: If ``scores`` are not floating-point numbers or ``order`` not integers.

    Example:
        >>> scores = torch.tensor([[[0.9, 0.1], [0.4, 0.6], [0.9, 0.1]]]).log()
        >>> viterbi(scores, self_probability=0.8)
        tensor([[0, 0, 0]])
        >>> viterbi(scores, transitions="ordered", order=[1, 0])
        tensor([[1, 1, 0]])

    References:
        :cite:`kukleva2019cte`, :cite:`kumar2022tot`
    """
    checks.tensor("scores", scores, "B N K")
    _check_scores(scores, mask)
    checks.choice("transitions", transitions, ("free", "ordered"))
    checks.number("self_probability", self_probability)
    inside = 0 < self_probability < 1
    checks.require(inside, "self_probability", "between 0 and 1, exclusive", self_probability)
    if transitions == "ordered":
        fix = "Give the transcript, such as order_by_time(plan, mask)."
        checks.require(order is not None, "order", "given for ordered transitions", "None", fix)
        assert order is not None
        return _ordered(scores, _read_order(order, scores, mask), mask, self_probability)
    checks.require(order is None, "order", "None for free transitions", checks.describe(order))
    n_actions = scores.shape[2]
    switch = (1 - self_probability) / max(n_actions - 1, 1)
    chain = scores.new_full((n_actions, n_actions), math.log(switch)).fill_diagonal_(math.log(self_probability))
    return best_path(scores, chain[None], mask=mask)[0]


def order_by_time(
    x: Float[Tensor, "B N K"] | Int[Tensor, "B N"], mask: Bool[Tensor, "B N"] | None = None
) -> Int[Tensor, " L"]:
    """Actions in the order of the mean relative time at which they occur, over all sequences together.

    The relative time of the n-th of N real frames is ``(n + 1/2) / N``. Actions that do not occur are left
    out; equal times go to the lower action. For one transcript per sequence, call it for each.

    Args:
        x: Plans, whose frames weigh by their mass; or labels, negative where there is none.
        mask: True on real frames; if ``None``, all frames of a plan, and all that have a label.

    Returns:
        The transcript, of the ``L <= K`` actions that occur, each once.

    Raises:
        ValueError: If nothing occurs, or a plan has negative or non-finite mass.
        TypeError: If ``x`` is no tensor.

    Example:
        >>> order_by_time(torch.tensor([[2, 2, 0, 0, 1], [2, 0, 0, 1, -1]]))
        tensor([2, 0, 1])

    References:
        :cite:`kukleva2019cte`
    """
    checks.require(isinstance(x, Tensor), "x", "a tensor", checks.describe(x), error=TypeError)
    if not x.is_floating_point():
        checks.require(x.dim() == 2, "x", "labels (B, N) or plans (B, N, K)", checks.describe(x))
        has_label = x >= 0
        plan = torch.nn.functional.one_hot(x.clamp(min=0).long()).double() if x.numel() else x.new_zeros(1, 1, 1)
    else:
        plan = checks.tensor("x", x, "B N K").double()
        has_label = torch.ones_like(plan[:, :, 0], dtype=torch.bool)
    if mask is not None:
        checks.mask("mask", mask, "x", plan)
    real = has_label if mask is None else mask
    time = (real.cumsum(dim=1).double() - 0.5) / real.sum(dim=1, keepdim=True)  # (B, N)
    plan = torch.where((real & has_label)[:, :, None], plan, 0)
    checks.finite("x", plan)
    checks.require(bool((plan >= 0).all()), "x", "a plan of mass at least 0", "negative mass")
    mass = plan.sum(dim=(0, 1))  # (K,)
    occurs = mass.nonzero()[:, 0]
    checks.require(occurs.numel() > 0, "x", "such that some action occurs", "none")
    mean = (plan * torch.where(real, time, 0)[:, :, None]).sum(dim=(0, 1))[occurs] / mass[occurs]
    return occurs[mean.argsort(stable=True)]


def _ordered(scores: Tensor, order: Tensor, mask: Tensor | None, self_probability: float) -> Tensor:
    """The best path through the steps of ``order``, ``(B, L)``, as actions."""
    n_steps = order.shape[1]
    step = torch.arange(n_steps, device=scores.device)
    jump = step - step[:, None]  # (from, to)
    chain = scores.new_full((n_steps, n_steps), float("-inf"))
    chain = chain.masked_fill(jump == 0, math.log(self_probability))
    chain = chain.masked_fill(jump == 1, math.log(1 - self_probability))
    last = (order >= 0).sum(dim=1, keepdim=True) - 1
    initial = torch.where(step == 0, 0.0, float("-inf")).to(scores).expand(len(scores), -1)
    final = torch.where(step == last, 0.0, float("-inf")).to(scores)  # (B, L)
    action = order.clamp(min=0)
    by_step = scores.gather(2, action[:, None].expand(-1, scores.shape[1], -1))  # (B, N, L)
    path, _ = best_path(by_step, chain[None], initial, final, mask)
    return torch.where(path >= 0, action.gather(1, path.clamp(min=0)), -1)


def _check_scores(scores: Tensor, mask: Tensor | None) -> None:
    requirement = "of at least one sequence, frame and action"
    checks.require(min(scores.shape) > 0, "scores", requirement, checks.describe(scores))
    if mask is not None:
        checks.mask("mask", mask, "scores", scores)
    if checks.readable(scores):
        bad = torch.isnan(scores) | (scores == float("inf"))
        bad = bad if mask is None else bad & mask[:, :, None]
        checks.require(not bool(bad.any()), "scores", "numbers or -inf on real frames", "nan or inf")


def _read_order(order: Tensor | Sequence[int], scores: Tensor, mask: Tensor | None) -> Tensor:
    """The transcripts, ``(B, L)``, int64, -1 after the end of each."""
    found = checks.describe(order)
    if isinstance(order, Tensor):
        integers = not (order.is_floating_point() or order.is_complex() or order.dtype == torch.bool)
    else:
        integers = isinstance(order, Iterable) and all(isinstance(action, Integral) for action in order)
    checks.require(integers, "order", "a sequence of integers", found, error=TypeError)
    steps = torch.as_tensor(order, dtype=torch.int64, device=scores.device)
    batch, n_frames, n_actions = scores.shape
    steps = steps.expand(batch, -1) if steps.dim() == 1 else steps
    shape = f"of shape (L,) or (B, L), with B = {batch} and L > 0"
    checks.require(steps.dim() == 2 and len(steps) == batch and steps.shape[1] > 0, "order", shape, found)
    if checks.readable(steps):
        bounds = f"actions from 0 to {n_actions - 1} (-1 only after the end)"
        ended = (steps < 0).cumsum(dim=1) > 0
        valid = (steps >= -1) & (steps < n_actions) & (ended == (steps == -1))
        checks.require(bool(valid.all()) and bool((steps[:, 0] >= 0).all()), "order", bounds, steps.tolist())
        lengths = mask.sum(dim=1) if mask is not None else steps.new_full((batch,), n_frames)
        missing = ((steps >= 0).sum(dim=1) - lengths).clamp(min=0).tolist()
        short = next((b for b in range(batch) if missing[b]), None)
        if short is not None:
            n_steps, n_real = int((steps[short] >= 0).sum()), int(lengths[short])
            got = f"{n_steps} steps for the {n_real} frames of sequence {short}"
            checks.fail("order", "at most as long as the sequence", got, "Every step takes a frame.")
    return steps
