"""How far mirror descent goes: a step per problem, grown while the objective falls."""

import torch
from torch import Tensor

#: Factors: after a descent, after a descent once a step was rejected, after a rejection, first over the safe step.
GROW, GENTLE, SHRINK, START = 2.0, 1.2, 0.25, 8.0
#: The largest step times epsilon: beyond it the old plan has no say any more.
CEILING = 1e4
#: Changes of the objective below this many units of rounding say nothing.
ROUNDING = 16


class StepRule:
    """The step of every problem, in 1 / cost: fixed, or set by what it does to the objective.

    Args:
        smoothness: ``L``, the constant of smoothness relative to the entropy, ``(B,)``; no step below ``1 / L`` raises
            the objective where frames are exact.
        epsilon: ``(B,)``.
        exact: Where frames are exact, ``(B,)``. Elsewhere the row masses, and with them the constant, are not known in
            advance: there is no floor.
        step: The fixed step, ``(B,)``; ``None`` for the rule.
    """

    def __init__(self, smoothness: Tensor, epsilon: Tensor, exact: Tensor, step: Tensor | None) -> None:
        self.ceiling = CEILING / epsilon
        safe = torch.minimum(1 / smoothness, self.ceiling)
        self.floor = torch.where(exact, safe, 0)
        self.size = torch.minimum(START * safe, self.ceiling) if step is None else step
        self.fixed = step is not None
        self.grow = torch.full_like(safe, GROW)

    def judge(self, change: Tensor, rounding: Tensor) -> Tensor:
        """Which problems accept a change of their objective, ``(B,)``; adapts the step to it.

        A change within ``rounding`` is accepted and leaves the step alone: no decision hangs on the last digit.
        """
        if self.fixed:
            return torch.ones_like(change, dtype=torch.bool)
        falls, rises = change < -rounding, ~(change <= rounding)
        self.grow = torch.where(rises, GENTLE, self.grow)
        grown = torch.minimum(self.grow * self.size, self.ceiling)
        shrunk = torch.maximum(SHRINK * self.size, self.floor)
        self.size = torch.where(rises, shrunk, torch.where(falls, grown, self.size))
        return ~rises
