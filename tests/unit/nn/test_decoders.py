"""The parallel decoder against its formula, written with plain matrix products; masks, lengths, gradients."""

import math

import pytest
import torch
from torch.nn.functional import layer_norm

from otseg.nn import ParallelDecoder, RelativePositions

MASK = torch.arange(9) < torch.tensor([[9], [6]])


@pytest.fixture
def decoder():
    torch.manual_seed(0)
    return ParallelDecoder(8, 3, n_layers=2, n_heads=2, n_hidden=12).double()


@pytest.fixture
def features(generator):
    return torch.randn(2, 9, 8, generator=generator, dtype=torch.float64)


def attention(layer, query, source):
    """Two heads of softmax attention of a sequence, from the formula."""
    weights, biases = layer.in_proj_weight.chunk(3), layer.in_proj_bias.chunk(3)
    q, k, v = (x @ w.T + b for x, w, b in zip((query, source, source), weights, biases, strict=True))
    heads = [torch.softmax(q[:, h] @ k[:, h].T / math.sqrt(4), dim=1) @ v[:, h] for h in (slice(0, 4), slice(4, 8))]
    return torch.cat(heads, dim=1) @ layer.out_proj.weight.T + layer.out_proj.bias


def expected(decoder, frames):
    """The segments of one sequence without padding."""
    n = len(frames)
    t = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    waves = [f(math.pi * m * t) for f in (torch.sin, torch.cos) for m in range(1, 17)]
    memory = frames + torch.stack(waves, dim=1) @ decoder.positions.linear.weight.T
    segments = decoder.queries
    for layer in decoder.layers.layers:
        norm = [lambda x, n=n: layer_norm(x, (8,), n.weight, n.bias) for n in (layer.norm1, layer.norm2, layer.norm3)]
        segments = norm[0](segments + attention(layer.self_attn, segments, segments))
        segments = norm[1](segments + attention(layer.multihead_attn, segments, memory))
        hidden = torch.relu(segments @ layer.linear1.weight.T + layer.linear1.bias)
        segments = norm[2](segments + hidden @ layer.linear2.weight.T + layer.linear2.bias)
    return layer_norm(segments, (8,), decoder.layers.norm.weight, decoder.layers.norm.bias)


@pytest.mark.parametrize("training", [True, False])
def test_equals_the_formula_whatever_the_padding(decoder, features, training):
    decoder.train(training)
    padded = features.masked_fill(~MASK.unsqueeze(2), float("nan"))
    found = decoder(padded, MASK)
    for i, n in enumerate((9, 6)):
        torch.testing.assert_close(found[i], expected(decoder, features[i, :n]))
        torch.testing.assert_close(found[i], decoder(features[i : i + 1, :n])[0])


def test_positions_are_shares_of_the_own_length():
    positions = RelativePositions(5, n_harmonics=3).double()
    found = positions(MASK)
    torch.testing.assert_close(found[1, :6], positions(MASK[1:, :6])[0])
    middle = torch.ones(1, 1, dtype=torch.bool)  # the only frame of a sequence is in its middle, as frame 4 of 9
    torch.testing.assert_close(found[0, 4], positions(middle)[0, 0])
    assert not torch.allclose(found[0, 3], found[0, 4])


def test_order_of_the_frames_matters_and_length_is_free(decoder, features):
    assert not torch.allclose(decoder(features), decoder(features.flip(1)))
    assert decoder(features[:, :1]).shape == (2, 3, 8)
    assert decoder(features.repeat(1, 600, 1)).shape == (2, 3, 8)  # more frames than the released table has


def test_gradient_reaches_frames_and_every_parameter_but_not_padding(decoder, features, generator):
    features.requires_grad_()
    decoder(features, MASK).mul(torch.randn(2, 3, 8, generator=generator, dtype=torch.float64)).sum().backward()
    assert torch.equal(features.grad.abs().sum(dim=2) > 0, MASK)
    assert all(parameter.grad.abs().sum() > 0 for parameter in decoder.parameters())


def test_dropout_acts_in_training_only(features):
    torch.manual_seed(0)
    decoder = ParallelDecoder(8, 3, n_heads=2, dropout=0.5).double()
    assert not torch.equal(decoder(features), decoder(features))
    decoder.eval()
    assert torch.equal(decoder(features), decoder(features))


@pytest.mark.parametrize(
    ("sizes", "options", "message"),
    [
        ((8, 0), {}, "`n_queries` must be an integer >= 1; got 0"),
        ((9, 3), {}, "`dim` must be a multiple of n_heads = 4; got 9"),
        ((8, 3), {"dropout": 1.5}, "`dropout` must be a number >= 0 and <= 1; got 1.5"),
        ((8, 3), {"n_hidden": 0}, "`n_hidden` must be an integer >= 1"),
    ],
)
def test_refuses(sizes, options, message):
    with pytest.raises(ValueError, match=message):
        ParallelDecoder(*sizes, **options)


def test_names_the_axis_of_another_dimension(decoder):
    with pytest.raises(ValueError, match=r"`features` must be of shape .*8"):
        decoder(torch.zeros(2, 9, 7))
