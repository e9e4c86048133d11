"""Feature dispatching against dense formulas in numpy; masks, symmetry, memory, gradients."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck
from torch.utils._python_dispatch import TorchDispatchMode

import otseg
from otseg.nn import FeatureDispatch, feature_dispatch

PROTOCOLS = ("default", "published")
protocols = pytest.mark.parametrize("protocol", PROTOCOLS)
MASK = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])


def draw(generator, *shape, dtype=torch.float64):
    return torch.randn(*shape, generator=generator, dtype=dtype)


def dense(features, prototypes, scale, shift, protocol):
    """One sequence without padding, frame by frame and action by action."""
    n_actions = len(prototypes)

    def resemblance(f, a):
        length = np.linalg.norm(f) * np.linalg.norm(a) if protocol == "default" else 1.0
        return 1 / (1 + np.exp(-(shift + scale * (f @ a) / length)))

    phi = np.array([[resemblance(f, a) for a in prototypes] for f in features])
    if protocol == "default":
        return features + sum(phi[:, k, None] * prototypes[k] for k in range(n_actions)) / n_actions
    centers = []
    for k in range(n_actions):
        mine = [n for n in range(len(features)) if phi[n].argmax() == k]
        centers.append((prototypes[k] + sum(phi[n, k] * features[n] for n in mine)) / (1 + len(mine)))
    return features + sum(phi[:, k, None] * centers[k] for k in range(n_actions))


@protocols
@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 5), st.floats(-3, 3), st.floats(-2, 2), st.integers(0, 1000))
def test_equals_the_dense_formula(protocol, n, k, scale, shift, seed):
    generator = torch.Generator().manual_seed(seed)
    features, prototypes = draw(generator, 2, n, 4), draw(generator, 2, k, 4)
    found = feature_dispatch(features, prototypes, scale=scale, shift=shift, protocol=protocol)
    for i in range(2):
        expected = dense(features[i].numpy(), prototypes[i].numpy(), scale, shift, protocol)
        np.testing.assert_allclose(found[i].numpy(), expected, atol=1e-10)


def test_the_door_is_this_function():
    assert otseg.feature_dispatch is feature_dispatch


def test_default_is_a_cosine_and_published_a_dot_product(generator):
    """The default's update sees the direction of a frame only; the published one depends on its length."""
    features, prototypes = draw(generator, 1, 6, 3), draw(generator, 4, 3)
    for protocol, same in (("default", True), ("published", False)):

        def update(scale_of_features, protocol=protocol):
            x = scale_of_features * features
            return feature_dispatch(x, prototypes, scale=2.0, shift=0.1, protocol=protocol) - x

        assert torch.allclose(update(1.0), update(5.0), atol=1e-10) == same


def test_a_frame_of_length_zero_counts_as_orthogonal(generator):
    prototypes = draw(generator, 3, 4)
    features = torch.zeros(1, 1, 4, dtype=torch.float64, requires_grad=True)
    found = feature_dispatch(features, prototypes, scale=5.0, shift=0.0)
    torch.testing.assert_close(found[0, 0], 0.5 * prototypes.mean(dim=0))
    found.sum().backward()
    torch.testing.assert_close(features.grad, torch.ones_like(features))


@protocols
def test_permuting_frames_permutes_the_result(protocol, generator):
    """Dispatching has no notion of time: it cannot encode an order."""
    features, prototypes = draw(generator, 2, 9, 4), draw(generator, 3, 4)
    order = torch.randperm(9, generator=generator)
    options = {"scale": 1.5, "shift": -0.2, "protocol": protocol}
    found = feature_dispatch(features, prototypes, **options)[:, order]
    torch.testing.assert_close(feature_dispatch(features[:, order], prototypes, **options), found)


@protocols
def test_permuting_actions_changes_nothing(protocol, generator):
    features, prototypes = draw(generator, 2, 9, 4), draw(generator, 2, 3, 4)
    options = {"scale": 1.5, "shift": -0.2, "protocol": protocol}
    found = feature_dispatch(features, prototypes[:, [2, 0, 1]], **options)
    torch.testing.assert_close(found, feature_dispatch(features, prototypes, **options))


@protocols
@pytest.mark.parametrize("padding", [0.0, 9.0, float("nan")])
def test_alone_unpadded_equals_in_a_batch(protocol, padding, generator, dtype):
    features, prototypes = draw(generator, 2, 7, 4, dtype=dtype), draw(generator, 3, 4, dtype=dtype)
    features[~MASK] = padding
    scale, shift = torch.tensor([0.7, 2.0], dtype=dtype), torch.tensor([0.3, -1.0], dtype=dtype)
    found = feature_dispatch(features, prototypes, scale=scale, shift=shift, mask=MASK, protocol=protocol)
    assert (found[~MASK] == 0).all()
    for i in range(2):
        n = int(MASK[i].sum())
        alone = feature_dispatch(
            features[i : i + 1, :n], prototypes, scale=float(scale[i]), shift=float(shift[i]), protocol=protocol
        )
        torch.testing.assert_close(found[i, :n], alone[0])


