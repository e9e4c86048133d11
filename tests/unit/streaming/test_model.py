import pytest
import torch

from otseg.models import ASOT, CLOT, DCLOT, TOT, ASOTConfig, CLOTConfig, DCLOTConfig, TOTConfig
from otseg.streaming import segment_stream, stream_problem

SIZES = {"n_actions": 4, "n_features": 6, "layers": (8, 4)}


@pytest.mark.parametrize(
    "make",
    [
        lambda: ASOT(ASOTConfig(**SIZES)),
        lambda: ASOT(ASOTConfig(**SIZES, order=0.0, alpha_eval=0.3, rho_b_eval=0.2, epsilon_eval=0.08)),
        lambda: CLOT(CLOTConfig(**SIZES, inference="frames")),
        lambda: CLOT(CLOTConfig(**SIZES, inference="frames", sliced="none", dispatch="none")),
        lambda: CLOT(CLOTConfig(**SIZES, inference="frames", sliced="published_unsorted")),
        lambda: CLOT(CLOTConfig(**SIZES, decoder=False)),
        lambda: DCLOT(DCLOTConfig(**SIZES, inference="frames")),
    ],
)
def test_a_window_of_all_frames_is_the_models_answer(make):
    torch.manual_seed(0)
    model = make()
    x = torch.randn(10, 6).repeat_interleave(12, dim=0) + 0.3 * torch.randn(120, 6)
    expected = model.segment(x[None])
    parts = list(segment_stream(x, model, window=150))
    torch.testing.assert_close(parts[0].shares / 120, expected.plan[0], rtol=1e-4, atol=1e-6)
    assert not model.training


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: TOT(TOTConfig(**SIZES)), "segmented in a stream .*got TOT"),
        (lambda: ASOT(ASOTConfig(**SIZES, structure="features")), "of structure 'window'"),
        (lambda: ASOT(ASOTConfig(**SIZES, protocol="published")), "of protocol 'default'"),
        (lambda: CLOT(CLOTConfig(**SIZES)), "plan T of its frames.*inference='frames'"),
        (lambda: DCLOT(DCLOTConfig(**SIZES)), "plan T of its frames"),
        (lambda: CLOT(CLOTConfig(**SIZES, inference="frames", dispatch="published")), "dispatch"),
        (lambda: CLOT(CLOTConfig(**SIZES, inference="frames", sliced="published")), "sliced"),
    ],
)
def test_what_needs_the_whole_sequence_is_refused(model, message):
    with pytest.raises(ValueError, match=message):
        stream_problem(model())


def test_a_radius_in_frames_needs_no_length():
    model = ASOT(ASOTConfig(**SIZES, order=0.0))
    assert len(list(segment_stream([torch.randn(30, 6)], stream_problem(model, radius=3), window=10))) > 1
    with pytest.raises(ValueError, match="`length` must be given"):
        segment_stream([torch.randn(30, 6)], model, window=10)
