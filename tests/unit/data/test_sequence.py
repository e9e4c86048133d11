import numpy as np
import pytest
import torch

from otseg.data import Sequence, standardize


def test_take_keeps_name_and_order():
    sequence = Sequence(torch.arange(8.0).reshape(4, 2), torch.tensor([3, 2, 1, 0]), "a", "tea")
    taken = sequence.take(torch.tensor([3, 1]))
    assert taken.features.tolist() == [[6, 7], [2, 3]]
    assert taken.labels.tolist() == [0, 2]
    assert (taken.name, taken.activity, taken.n_frames) == ("a", "tea", 2)
    assert sequence.read() is sequence


@pytest.mark.parametrize(
    ("features", "labels", "error", "message"),
    [
        (torch.zeros(3), None, ValueError, "`features` must be of shape"),
        (torch.zeros(0, 3), None, ValueError, "at least one frame"),
        (torch.zeros(3, 2, dtype=torch.int64), None, TypeError, "floating-point"),
        (torch.zeros(3, 2), torch.zeros(2, dtype=torch.int64), ValueError, r"\(N,\) = \(3,\)"),
        (torch.zeros(3, 2), torch.zeros(3), TypeError, "int64"),
        (torch.zeros(3, 2), torch.tensor([0, -2, 0]), ValueError, "got -2"),
    ],
)
def test_bad_sequences_are_refused(features, labels, error, message):
    with pytest.raises(error, match=message):
        Sequence(features, labels)


def test_standardize_matches_numpy_over_rows_that_are_not_zero(generator):
    x = 100 + 5 * torch.randn(50, 4, generator=generator)
    zero = torch.tensor([0, 7, 49])
    x[zero] = 0
    kept = np.delete(x.double().numpy(), zero.numpy(), axis=0)
    expected = (kept - kept.mean(axis=0)) / kept.std(axis=0)
    found = standardize(Sequence(x, name="a")).features
    assert found.dtype == torch.float32
    assert (found[zero] == 0).all()
    np.testing.assert_allclose(np.delete(found.numpy(), zero.numpy(), axis=0), expected, atol=1e-5)
    assert torch.allclose(standardize(Sequence(x), scale=0.25).features, 0.25 * found)


def test_rows_that_sum_to_zero_are_not_zero_rows():
    x = torch.tensor([[1.0, -1.0], [3.0, -5.0]])
    assert standardize(Sequence(x)).features.tolist() == [[-1, 1], [1, -1]]


@pytest.mark.parametrize("value", [0.1, 1e8, -3.0])
def test_constant_features_become_zero(value, generator):
    x = torch.randn(1000, 2, generator=generator)
    x[:, 1] = value
    found = standardize(Sequence(x)).features
    assert (found[:, 1] == 0).all()
    assert found[:, 0].std(correction=0) == pytest.approx(1.0, abs=1e-5)


def test_nothing_to_standardize():
    assert (standardize(Sequence(torch.zeros(3, 2))).features == 0).all()
    assert (standardize(Sequence(torch.tensor([[0.0, 0.0], [4.0, 2.0]]))).features == 0).all()
    with pytest.raises(ValueError, match="`scale`"):
        standardize(Sequence(torch.ones(3, 2)), scale=0.0)
