"""The best path of states under transition scores (Viterbi), batched and masked."""

import torch
from torch import Tensor


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
    :math:`O(B N K)`; the loop over the frames never waits for the device.

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
    batch, n_frames, n_states = scores.shape
    transition = transition.to(scores.dtype)
    state = torch.arange(n_states, device=scores.device)  # (K,)
    real = scores.new_ones(batch, n_frames, dtype=torch.bool) if mask is None else mask
    first = real & (real.cumsum(dim=1) == 1)

    best = scores.new_zeros(batch, n_states)  # of all paths that end here
    start = best if initial is None else initial.to(scores.dtype)
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

    end = best if final is None else best + final.to(scores.dtype)
    top = end.amax(dim=1, keepdim=True)
    at = torch.where(end == top, state, n_states).amin(dim=1, keepdim=True)  # (B, 1)
    path = []
    for n in reversed(range(n_frames)):
        path.append(at)
        at = previous[n].gather(1, at)
    frames = torch.cat(path[::-1], dim=1) if path else state.new_zeros(batch, 0)
    score = torch.where(real.any(dim=1), top[:, 0], torch.zeros_like(top[:, 0]))
    return torch.where(real & (top > float("-inf")), frames, -1), score