@protocols
@pytest.mark.parametrize("per_sequence", [False, True])
def test_gradients(protocol, per_sequence, generator):
    features = draw(generator, 2, 7, 3).requires_grad_()
    prototypes = draw(generator, *((2, 4, 3) if per_sequence else (4, 3))).requires_grad_()
    scale = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)
    shift = torch.tensor([0.1, -0.4], dtype=torch.float64, requires_grad=True)

    def door(features, prototypes, scale, shift):
        return feature_dispatch(features, prototypes, scale=scale, shift=shift, mask=MASK, protocol=protocol)

    assert gradcheck(door, (features, prototypes, scale, shift))
    assert gradgradcheck(door, (features, prototypes, scale, shift))


@pytest.mark.parametrize("sizes", [(1, 1), (1, 3), (4, 1)])
@protocols
def test_gradients_of_one_frame_or_action(protocol, sizes, generator):
    n, k = sizes
    inputs = draw(generator, 1, n, 2).requires_grad_(), draw(generator, k, 2).requires_grad_()
    assert gradcheck(lambda x, y: feature_dispatch(x, y, scale=1.0, shift=0.0, protocol=protocol), inputs)


class Largest(TorchDispatchMode):
    """Notes the largest number of elements of any tensor that is made."""

    def __init__(self):
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for x in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(x, torch.Tensor):
                self.numel = max(self.numel, x.numel())
        return out


@protocols
def test_no_product_of_frames_actions_and_features_is_formed(protocol, generator):
    batch, n, k, dim = 2, 40, 30, 50
    features = draw(generator, batch, n, dim).requires_grad_()
    prototypes = draw(generator, k, dim).requires_grad_()
    mask = torch.rand(batch, n, generator=generator) > 0.2
    with Largest() as largest:
        feature_dispatch(features, prototypes, scale=1.0, shift=0.0, mask=mask, protocol=protocol).sum().backward()
    assert largest.numel == batch * max(n * k, n * dim, k * dim)


@protocols
def test_runs_where_that_product_would_take_26_gigabytes(protocol):
    features, prototypes = torch.ones(1, 100_000, 256), torch.ones(256, 256)
    found = feature_dispatch(features, prototypes, scale=1.0, shift=0.0, protocol=protocol)
    assert found.shape == features.shape
    assert torch.isfinite(found).all()


@protocols
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_autocast_are_computed_in_float32(protocol, dtype, generator):
    features, prototypes = draw(generator, 2, 5, 4, dtype=dtype), draw(generator, 3, 4, dtype=torch.float32)
    module = FeatureDispatch(protocol)
    expected = module(features.float(), prototypes)
    assert torch.equal(module(features, prototypes), expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(module(features, prototypes), expected)


def test_module_learns_scale_and_shift(generator):
    module = FeatureDispatch()
    features, prototypes = draw(generator, 1, 5, 3, dtype=torch.float32), draw(generator, 2, 3, dtype=torch.float32)
    assert {name: x.item() for name, x in module.named_parameters()} == {"scale": 1.0, "shift": 0.0}
    expected = feature_dispatch(features, prototypes, scale=1, shift=0)
    torch.testing.assert_close(module(features, prototypes), expected)
    module(features, prototypes).square().sum().backward()
    assert module.scale.grad.abs() > 0
    assert module.shift.grad.abs() > 0
    masked = module(features, prototypes, torch.tensor([[True, True, False, False, False]]))
    assert (masked[:, 2:] == 0).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"features": torch.zeros(4, 3)}, ValueError, r"`features` must be of shape \(B, N, D\).*unsqueeze"),
        ({"prototypes": torch.zeros(2, 4)}, ValueError, "`prototypes` must be of dimension D = 3"),
        ({"prototypes": torch.zeros(5, 2, 3)}, ValueError, r"`prototypes` must be .*\(B = 1\)"),
        ({"prototypes": torch.zeros(2, 3).double()}, TypeError, "`prototypes` must be of the dtype of `features`"),
        ({"mask": torch.ones(1, 4)}, TypeError, r"`mask` must be a boolean tensor.*mask.bool\(\)"),
        ({"mask": torch.ones(1, 5).bool()}, ValueError, r"`mask` must be of shape \(B, N\) = \(1, 4\)"),
        ({"scale": "1"}, TypeError, "`scale` must be a number"),
        ({"shift": torch.zeros(3)}, ValueError, r"`shift` must be a scalar or of shape \(B,\) = \(1,\)"),
        ({"protocol": "paper"}, ValueError, "`protocol` must be one of"),
    ],
)
def test_wrong_arguments_are_refused(change, error, message):
    given = {"features": torch.zeros(1, 4, 3), "prototypes": torch.zeros(2, 3), "scale": 1.0, "shift": 0.0, **change}
    with pytest.raises(error, match=message):
        feature_dispatch(given.pop("features"), given.pop("prototypes"), **given)
