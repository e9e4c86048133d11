"""Settings of the models that learn from ASOT's transport problem."""

from dataclasses import dataclass

from otseg import checks
from otseg.types import ProtocolName


@dataclass(frozen=True)
class FusedConfig:
    """Encoder, prototypes and problem of :class:`ASOT`, which :class:`CLOT` shares; those published for Breakfast.

    A pair such as ``alpha`` and ``alpha_eval`` holds the value for pseudo-labels in training and the value for
    segmenting. Sources: ``run_bf.sh`` of ASOT's released code, which runs the experiments of the paper; where that
    sets nothing, the defaults of its ``src/train.py``.

    Attributes:
        n_actions: Number of actions.
        n_features: Dimension of the features.
        layers: Sizes of the encoder's layers after the input; the last is the dimension of the embeddings.
        temperature: Temperature of the softmax that the loss compares with the plan, above 0.
        alpha: Share of temporal smoothness against the cost, in ``[0, 1]``.
        alpha_eval: The same when segmenting.
        radius: Window of the temporal smoothness, as a fraction of the sequence's length.
        order: Strength of the prior on the order of actions, relative to the cosine cost; 0 is none. The paper's rho.
        rho_b: Penalty that keeps the shares of the actions near equal; ``inf`` forces them. The paper's lambda.
        rho_b_eval: The same when segmenting.
        epsilon: Weight of the entropy, above 0.
        epsilon_eval: The same when segmenting.
        n_iter: Iterations of the solver.
        protocol: ``"published"`` solves as the released code does, see the note of :class:`ASOT`.
    """

    n_actions: int
    n_features: int = 64  # run_bf.sh
    layers: tuple[int, ...] = (128, 40)  # run_bf.sh: 64 128 40
    temperature: float = 0.1  # not a setting of the released code: fixed in src/asot.py
    alpha: float = 0.4  # run_bf.sh
    alpha_eval: float = 0.7  # run_bf.sh
    radius: float = 0.04  # run_bf.sh
    order: float = 0.20  # run_bf.sh, rho
    rho_b: float = 0.10  # run_bf.sh, lambda
    rho_b_eval: float = 0.01  # src/train.py
    epsilon: float = 0.07  # src/train.py
    epsilon_eval: float = 0.04  # src/train.py
    n_iter: int = 25  # src/train.py
    protocol: ProtocolName = "default"

    def __post_init__(self) -> None:
        checks.number("n_actions", self.n_actions, 1, integer=True)
        checks.number("n_features", self.n_features, 1, integer=True)
        checks.require(len(self.layers) > 0, "layers", "at least one size", self.layers)
        for i, size in enumerate(self.layers):
            checks.number(f"layers[{i}]", size, 1, integer=True)
        checks.number("n_iter", self.n_iter, 1, integer=True)
        for name in ("alpha", "alpha_eval"):
            checks.number(name, getattr(self, name), 0, 1)
        for name in ("order", "rho_b", "rho_b_eval"):
            checks.number(name, getattr(self, name), 0)
        checks.number("radius", self.radius, 0, 1, open_low=True)
        for name in ("temperature", "epsilon", "epsilon_eval"):
            checks.number(name, getattr(self, name), 0, open_low=True)
        checks.choice("protocol", self.protocol, ("default", "published"))
