"""Settings of CLOT."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from otseg import checks
from otseg.models.asot import ASOTConfig

#: What CLOT adds to the cosine cost of its first problem, see :class:`CLOTConfig`.
SlicedName: TypeAlias = Literal["none", "paper", "published", "published_unsorted"]
#: How CLOT moves frames toward prototypes, see :class:`CLOTConfig`.
DispatchName: TypeAlias = Literal["none", "paper", "published"]
#: The plan that CLOT segments with.
InferenceName: TypeAlias = Literal["frames", "refined"]


@dataclass(frozen=True)
class CLOTConfig(ASOTConfig):
    """Settings of :class:`CLOT`: those of :class:`ASOTConfig`, and its own.

    CLOT's table of settings is not public. What ASOT has too is ASOT's, published for Breakfast; the rest is what the
    released files fix, or otseg's choice, which no label influenced.

    Attributes:
        sliced: The sliced Wasserstein cost in the first problem. ``"paper"``: of every frame and action, see
            :func:`otseg.costs.sliced_cosine`; ``"published"``: the sorted matrix that the released code returns, an
            order prior in disguise; ``"published_unsorted"``: the one that it discards; ``"none"``: without.
        n_projections: Directions of the sliced cost.
        dispatch: Feature dispatching after the encoder: ``"paper"``, as in the ``"published"`` code, or ``"none"``,
            see :func:`otseg.nn.feature_dispatch`.
        decoder: Whether segments are decoded from the frames. Without, prototypes stand in for the segments that
            frames are refined by, and there is no loss of segments.
        refinement: Whether frames are refined by the segments, and have a third problem and loss.
        n_segments: Number of segments, the paper's K'; ``None`` is one per action.
        decoder_layers: Layers of the decoder.
        decoder_heads: Heads of its attention; they divide the last of ``layers``.
        decoder_hidden: Units of its perceptrons.
        dropout: Dropout of the decoder in training.
        inference: Segment by the plan of the ``"frames"`` (T) or of the ``"refined"`` ones (T_R). ``None`` is
            ``"refined"`` with a refinement, else ``"frames"``.
    """

    sliced: SlicedName = "paper"
    n_projections: int = 150  # src/gsw.py of the released code
    dispatch: DispatchName = "paper"
    decoder: bool = True
    refinement: bool = True
    n_segments: int | None = None  # the paper has K' <= K; otseg's choice: K
    decoder_layers: int = 2  # otseg's choice
    decoder_heads: int = 4  # otseg's choice
    decoder_hidden: int = 160  # otseg's choice: four times the embeddings
    dropout: float = 0.0  # otseg's choice; 0.1 in the released decoder
    inference: InferenceName | None = None  # otseg's choice: the end of the loop

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.choice("sliced", self.sliced, ("none", "paper", "published", "published_unsorted"))
        checks.choice("dispatch", self.dispatch, ("none", "paper", "published"))
        for name in ("n_projections", "decoder_layers", "decoder_heads", "decoder_hidden"):
            checks.number(name, getattr(self, name), 1, integer=True)
        if self.n_segments is not None:
            checks.number("n_segments", self.n_segments, 1, integer=True)
        dim, heads = self.layers[-1], self.decoder_heads
        fix = "Change `decoder_heads`."
        fits = not self.decoder or dim % heads == 0
        checks.require(fits, "layers[-1]", f"a multiple of decoder_heads = {heads}", dim, fix)
        checks.number("dropout", self.dropout, 0, 1)
        for name in ("decoder", "refinement"):
            value = getattr(self, name)
            got = checks.describe(value)
            checks.require(isinstance(value, bool), name, "true or false", got, "", TypeError)
        if self.inference is not None:
            checks.choice("inference", self.inference, ("frames", "refined"))
            fits = self.refinement or self.inference == "frames"
            checks.require(fits, "inference", "'frames' without a refinement", repr(self.inference))
