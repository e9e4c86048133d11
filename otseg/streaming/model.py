"""The problem by which a model segments, where it can be solved without the whole sequence."""

from collections.abc import Callable
from typing import NoReturn

import torch
from torch import Tensor

from otseg import checks
from otseg.costs import cosine, sliced_pairwise
from otseg.models import ASOT, CLOT, DCLOT, ASOTConfig, CLOTConfig, FusedConfig, SegmentationModel
from otseg.models._frames import checked_features
from otseg.nn import cross_attention
from otseg.ops.unit import unit
from otseg.streaming.problem import StreamProblem


def stream_problem(model: SegmentationModel, *, radius: int | None = None) -> StreamProblem:
    """The problem of a model's :meth:`~otseg.models.SegmentationModel.segment`, for a stream.

    - :class:`otseg.models.ASOT` with the window of time as structure.
    - :class:`otseg.models.CLOT` and :class:`otseg.models.DCLOT` where they segment by the plan T of the frames,
      ``inference="frames"`` in their config, or refine without a decoder. Decoded segments are made of all frames.

    Args:
        model: The model, on the device on which features will be; it is put in evaluation mode.
        radius: Reach of the smoothness in frames. ``None`` is the model's own, a fraction of the length of the
            stream, which must then be known; for a stream without end, take that fraction of the length of the
            sequences that the model was trained on.

    Raises:
        ValueError: If the model needs the whole sequence; the message says for what.

    Example:
        >>> model = otseg.models.ASOT(otseg.models.ASOTConfig(n_actions=5, n_features=48, order=0.0))
        >>> problem = stream_problem(model, radius=30)
        >>> problem.alpha, problem.radius, problem.rho_b
        (0.7, 30, 0.01)
    """
    if isinstance(model, ASOT):
        cost = _asot_cost(model, model.config)
    elif isinstance(model, (CLOT, DCLOT)):
        clot = model.clot if isinstance(model, DCLOT) else model
        cost = _clot_cost(clot, clot.config)
    else:
        _refuse("a model that can be segmented in a stream (ASOT, CLOT)", type(model).__name__, "TOT takes a path.")
    config: FusedConfig = model.config
    if config.protocol == "published":
        _refuse("of protocol 'default'", "'published'", "The published solver and order prior need the whole sequence.")
    model.eval()
    return StreamProblem(
        cost,
        epsilon=config.epsilon_eval,
        alpha=config.alpha_eval,
        radius=config.radius if radius is None else radius,
        order=config.order,
        rho_b=config.rho_b_eval,
        max_iter=config.n_iter,
    )


def _asot_cost(model: ASOT, config: ASOTConfig) -> Callable[[Tensor], Tensor]:
    if config.structure != "window":
        fix = "Its frames are related by their features, those that a stream has let go too."
        _refuse("of structure 'window'", repr(config.structure), fix)

    @torch.no_grad()
    def cost(features: Tensor) -> Tensor:
        return cosine(model.encoder(checked_features(features, config.n_features)), model.prototypes())

    return cost


def _clot_cost(model: CLOT, config: CLOTConfig) -> Callable[[Tensor], Tensor]:
    refined = config.refinement and config.inference != "frames"
    if refined and config.decoder:
        fix = "Set inference='frames' in its config: the labels of T and T_R are nearly the same."
        _refuse("one that segments by the plan T of its frames", "decoded segments, which are made of all frames", fix)
    if config.dispatch == "published":
        _refuse("of dispatch 'paper' or 'none'", "'published'", "Its centers are means over all frames.")
    if not refined and config.sliced == "published":
        _refuse("of sliced cost 'paper' or 'none'", "'published'", "It sorts all frames.")

    @torch.no_grad()
    def cost(features: Tensor) -> Tensor:
        prototypes = model.prototypes()
        frames = unit(model.encoder(checked_features(features, config.n_features)))
        if config.dispatch != "none":
            frames = unit(model.dispatch(frames, prototypes))
        if refined:
            return cosine(cross_attention(frames, prototypes.unsqueeze(0), temperature=config.temperature), prototypes)
        if config.sliced == "none":
            return cosine(frames, prototypes)
        protocol = "default" if config.sliced == "paper" else config.sliced
        return cosine(frames, prototypes) + sliced_pairwise(
            frames, prototypes, directions=model.directions, protocol=protocol
        )

    return cost


def _refuse(requirement: str, got: str, fix: str) -> NoReturn:
    checks.fail("model", requirement, got, fix)
