"""Array aliases, the protocols that users may implement (priors, structures, costs), and a padded batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

#: One value for all problems of a batch, or one value per problem, a tensor of shape ``(B,)``.
PerProblem: TypeAlias = int | float | Tensor
#: How a solver's result is differentiated, see :mod:`otseg.solvers.gradients`.
GradMode: TypeAlias = Literal["none", "envelope", "implicit", "unroll"]
#: The potentials ``(f, g)`` of shapes ``(B, N)`` and ``(B, K)``, in units of the cost.
Potentials: TypeAlias = tuple[Tensor, Tensor]
#: ``"default"`` is mathematically sound; ``"published"`` is a quirk of published code, kept for parity.
ProtocolName: TypeAlias = Literal["default", "published"]
#: What a Gromov-Wasserstein term compares, see :class:`otseg.priors.GromovWasserstein`.
GromovLoss: TypeAlias = Literal["product", "square"]


@runtime_checkable
class FrameStructure(Protocol):
    """A symmetric matrix ``C^v (N, N)`` per sequence that relates its frames, known by its products.

    Rows and columns of padded frames do not count: ``x`` and ``a`` are 0 there, and the caller drops these rows of the
    result. Products are differentiable, twice, in ``x`` and in the tensors of the structure.
    """

    def apply(self, x: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, "B N K"]:
        """``C^v x``."""
        ...

    def apply_squared(self, x: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, "B N K"]:
        """The entrywise square of ``C^v`` times ``x``."""
        ...

    def row_bound(self, a: Float[Tensor, "B N"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, " B"]:
        """An upper bound of ``max_i sum_k |C^v_ik| a_k`` over real frames, for masses ``a``."""
        ...


@runtime_checkable
class Prior(Protocol):
    """An energy of the plan that is added to the transport cost.

    Implementations are frozen dataclasses; a weight may be one value per problem.
    """

    @property
    def linear(self) -> bool:
        """Whether the energy is linear in the plan, so that its gradient does not depend on the plan."""
        ...

    def energy_and_grad(
        self, plan: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]
    ) -> tuple[Float[Tensor, " B"], Float[Tensor, "B N K"]]:
        """Energy of each plan and its gradient with respect to the plan (0 on masked frames)."""
        ...

    def smoothness(self, a: Float[Tensor, "B N"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, " B"]:
        """Constant ``L`` such that the energy is ``L``-smooth relative to the entropy on plans with rows ``a``.

        Zero for a linear prior. A solver uses it as the step that descends provably (``1 / L``).
        """
        ...


@runtime_checkable
class Constraint(Prior, Protocol):
    """A prior that forbids entries of the plan: linear, with the energy 0 inside its support."""

    def support(self, mask: Bool[Tensor, "B N"], n_actions: int) -> Bool[Tensor, "B N K"]:
        """Where the plan may have mass; what it says on masked frames does not matter."""
        ...


@runtime_checkable
class WindowPrior(Prior, Protocol):
    """A prior that charges frames within a window of each other for different actions; fused loops know it."""

    def window_term(
        self, a: Float[Tensor, "B N"], mask: Bool[Tensor, "B N"]
    ) -> tuple[Int[Tensor, " B"], Float[Tensor, " B"], Float[Tensor, " B"]]:
        """Frames to each side ``r``, the weight ``w``, and :meth:`Prior.smoothness`.

        The energy is ``w / 2`` times the sum of ``P_ik P_jl`` over ``0 < |i - j| <= r`` and ``k != l``.
        """
        ...


@runtime_checkable
class Cost(Protocol):
    """A function from features ``(B, N, D)`` and prototypes ``(K, D)`` or ``(B, K, D)`` to a cost ``(B, N, K)``."""

    def __call__(
        self, x: Float[Tensor, "B N D"], y: Float[Tensor, "K D"] | Float[Tensor, "B K D"]
    ) -> Float[Tensor, "B N K"]:
        """Cost of matching every row of ``x`` with every row of ``y``."""
        ...


def satisfies(value: object, protocol: type) -> bool:
    """Whether a value has what a protocol of this module asks for; found out once per type of value."""
    key = type(value), protocol
    if key not in _SATISFIES:
        _SATISFIES[key] = isinstance(value, protocol)  # slow: it looks for every attribute
    return _SATISFIES[key]


_SATISFIES: dict[tuple[type, type], bool] = {}


@dataclass(frozen=True, eq=False)
class Batch:
    """Sequences of different lengths, padded at the end to one tensor.

    Attributes:
        features: Feature of every frame; zero on padding.
        mask: True on real frames, False on padding.
        labels: True class of every frame, -1 on padding and where it is unknown; ``None`` without labels.
        names: Name of every sequence.
        activities: Activity of every sequence; empty strings where there is only one.
    """

    features: Float[Tensor, "B N D"]
    mask: Bool[Tensor, "B N"]
    labels: Int[Tensor, "B N"] | None = None
    names: Sequence[str] = ()
    activities: Sequence[str] = ()

    @property
    def lengths(self) -> Int[Tensor, " B"]:
        """Number of real frames of every sequence."""
        return self.mask.sum(dim=1)

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on another device."""
        labels = None if self.labels is None else self.labels.to(device)
        return Batch(self.features.to(device), self.mask.to(device), labels, self.names, self.activities)
