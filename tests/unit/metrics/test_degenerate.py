import math
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from otseg.metrics import DegenerateSolutionWarning, effective_actions, warn_if_degenerate


@given(st.lists(st.integers(1, 50), min_size=1, max_size=9))
def test_effective_actions_is_the_exponential_of_the_entropy(counts):
    p = [count / sum(counts) for count in counts]
    expected = math.exp(-sum(x * math.log(x) for x in p))
    assert effective_actions(torch.tensor([*counts, 0])) == pytest.approx(expected)


def test_the_warning_says_how_many_and_points_at_the_caller():
    with pytest.warns(DegenerateSolutionWarning, match=r"uses 1\.0 of 4 actions .* over 2 sequences") as found:
        assert warn_if_degenerate([torch.zeros(9).long(), torch.zeros(3).long()], 4) == 1.0
    assert found[0].filename == __file__


@pytest.mark.parametrize(
    ("counts", "n_actions", "degenerate"),
    [
        ([5, 5], 2, False),
        ([99, 1], 2, True),  # 1.06 effective actions
        ([5, 5], 8, False),  # a quarter of all
        ([5, 5], 9, True),
        ([7], 1, False),
    ],
)
def test_the_limit(counts, n_actions, degenerate):
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        warn_if_degenerate([labels], n_actions)
    assert len(found) == degenerate


def test_padding_does_not_count_and_actions_add_up_over_sequences():
    padded = torch.tensor([[0, 0, -1, -1], [1, 1, 1, 1]])
    assert warn_if_degenerate([padded, torch.tensor([0, 0])], 2) == pytest.approx(2)
    assert math.isnan(warn_if_degenerate([torch.tensor([-1])], 3))


def test_refuses_labels_beyond_the_actions():
    with pytest.raises(ValueError, match="`labels` must be below n_actions = 2; got 2"):
        warn_if_degenerate([torch.tensor([0, 2])], 2)
