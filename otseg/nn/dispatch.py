"""Feature dispatching: every frame is moved toward the prototypes that it resembles."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from otseg import checks
from otseg.nn._vectors import same_space, scalar, vectors, zero_padding
from otseg.ops.unit import unit
from otseg.types import PerProblem, ProtocolName


def feature_dispatch(
    features: Float[Tensor, "B N D"],
    prototypes: Float[Tensor, "K D"] | Float[Tensor, "B K D"],
    *,
    scale: PerProblem,
    shift: PerProblem,
    mask: Bool[Tensor, "B N"] | None = None,
    protocol: ProtocolName = "default",
) -> Float[Tensor, "B N D"]:
    r"""Adds to every frame the prototypes, weighted by a sigmoid of how much it resembles them.

    .. math::

        f_n' = f_n + \frac1K \sum_k \phi_{nk} A_k, \qquad
        \phi_{nk} = \mathrm{sigmoid}\Big(\mathrm{shift} + \mathrm{scale}\,\frac{f_n \cdot A_k}{|f_n|\,|A_k|}\Big)

    No position enters, so that permuting the frames permutes the result: dispatching cannot encode an order of the
    actions, which comes from :class:`otseg.priors.LinearOrder` and its like. The result is not normalized. O(BNKD)
    time, O(BNK + BND + BKD) memory: no product of frames, actions and features is formed. Differentiable, twice as
    well, in every tensor. Half precision, and autocast, are computed in float32.

    Args:
        features: Features of the frames.
        prototypes: Prototypes of the actions, shared by the batch or one set per sequence.
        scale: Slope of the sigmoid: a number, a scalar tensor (such as a parameter) or one value per sequence ``(B,)``.
        shift: Offset of the sigmoid, the same.
        mask: True on real frames; all frames if ``None``.
        protocol: ``"published"`` reproduces the released code, see the note.

    Returns:
        The moved frames; 0 on masked ones.

    Raises:
        TypeError: If a tensor has the wrong type or dtype.
        ValueError: If a shape, a device or a value is wrong.

    Note:
        The released code differs from the paper's formula. ``protocol="published"`` computes what it does: a dot
        product in place of the cosine, which then depends on the scale of the features; centers
        :math:`o_k = (A_k + \sum_{n \in k} \phi_{nk} f_n) / (1 + |\{n \in k\}|)` in place of the prototypes, where
        :math:`n \in k` are the frames whose largest :math:`\phi_{nk}` is that of action k; and a sum over the actions
        in place of their mean. Its centers count padded frames; here they are left out, so that both agree
        wherever nothing is padded. The gradient is that of the assignment of frames to centers held fixed, and right
        wherever no two actions tie.

    Example:
        >>> frames = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
        >>> otseg.feature_dispatch(frames, torch.eye(2), scale=20.0, shift=-10.0).round(decimals=3)
        tensor([[[1.5000, 0.0000],
                 [0.0000, 1.5000]]])

    References:
        :cite:`buenobenito2025clot`, the feature dispatching of its encoder.
    """
    checks.choice("protocol", protocol, ("default", "published"))
    features = vectors("features", features, "B N D")
    per_sequence = isinstance(prototypes, Tensor) and prototypes.dim() == 3
    prototypes = vectors("prototypes", prototypes, "B K D" if per_sequence else "K D")
    same_space("prototypes", prototypes, features)
    scale, shift = scalar("scale", scale, features), scalar("shift", shift, features)
    features = zero_padding("features", features, mask)
    with torch.autocast(device_type=features.device.type, enabled=False):
        if protocol == "default":
            phi = torch.sigmoid(scale * (unit(features) @ unit(prototypes).mT) + shift)  # (B, N, K)
            update = phi @ prototypes / prototypes.shape[-2]
        else:
            phi = torch.sigmoid(scale * (features @ prototypes.mT) + shift)
            update = phi @ _centers(features, prototypes, phi, mask)
        return zero_padding("features", features + update, mask)


def _centers(features: Tensor, prototypes: Tensor, phi: Tensor, mask: Tensor | None) -> Tensor:
    """The published centers ``o_k``, ``(B, K, D)``: weighted real frames of every action and its prototype."""
    actions = torch.arange(phi.shape[2], device=phi.device)
    assigned = phi.argmax(dim=2, keepdim=True) == actions  # (B, N, K)
    if mask is not None:
        assigned = assigned & mask.unsqueeze(2)
    total = (phi * assigned).mT @ features + prototypes
    return total / (assigned.sum(dim=1) + 1).unsqueeze(2)


class FeatureDispatch(nn.Module):
    """Feature dispatching with a learned slope and offset of the sigmoid, see :func:`feature_dispatch`.

    Args:
        protocol: ``"published"`` reproduces the released code.

    Example:
        >>> dispatch = FeatureDispatch()
        >>> dispatch(torch.randn(2, 100, 40), torch.randn(6, 40)).shape
        torch.Size([2, 100, 40])

    References:
        :cite:`buenobenito2025clot`; the initial values, 1 and 0, are those of the released code.
    """

    def __init__(self, protocol: ProtocolName = "default") -> None:
        super().__init__()
        checks.choice("protocol", protocol, ("default", "published"))
        self.protocol: ProtocolName = protocol
        self.scale = nn.Parameter(torch.ones(()))
        self.shift = nn.Parameter(torch.zeros(()))

    def forward(
        self,
        features: Float[Tensor, "B N D"],
        prototypes: Float[Tensor, "K D"] | Float[Tensor, "B K D"],
        mask: Bool[Tensor, "B N"] | None = None,
    ) -> Float[Tensor, "B N D"]:
        """The frames, moved toward the prototypes that they resemble; 0 on masked ones."""
        return feature_dispatch(
            features, prototypes, scale=self.scale, shift=self.shift, mask=mask, protocol=self.protocol
        )
