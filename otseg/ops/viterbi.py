"""The best path of states under transition scores (Viterbi), batched and masked."""

from typing import Any

import torch
from torch import Tensor

from otseg.ops._backend import LIBRARY, transformed


def viterbi(
    scores: Tensor,
    transition: Tensor,
    initial: Tensor | None = None,
    final: Tensor | None = None,
    mask: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    r"""The path :math:`k_1 \dots k_N` of every sequence that maximizes

    .. math::  i_{k_1} + \sum_n s_{n k_n} + \sum_{n > 1} t_{k_{n-1} k_n} + e_{k_N}

    All terms are log scores, and ``-inf`` forbids. Masked frames, wherever they lie, are no part of the
    sequence: the frames around them are neighbors. Ties go to the lowest state, decided at the last frame and
    then backward. Half precision is computed in float32. Time is :math:`O(B N K^2)`, memory
    :math:`O(B N K)`; the loop over the frames never waits for the device. The compiled kernel takes :math:`O(B N K)`
    time where every transition to another state scores the same.

    The path's score is differentiable: its gradient counts what the path visits, also where paths tie. The work is
    done by the op ``torch.ops.otseg.viterbi``, which compiled kernels may take over.

    Args:
        scores: ``(B, N, K)``, score of every state at every frame.
        transition: ``(B, K, K)`` or ``(1, K, K)``, score of going from row to column.
        initial: ``(B, K)``, score of starting in a state; 0 if ``None``.
        final: ``(B, K)``, score of ending in a state; 0 if ``None``.
        mask: ``(B, N)``, True on real frames; all if ``None``.

    Returns:
        The path ``(B, N)``, int64, -1 on masked frames and wherever no path is allowed; and its score
        ``(B,)``, ``-inf`` where no path is allowed and 0 for a sequence without frames.

    Example:
        >>> scores = torch.tensor([[[0.0, -1.0], [-3.0, -2.9], [0.0, -1.0]]])
        >>> stay = torch.tensor([[[0.0, -0.5], [-0.5, 0.0]]])
        >>> path, score = viterbi(scores, stay)
        >>> path.tolist(), score.tolist()
        ([[0, 0, 0]], [-3.0])
    """
    if scores.dtype in (torch.float16, torch.bfloat16):
        scores = scores.float()
    transition = transition.to(scores.dtype)
    initial, final = (None if x is None else x.to(scores.dtype) for x in (initial, final))
    if transformed(*(x for x in (scores, transition, initial, final, mask) if x is not None)):
        score, path = reference_viterbi(scores, transition, initial, final, mask)
    else:
        score, path = torch.ops.otseg.viterbi(scores, transition, initial, final, mask)
    return path, score


def reference_viterbi(
    scores: Tensor, transition: Tensor, initial: Tensor | None, final: Tensor | None, mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    """:func:`viterbi` in torch, score first: for every device, and what kernels are measured against."""
    batch, n_frames, n_states = scores.shape
    state = torch.arange(n_states, device=scores.device)  # (K,)
    real = scores.new_ones(batch, n_frames, dtype=torch.bool) if mask is None else mask
    first = real & (real.cumsum(dim=1) == 1)

    best = scores.new_zeros(batch, n_states)  # of all paths that end here
    start = best if initial is None else initial
    previous = []  # (B, K) for every frame: the state before, on the best path that ends here
    for n in range(n_frames):
        step = best[:, :, None] + transition  # (B, from, to)
        reach = step.amax(dim=1)
        # The lowest of all maximal states: the index that max() returns is not the same on every device.
        before = torch.where(step == reach[:, None], state[:, None], n_states).amin(dim=1)
        reach = torch.where(first[:, n, None], start, reach) + scores[:, n]
        best = torch.where(real[:, n, None], reach, best)
        moves = (real[:, n] & ~first[:, n])[:, None]
        previous.append(torch.where(moves, before, state))

    end = best if final is None else best + final
    top = end.amax(dim=1, keepdim=True)
    at = torch.where(end == top, state, n_states).amin(dim=1, keepdim=True)  # (B, 1)
    path = []
    for n in reversed(range(n_frames)):
        path.append(at)
        at = previous[n].gather(1, at)
    frames = torch.cat(path[::-1], dim=1) if path else state.new_zeros(batch, 0)
    score = torch.where(real.any(dim=1), top[:, 0], torch.zeros_like(top[:, 0]))
    return score, torch.where(real & (top > float("-inf")), frames, -1)


def _setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
    _, transition, initial, final, _ = inputs
    ctx.save_for_backward(output[1])
    ctx.n_chains, ctx.n_states = transition.shape[:2]
    ctx.starts, ctx.ends = initial is not None, final is not None


def _backward(ctx: Any, grad: Tensor, _: None) -> tuple[Tensor | None, ...]:
    """Every score that the path sums up gets the gradient of the sum."""
    (path,) = ctx.saved_tensors
    n_states = ctx.n_states
    real = path >= 0  # frames of a path that is allowed
    count = real.cumsum(dim=1)
    visits = torch.where(path.unsqueeze(2) == torch.arange(n_states, device=path.device), grad[:, None, None], 0)

    def visited(frames: Tensor) -> Tensor:
        return torch.where((real & frames).unsqueeze(2), visits, 0).sum(dim=1)

    initial = visited(count == 1) if ctx.starts else None
    final = visited(count == count[:, -1:]) if ctx.ends else None

    moves = real & (count > 1)
    frame = torch.arange(path.shape[1], device=path.device)
    latest = torch.where(real, frame, 0).cummax(dim=1)[0]  # the last real frame up to here
    pair = path.gather(1, latest).roll(1, dims=1) * n_states + path
    pair, weight = torch.where(moves, pair, 0), torch.where(moves, grad.unsqueeze(1), 0)
    moved = grad.new_zeros(len(path), n_states**2).scatter_add(1, pair, weight)
    transition = moved.reshape(len(path), n_states, n_states)
    if ctx.n_chains != len(path):
        transition = transition.sum(dim=0, keepdim=True)
    return visits, transition, initial, final, None


def _shapes(
    scores: Tensor, transition: Tensor, initial: Tensor | None, final: Tensor | None, mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    return scores.new_empty(scores.shape[:1]), scores.new_empty(scores.shape[:2], dtype=torch.int64)


LIBRARY.define(  # type: ignore[no-untyped-call]
    "viterbi(Tensor scores, Tensor transition, Tensor? initial, Tensor? final, Tensor? mask) -> (Tensor, Tensor)"
)
LIBRARY.impl("viterbi", reference_viterbi, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
torch.library.register_fake("otseg::viterbi", _shapes, lib=LIBRARY)
torch.library.register_autograd("otseg::viterbi", _backward, setup_context=_setup_context, lib=LIBRARY)
