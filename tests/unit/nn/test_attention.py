"""Cross-attention against its dense formula; masks on both sides, gradients."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import normalize

from otseg.nn import cross_attention

MASK = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
SEGMENT_MASK = torch.tensor([[True] * 4, [True, True, False, False]])


def inputs(generator, dtype=torch.float64):
    features = torch.randn(2, 5, 3, generator=generator, dtype=dtype)
    return features, torch.randn(2, 4, 3, generator=generator, dtype=dtype)


def dense(features, segments, temperature):
    """One sequence without padding, from the formula."""
    score = torch.einsum("nd,md->nm", features, segments) / (temperature * features.shape[1] ** 0.5)
    weight = score.exp() / score.exp().sum(dim=1, keepdim=True)
    return features + torch.einsum("nm,md->nd", weight, segments)


@pytest.mark.parametrize("temperature", [0.1, 1.0, 5.0])
def test_equals_the_dense_formula(temperature, generator):
    features, segments = inputs(generator)
    found = cross_attention(features, segments, temperature=temperature)
    normalized = cross_attention(features, segments, temperature=temperature, normalize=True)
    for i in range(2):
        expected = dense(features[i], segments[i], temperature)
        torch.testing.assert_close(found[i], expected)
        torch.testing.assert_close(normalized[i], normalize(expected, dim=1))  # what the released code returns


def test_one_temperature_per_sequence(generator):
    features, segments = inputs(generator)
    found = cross_attention(features, segments, temperature=torch.tensor([0.2, 3.0]))
    torch.testing.assert_close(found[0], dense(features[0], segments[0], 0.2), atol=1e-7, rtol=0)
    torch.testing.assert_close(found[1], dense(features[1], segments[1], 3.0), atol=1e-7, rtol=0)


@pytest.mark.parametrize("padding", [0.0, 50.0, float("nan"), float("inf")])
@pytest.mark.parametrize("normalize", [False, True])
def test_alone_unpadded_equals_in_a_batch(padding, normalize, generator, dtype):
    features, segments = inputs(generator, dtype)
    features[~MASK], segments[~SEGMENT_MASK] = padding, padding
    found = cross_attention(features, segments, mask=MASK, segment_mask=SEGMENT_MASK, normalize=normalize)
    assert (found[~MASK] == 0).all()
    for i in range(2):
        n, m = int(MASK[i].sum()), int(SEGMENT_MASK[i].sum())
        alone = cross_attention(features[i : i + 1, :n], segments[i : i + 1, :m], normalize=normalize)
        torch.testing.assert_close(found[i, :n], alone[0])


def test_without_a_real_segment_frames_stay_as_they_are(generator):
    features, segments = inputs(generator)
    segments[1] = float("nan")
    features.requires_grad_(), segments.requires_grad_()
    mask = torch.tensor([[True] * 4, [False] * 4])
    found = cross_attention(features, segments, segment_mask=mask)
    assert torch.equal(found[1], features[1])
    torch.testing.assert_close(found[0], dense(features[0], segments[0], 1.0))
    found[1].sum().backward()
    assert torch.equal(features.grad[1], torch.ones(5, 3, dtype=torch.float64))
    assert (segments.grad == 0).all()


def test_permutations(generator):
    """Permuting frames permutes the result, permuting segments changes nothing."""
    features, segments = inputs(generator)
    found = cross_attention(features, segments)
    torch.testing.assert_close(cross_attention(features[:, [4, 2, 0, 1, 3]], segments), found[:, [4, 2, 0, 1, 3]])
    torch.testing.assert_close(cross_attention(features, segments[:, [3, 1, 0, 2]]), found)


@pytest.mark.parametrize("normalize", [False, True])
def test_gradients(normalize, generator):
    features, segments = (x.requires_grad_() for x in inputs(generator))
    temperature = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)

    def refine(features, segments, temperature):
        return cross_attention(
            features, segments, temperature=temperature, mask=MASK, segment_mask=SEGMENT_MASK, normalize=normalize
        )

    assert gradcheck(refine, (features, segments, temperature))
    with sdpa_kernel(SDPBackend.MATH):  # the fused kernels have no second derivative
        assert gradgradcheck(refine, (features, segments, temperature))


@pytest.mark.parametrize("sizes", [(1, 1), (1, 3), (3, 1)])
def test_one_frame_or_segment(sizes, generator):
    n, m = sizes
    features, segments = (torch.randn(1, x, 4, generator=generator, dtype=torch.float64) for x in (n, m))
    torch.testing.assert_close(cross_attention(features, segments)[0], dense(features[0], segments[0], 1.0))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_autocast_are_computed_in_float32(dtype, generator):
    features, segments = inputs(generator, torch.float32)
    features = features.to(dtype)
    expected = cross_attention(features.float(), segments)
    assert expected.dtype == torch.float32
    assert torch.equal(cross_attention(features, segments), expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(cross_attention(features, segments), expected)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"segments": torch.zeros(4, 3)}, ValueError, r"`segments` must be of shape \(B, M, D\)"),
        ({"segments": torch.zeros(1, 4, 2)}, ValueError, "`segments` must be of dimension D = 3"),
        ({"segments": torch.zeros(2, 4, 3)}, ValueError, r"`segments` must be .*\(B = 1\)"),
        ({"segment_mask": torch.ones(1, 3).bool()}, ValueError, "`segment_mask` must be of shape"),
        ({"temperature": 0.0}, ValueError, "`temperature` must be a number > 0"),
        ({"temperature": torch.tensor(-1.0)}, ValueError, "`temperature` must be > 0"),
    ],
)
def test_wrong_arguments_are_refused(change, error, message):
    given = {"features": torch.zeros(1, 5, 3), "segments": torch.zeros(1, 4, 3), **change}
    with pytest.raises(error, match=message):
        cross_attention(given.pop("features"), given.pop("segments"), **given)
