"""A sequence that comes bit by bit, in bounded memory: windows that carry over what was decided before them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from otseg import checks
from otseg.priors import CarriedMass, TemporalSmoothness
from otseg.solve import solve
from otseg.solvers import mirror_descent
from otseg.streaming.problem import StreamProblem
from otseg.types import Prior


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

    At most ``window`` frames wait at a time. When they are full, their transport problem is solved and all but the
    newest ``lookahead`` of them are decided; so the answer to a frame comes between ``lookahead`` and ``window``
    frames after it. With the shares :math:`Q` of the :math:`m` decided frames as constants, the problem of the
    :math:`n` waiting ones is, exactly, that of all frames so far:

    - the frames before the window that it is near to in time are a cost of its first frames,
      :math:`\frac{\alpha}{r} \sum_{j \le m,\, |i - j| \le r} (1 - Q_{jk})`;
    - the penalty of the actions' shares counts what they have, :math:`\rho_b \mathrm{KL}(\sum_j Q_j + n P^\top 1 \mid
      (m + n) b) / n` (:class:`~otseg.priors.CarriedMass`): what is too common among decided frames is dear from now on;
    - the order prior sees a frame at its place in the whole stream.

    The solver starts from the shares of the last window where frames were in it. A window of all frames is
    :func:`otseg.gromov_ot`. What a stream cannot know is what the future would change: within about ``lookahead``
    frames by the smoothness, and everywhere by the shares of the actions in the end. The second is ``K`` numbers, the
    potential of the actions, and they settle soon where actions recur; :attr:`potential` has them for another pass.

    Time per window is O(window K) per iteration of the solver, memory is O((window + radius) K).

    Args:
        problem: The problem; :func:`otseg.streaming.stream_problem` makes that of a model.
        window: Most frames that wait for their answer, and that a problem has.
        lookahead: Frames that are known after a frame when it is decided, below ``window``; half of the window if
            ``None``. More than the radius of the smoothness is hardly ever needed.
        length: Frames of the whole stream, where it is known: places of the order prior, and the radius where it is a
            fraction, are relative to it.
        potential: Potential of the actions, ``(K,)``, in units of the cost, where it is known, as from a first pass
            or from the potential ``g`` of a sample of the frames; then it replaces the penalty of the shares.

    Raises:
        ValueError: If an argument is out of range, or the problem needs a length that is not given.

    Example:
        >>> prototypes = torch.eye(3)
        >>> problem = StreamProblem(lambda x: otseg.costs.cosine(x, prototypes), epsilon=0.05, alpha=0.3, radius=2)
        >>> stream, labels = Stream(problem, window=6, lookahead=3), []
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
        potential: Float[Tensor, " K"] | None = None,
    ) -> None:
        checks.number("window", window, 1, integer=True)
        lookahead = window // 2 if lookahead is None else lookahead
        checks.number("lookahead", lookahead, 0, integer=True)
        fix = "A window of lookahead + 100 frames decides 100 frames at a time."
        checks.require(lookahead < window, "lookahead", f"below `window` = {window}", lookahead, fix)
        if length is not None:
            checks.number("length", length, 1, integer=True)
        known = problem.order == 0 or length is not None
        fix = "Give the length that is expected, or a problem with order=0."
        checks.require(known, "length", "given where the problem has an order prior", "None", fix)
        if potential is not None:
            checks.tensor("potential", potential, "K")
        self.problem, self.window, self.lookahead, self.length = problem, window, lookahead, length
        self._given = potential
        self._radius = problem.frames(length)
        self._decided = 0  # frames
        self._cost = torch.empty(0, 0)  # of waiting frames, all linear terms included, (n, K)
        self._shares = torch.empty(0, 0)  # of the waiting frames that the last window held, (at most lookahead, K)
        self._before = torch.empty(0, 0)  # shares of the last frames that were decided, (at most radius, K)
        self._mass = torch.empty(0, dtype=torch.float64)  # frames that every action has got, (K,)

    @property
    def n_frames(self) -> int:
        """Frames seen so far."""
        return self._decided + len(self._cost)

    @property
    def potential(self) -> Float[Tensor, " K"]:
        r"""Potential of the actions after the frames that are decided, :math:`-\rho_b \log(\mathrm{share}_k / b_k)`.

        In units of the cost. Where a potential was given, the step of Sinkhorn's algorithm from there, which a pass
        over all frames is: :math:`\frac{\rho_b}{\rho_b + \varepsilon} (g - \varepsilon \log(\mathrm{share}_k / b_k))`.
        """
        problem = self.problem
        tiny = torch.finfo(self._mass.dtype).tiny
        ratio = (self._mass / max(self._decided, 1)).clamp(min=tiny).log() - self._b.double().log()
        ratio = torch.where(self._b > 0, ratio, 0)
        if self._given is None:
            return -problem.rho_b * ratio
        damping = problem.rho_b / (problem.rho_b + problem.epsilon)
        return damping * (self._given.to(ratio) - problem.epsilon * ratio)

    @torch.no_grad()
    def push(self, block: Float[Tensor, "M D"]) -> Decided:
        """Take the next frames, and return those that are decided now, in order; often none.

        Args:
            block: Features of the next frames, any number of them; the stream keeps only their cost.

        Raises:
            ValueError: If the features, or their cost, are not finite.
        """
        block = checks.tensor("block", block, "M D")
        checks.finite("block", block)
        start, found = self._decided, []
        while len(block):
            room = self.window - len(self._cost)
            self._append(block[:room])
            block = block[room:]
            if len(self._cost) == self.window:
                found.append(self._decide(self._solution(), self.window - self.lookahead))
        return Decided(start, self._joined(found))

    @torch.no_grad()
    def finish(self) -> Decided:
        """The frames that still wait, with no frame after them. A stream that is finished is empty but not reset."""
        start = self._decided
        if not len(self._cost):
            return Decided(start, self._joined([]))
        solved = len(self._shares) == len(self._cost)  # no frame came since the last window
        return Decided(start, self._decide(self._shares if solved else self._solution(), len(self._cost)))

    def state_dict(self) -> dict[str, Any]:
        """What a stream of the same problem and settings goes on from: tensors and numbers, for ``torch.save``."""
        return {name: getattr(self, f"_{name}") for name in _STATE} | self._settings()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another stream was.

        Args:
            state: Its :meth:`state_dict`.

        Raises:
            ValueError: If that stream had another window, lookahead, length or radius.
        """
        for name, value in self._settings().items():
            checks.require(state.get(name) == value, f"state[{name!r}]", f"{value}, as here", state.get(name))
        for name in _STATE:
            checks.require(name in state, "state", "what `state_dict` returned", f"nothing for {name!r}")
            setattr(self, f"_{name}", state[name])

    def _settings(self) -> dict[str, int | None]:
        return {
            "window": self.window,
            "lookahead": self.lookahead,
            "length": self.length,
            "radius": self._radius,
        }

    @property
    def _b(self) -> Tensor:
        """Shares that the actions should have, float64."""
        b = torch.ones_like(self._mass) if self.problem.b is None else self.problem.b.to(self._mass)
        return b / b.sum()

    def _append(self, block: Tensor) -> None:
        """Keep the cost of new frames, with their place in time."""
        problem = self.problem
        cost = checks.tensor("cost", problem.cost(block.unsqueeze(0)), "B N K").squeeze(0)
        checks.shape("cost", cost, (len(block), cost.shape[1]), "(1, n, K)")
        checks.finite("cost", cost)
        if cost.dtype not in (torch.float32, torch.float64):
            cost = cost.float()
        if not len(self._mass):
            self._mass = torch.zeros(cost.shape[1], dtype=torch.float64, device=cost.device)
            self._cost = self._shares = self._before = cost[:0]
        if problem.order > 0:
            assert self.length is not None
            frame = torch.arange(self.n_frames, self.n_frames + len(block), device=cost.device, dtype=torch.float64)
            action = torch.arange(cost.shape[1], device=cost.device, dtype=torch.float64)
            distance = ((frame + 0.5) / self.length).unsqueeze(1) - (action + 0.5) / cost.shape[1]
            cost = cost + problem.order * distance.abs().to(cost.dtype)
        self._cost = torch.cat([self._cost, (1 - problem.alpha) * cost])

    def _solution(self) -> Tensor:
        """Shares of the waiting frames, ``(n, K)``."""
        problem, cost, n = self.problem, self._cost, len(self._cost)
        cost = cost if self._given is None else cost - self._given.to(cost)
        priors: list[Prior] = []
        radius = min(self._radius, self.n_frames)
        if radius:
            cost = cost.clone()
            reach = min(radius, n)
            cost[:reach] += problem.alpha / radius * self._nearness(radius)[:reach]
            priors.append(TemporalSmoothness(problem.alpha * reach / radius, reach))
        rho_b = 0.0 if self._given is not None else problem.rho_b
        if self._decided and rho_b > 0:
            target = self.n_frames / n * self._b
            priors.append(CarriedMass(rho_b, (self._mass / n).to(cost), target.to(cost)))
            rho_b = 0.0
        b, init = self._b.to(cost), None
        if len(self._shares):
            init = (torch.cat([self._shares, b.expand(n - len(self._shares), -1)]) / n).unsqueeze(0)
        return solve(
            cost.unsqueeze(0), b=b, epsilon=problem.epsilon, rho_b=rho_b, priors=priors,
            solver=mirror_descent, max_iter=problem.max_iter, tol=problem.tol, init=init, grad="none",
        ).plan[0] * n  # fmt: skip

    def _nearness(self, radius: int) -> Tensor:
        """Decided frames of other actions that are near to the first ``radius`` frames of the window, ``(r, K)``."""
        shares = self._before[-radius:].double()
        near = shares.new_zeros(radius, shares.shape[1])
        near[radius - len(shares) :] = shares
        near = near.flip(0).cumsum(dim=0).flip(0)  # frame i sees what is at most radius - i from the window
        return (near.sum(dim=1, keepdim=True) - near).to(self._cost.dtype)

    def _decide(self, shares: Tensor, count: int) -> Tensor:
        """Let the first frames go, and carry over what the others need of them."""
        decided = shares[:count]
        self._mass = self._mass + decided.double().sum(dim=0)
        if self._radius:
            self._before = torch.cat([self._before, decided])[-self._radius :].clone()
        self._cost, self._shares = self._cost[count:].clone(), shares[count:].clone()
        self._decided += count
        return decided

    def _joined(self, found: list[Tensor]) -> Tensor:
        return torch.cat(found) if found else self._cost[:0]


#: Names of the fields, without underscore, that are the state of a stream.
_STATE = ("decided", "cost", "shares", "before", "mass")
