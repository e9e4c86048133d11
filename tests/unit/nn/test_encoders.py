import pytest
import torch

from otseg.nn import MLP


def test_equals_its_formula():
    mlp = MLP((3, 4, 5, 2))
    x = torch.randn(2, 7, 3)
    first, second, third = (layer for layer in mlp.layers if isinstance(layer, torch.nn.Linear))
    hidden = (x @ first.weight.T + first.bias).clamp(min=0)
    hidden = (hidden @ second.weight.T + second.bias).clamp(min=0)
    torch.testing.assert_close(mlp(x), hidden @ third.weight.T + third.bias)


def test_last_layer_is_linear():
    assert (MLP((3, 8))(torch.randn(1, 50, 3)) < 0).any()


def test_frames_do_not_see_each_other():
    mlp, x = MLP((3, 8, 2)), torch.randn(1, 5, 3)
    torch.testing.assert_close(mlp(x)[:, 2:3], mlp(x[:, 2:3]))


@pytest.mark.parametrize(("sizes", "message"), [((3,), "`sizes` must be of at least two"), ((3, 0), r"`sizes\[1\]`")])
def test_refuses_bad_sizes(sizes, message):
    with pytest.raises(ValueError, match=message):
        MLP(sizes)
