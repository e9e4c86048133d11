"""A sequence that comes bit by bit, in bounded memory: windows that carry over what was decided before them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from otseg import checks
from otseg.ops.divergence import log_weight
from otseg.streaming.descent import WindowTerms, descend
from otseg.streaming.problem import StreamProblem


@dataclass(frozen=True, eq=False)
class Decided:
    """Frames of a stream whose action is decided, and will not change.

    Attributes:
        start: Number of the first of them in the stream, counted from 0.
        shares: How the mass of every frame is shared among the actions; rows sum to 1.
    """

    start: int
    shares: Float[Tensor, "M K"]

    @property
    def labels(self) -> Int[Tensor, " M"]:
        """The action of every frame: the one that receives most of its mass."""
        return self.shares.argmax(dim=1)


class Stream:
    r"""Segments a sequence that comes bit by bit; time per frame and memory do not grow with its length.

    At most ``window`` frames wait at a time. When one more comes, their transport problem is solved and all but the
    newest ``lookahead`` of them are decided; so the answer to a frame comes more than ``lookahead`` and at most
    ``window`` frames after it.

    Mirror descent of a whole sequence does in every iteration, for every frame, what the frames within the radius and
    the ``K`` sums of the plan over all frames say, and nothing else. So a window goes through the same iterations, and
    takes from outside, *as they were at the same iteration* ``i``,

    - the shares :math:`Q^{(i)}` of the decided frames that are near to its first ones, the cost
      :math:`\frac{\alpha}{r} \sum_{j\,\mathrm{decided},\, |n - j| \le r} (1 - Q^{(i)}_{jk})`,
    - what the actions have got from all :math:`m` decided frames: the penalty of its own :math:`n` frames' shares
      :math:`Q` is :math:`\rho_b\,\mathrm{KL}\big(\sum_j Q^{(i)}_j + \sum_n Q_n \mid (m + n) b\big)`,
    - and its place in the whole sequence, for the order prior.

    A window of all frames is :func:`otseg.gromov_ot`. What a stream cannot know is the future, which acts in two ways:
    through the neighbors, over few radii at most; and through the sums, which settle soon where actions recur. The
    second can be taken from another pass, :attr:`shares`: pass ``p`` has the sums of the first ``p - 1`` iterations
    right, so that the passes end at the answer to the whole sequence.

    Starting a window where the last one ended, or beside the last word of the decided frames, reaches lower objectives
    and worse labels: frames agree with the past before they have looked at themselves.

    Time is O(window K) per iteration of a window, memory O((window + radius ``max_iter``) K); features are not kept.

    Args:
        problem: The problem; :func:`otseg.streaming.stream_problem` makes that of a model.
        window: Most frames that wait for their answer, and that a problem has.
        lookahead: Frames that are known after a frame when it is decided, below ``window``; a quarter of the window
            if ``None``. Two or three radii of the smoothness are enough.
        length: Frames of the whole stream, where it is known: places of the order prior, and the radius where it is a
            fraction, are relative to it. It may be a guess.
        shares: :attr:`shares` of a stream of the same problem, of the same or of similar frames: they take the place
            of those so far.

    Raises:
        ValueError: If an argument is out of range, or the problem needs a length that is not given.

    Example:
        >>> prototypes = torch.eye(3)
        >>> cost = lambda x: otseg.costs.cosine(x, prototypes)
        >>> stream = Stream(StreamProblem(cost, epsilon=0.05, alpha=0.3, radius=2), window=6, lookahead=3)
        >>> labels = []
        >>> for frame in prototypes.repeat_interleave(4, dim=0):
        ...     labels += stream.push(frame.unsqueeze(0)).labels.tolist()
        >>> labels + stream.finish().labels.tolist()
        [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    """

    def __init__(
        self,
        problem: StreamProblem,
        *,
        window: int,
        lookahead: int | None = None,
        length: int | None = None,
        shares: Float[Tensor, "I K"] | None = None,
    ) -> None:
        checks.number("window", window, 1, integer=True)
        lookahead = window // 4 if lookahead is None else lookahead
        checks.number("lookahead", lookahead, 0, integer=True)
        fix = "A window of lookahead + 100 frames decides 100 frames at a time."
        checks.require(lookahead < window, "lookahead", f"below `window` = {window}", lookahead, fix)
        if length is not None:
            checks.number("length", length, 1, integer=True)
        known = problem.order == 0 or length is not None
        fix = "Give the length that is expected, or a problem with order=0."
        checks.require(known, "length", "given where the problem has an order prior", "None", fix)
        if shares is not None:
            checks.tensor("shares", shares, "I K")
            rows = f"of {problem.max_iter} rows, one for each iteration"
            checks.require(len(shares) == problem.max_iter, "shares", rows, len(shares))
        self.problem, self.window, self.lookahead, self.length = problem, window, lookahead, length
        self._given = shares
        self._radius = problem.frames(length)
        nothing = torch.empty(0)
        self._decided = 0  # frames
        self._waiting = nothing  # cost of the frames that wait, all linear terms included, (n, K)
        self._before = nothing  # shares of the last decided frames before every iteration, (I, at most radius, K)
        self._sums = nothing  # of the shares of all decided frames before every iteration, (I, K), float64

    @property
    def n_frames(self) -> int:
        """Frames seen so far."""
        return self._decided + len(self._waiting)

    @property
    def shares(self) -> Float[Tensor, "I K"]:
        """Share of the decided frames that every action had before each iteration of the solver; float64.

        Raises:
            ValueError: If no frame is decided yet.
        """
        checks.require(self._decided > 0, "shares", "read after frames were decided", "no frames")
        return self._sums / self._decided

    @torch.no_grad()
    def push(self, block: Float[Tensor, "M D"]) -> Decided:
        """Take the next frames, and return those that are decided now, in order; often none.

        Args:
            block: Features of the next frames, any number of them.

        Raises:
            ValueError: If the features, or their cost, are not finite.
        """
        block = checks.tensor("block", block, "M D")
        checks.finite("block", block)
        start, found = self._decided, []
        while len(block):
            if len(self._waiting) == self.window:  # and there is a frame after it
                found.append(self._decide(self.window - self.lookahead))
            room = self.window - len(self._waiting)
            self._append(block[:room])
            block = block[room:]
        return Decided(start, torch.cat(found) if found else self._waiting[:0])

    @torch.no_grad()
    def finish(self) -> Decided:
        """Decide the frames that still wait: no frame comes after them."""
        start = self._decided
        return Decided(start, self._decide(len(self._waiting)) if len(self._waiting) else self._waiting)

    def state_dict(self) -> dict[str, Any]:
        """What a stream of the same problem and settings can go on from: tensors and numbers, for ``torch.save``."""
        return {name: getattr(self, f"_{name}") for name in _STATE} | self._settings()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another stream was.

        Args:
            state: Its :meth:`state_dict`.

        Raises:
            ValueError: If that stream had another window, lookahead, length, radius or number of iterations.
        """
        for name, value in self._settings().items():
            checks.require(state.get(name) == value, f"state[{name!r}]", f"{value}, as here", state.get(name))
        missing = [name for name in _STATE if name not in state]
        checks.require(not missing, "state", "what `state_dict` returned", f"nothing for {missing}")
        for name in _STATE:
            setattr(self, f"_{name}", state[name])

    def _settings(self) -> dict[str, int | None]:
        known = {"window": self.window, "lookahead": self.lookahead, "length": self.length}
        return {**known, "radius": self._radius, "max_iter": self.problem.max_iter}

    def _append(self, block: Tensor) -> None:
        """Keep the cost of new frames, with their place in time."""
        problem = self.problem
        cost = checks.tensor("cost", problem.cost(block.unsqueeze(0)), "B N K")
        checks.shape("cost", cost, (1, len(block), cost.shape[2]), "(1, n, K)")
        checks.finite("cost", cost)
        cost = cost[0] if cost.dtype in (torch.float32, torch.float64) else cost[0].float()
        n_actions = cost.shape[1]
        if not len(self._sums):
            self._start(cost)
        if problem.order > 0:
            assert self.length is not None
            frame = torch.arange(self.n_frames, self.n_frames + len(block), device=cost.device, dtype=torch.float64)
            action = torch.arange(n_actions, device=cost.device, dtype=torch.float64)
            distance = ((frame + 0.5) / self.length).unsqueeze(1) - (action + 0.5) / n_actions
            cost = cost + problem.order * distance.abs().to(cost.dtype)
        self._waiting = torch.cat([self._waiting, (1 - problem.alpha) * cost])

    def _start(self, cost: Tensor) -> None:
        """Make room for the state of ``K`` actions."""
        n_iter, n_actions = self.problem.max_iter, cost.shape[1]
        for name, value in (("b", self.problem.b), ("shares", self._given)):
            if value is not None:
                fits = value.shape[-1] == n_actions
                checks.require(fits, name, f"of {n_actions} actions, as the cost", checks.describe(value))
        self._waiting, self._before = cost[:0], cost.new_empty(n_iter, 0, n_actions)
        self._sums = torch.zeros(n_iter, n_actions, dtype=torch.float64, device=cost.device)

    def _decide(self, count: int) -> Tensor:
        """Solve the window, let its first frames go, and keep what those after them need; their shares."""
        problem, sums, path = self.problem, [], []
        for i, shares in enumerate(descend(self._terms(), problem.max_iter)):
            decided = shares[:count]
            if i < problem.max_iter:
                sums.append(decided.sum(dim=0, dtype=torch.float64))
                path.append(decided[max(0, count - self._radius) :].clone())
        self._sums = self._sums + torch.stack(sums)
        self._before = torch.cat([self._before, torch.stack(path)], dim=1)[:, -self._radius or count :].clone()
        self._waiting = self._waiting[count:].clone()
        self._decided += count
        return decided.contiguous()

    def _terms(self) -> WindowTerms:
        """What the waiting frames pay."""
        problem, cost, known = self.problem, self._waiting.unsqueeze(0), self.n_frames
        # Reach and steps are those of the whole sequence; one that is shorter than the radius reaches to its ends.
        radius = self._radius if self._decided else min(self._radius, known)
        smoothness = problem.alpha / radius if radius else 0.0
        curvature = smoothness * min(2 * radius, max(known, self.length or 0) - 1) + problem.rho_b
        b = cost.new_ones(cost.shape[2]) if problem.b is None else problem.b.to(cost)
        log_b = log_weight(b / b.sum())
        positive, sums, before = log_b.isfinite(), self._sums, self._before
        expected = torch.where(positive, log_b.double(), 0)
        tiny = torch.finfo(cost.dtype).tiny

        def near(i: int) -> Tensor:
            found = before[i, -radius:].double() if radius else before[i, :0]
            found = torch.cat([found.new_zeros(radius - len(found), found.shape[1]), found])
            found = found.flip(0).cumsum(dim=0).flip(0)  # frame n sees what is at most radius - n from the window
            return found[: cost.shape[1]].unsqueeze(0).to(cost.dtype)

        def penalty(i: int, column: Tensor) -> tuple[Tensor, Tensor]:
            column = column.double()
            if self._given is not None:
                slope = (self._given[i].to(column).clamp(min=tiny).log() - expected).unsqueeze(0)
                value = slope * column
            else:
                slope = ((sums[i] + column) / known).clamp(min=tiny).log() - expected
                had = sums[i].clamp(min=1e-30)  # below, what it adds is below the rounding of anything
                value = sums[i] * torch.log1p(column / had) + column * slope - column  # KL, over that of the sums alone
            slope = problem.rho_b * torch.where(positive, slope, 0)
            return problem.rho_b * torch.where(positive, value, 0).sum(dim=1).to(cost.dtype), slope.to(cost.dtype)

        return WindowTerms(
            cost=cost,
            log_b=log_b.unsqueeze(0),
            epsilon=cost.new_full((1,), problem.epsilon),
            smoothness=smoothness,
            half_width=torch.full((1,), min(radius, cost.shape[1]), device=cost.device),
            curvature=cost.new_full((1,), curvature),
            near=near,
            penalty=penalty,
        )


#: Names of the fields, without underscore, that are the state of a stream.
_STATE = ("decided", "waiting", "before", "sums")
