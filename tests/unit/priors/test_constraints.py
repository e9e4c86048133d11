"""Supports of constraints against brute force, and what all of them promise."""

from fractions import Fraction
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from otseg.priors import AllowedActions, MinimumDuration, OrderBand, OrderParallelogram

SIZES = [(1, 1), (1, 3), (3, 1), (2, 5), (6, 3), (7, 4), (10, 4), (5, 5)]
ORDERED = st.one_of(
    st.floats(0, 1).map(OrderBand),
    st.floats(1, 20).map(OrderParallelogram),
    st.integers(0, 9).map(MinimumDuration),
    st.floats(0, 1).map(MinimumDuration),
)


def support(prior, n, k):
    return prior.support(torch.ones(1, n, dtype=torch.bool), k)[0]


def uniform_split(n, k):
    """Where the parts of frames and actions overlap, in whole numbers: the support of the monotone plan."""
    return torch.tensor([[i * k < (j + 1) * n and j * n < (i + 1) * k for j in range(k)] for i in range(n)])


@pytest.mark.parametrize(("n", "k"), SIZES)
def test_band_in_exact_arithmetic(n, k):
    for width in (Fraction(0), Fraction(1, 8), Fraction(1, 4), Fraction(1, 2), Fraction(1)):
        expected = torch.zeros(n, k, dtype=torch.bool)
        for i, j in product(range(n), range(k)):
            gap = max(Fraction(i, n) - Fraction(j + 1, k), Fraction(j, k) - Fraction(i + 1, n))
            expected[i, j] = gap < width
        assert torch.equal(support(OrderBand(float(width)), n, k), expected)
    assert torch.equal(support(OrderBand(0), n, k), uniform_split(n, k))
    assert support(OrderBand(1), n, k).all()


def room(n, k, i, j, slope):
    """Largest margin of a point that is inside of a cell and of the parallelogram, by a linear program."""
    # s x >= y >= x / s and s (1 - x) >= 1 - y >= (1 - x) / s, then the four sides of the cell; variables x, y, margin
    s = slope
    rows = [(-s, 1, 1), (1 / s, -1, 1), (s, -1, 1), (-1 / s, 1, 1), (-1, 0, 1), (1, 0, 1), (0, -1, 1), (0, 1, 1)]
    bounds = [0, 0, s - 1, 1 - 1 / s, -i / n, (i + 1) / n, -j / k, (j + 1) / k]
    return linprog([0, 0, -1], A_ub=rows, b_ub=bounds, bounds=[(0, 1), (0, 1), (None, None)]).x[2]


@pytest.mark.parametrize(("n", "k"), [(1, 3), (3, 1), (6, 3), (7, 4), (5, 5)])
@pytest.mark.parametrize("slope", [1.3, 2.0, 5.0])
def test_parallelogram_equals_a_linear_program(n, k, slope):
    expected = torch.tensor([[room(n, k, i, j, slope) > 1e-9 for j in range(k)] for i in range(n)])
    assert torch.equal(support(OrderParallelogram(slope), n, k), expected)


@pytest.mark.parametrize(("n", "k"), SIZES)
def test_parallelogram_of_slope_one_is_the_uniform_split(n, k):
    assert torch.equal(support(OrderParallelogram(1), n, k), uniform_split(n, k))


def labelings(n, k, shortest):
    """All labelings 0, ..., k - 1 of n frames in this order with parts of at least ``shortest`` frames."""
    if k == 0:
        if n == 0:
            yield []
        return
    for last in range(shortest, n + 1):
        for start in labelings(n - last, k - 1, shortest):
            yield [*start, *[k - 1] * last]


@pytest.mark.parametrize(("n", "k", "shortest"), [(6, 3, 1), (6, 3, 2), (7, 3, 2), (9, 4, 1), (9, 2, 3), (5, 1, 2)])
def test_minimum_duration_is_the_union_of_all_labelings(n, k, shortest):
    expected = torch.zeros(n, k, dtype=torch.bool)
    for labels in labelings(n, k, shortest):
        expected[range(n), labels] = True
    assert torch.equal(support(MinimumDuration(shortest), n, k), expected)
    assert torch.equal(support(MinimumDuration((shortest + 0.01) / n), n, k), expected)


def test_minimum_duration_is_never_longer_than_there_is_room_for():
    assert torch.equal(support(MinimumDuration(50), 12, 4), uniform_split(12, 4))
    assert torch.equal(support(MinimumDuration(50), 14, 4), support(MinimumDuration(3), 14, 4))
    assert support(MinimumDuration(50), 3, 4).all()


@settings(max_examples=200, deadline=None)
@given(prior=ORDERED, n=st.integers(1, 40), k=st.integers(1, 12))
def test_the_uniform_split_is_always_allowed(prior, n, k):
    """So no frame and no action is left without an entry, and equal masses are feasible."""
    allowed = support(prior, n, k)
    assert allowed[uniform_split(n, k)].all()
    assert torch.equal(allowed, allowed.flip(0, 1))  # and time has no direction


@settings(max_examples=50, deadline=None)
@given(prior=ORDERED, n=st.integers(1, 9), k=st.integers(1, 5), data=st.data())
def test_padding_and_gaps_change_nothing(prior, n, k, data):
    frames = torch.tensor(sorted(data.draw(st.permutations(range(12)))[:n]))
    mask = torch.zeros(2, 12, dtype=torch.bool)
    mask[0], mask[1, frames] = True, True
    allowed = prior.support(mask, k)
    assert allowed.shape == (2, 12, k)
    assert torch.equal(allowed[1, frames], support(prior, n, k))
    assert torch.equal(allowed[0], support(prior, 12, k))
    assert not allowed[~mask].any()


def test_one_value_per_problem():
    mask, values = torch.ones(3, 20, dtype=torch.bool), [1.0, 1.5, 7.0]
    for make in (OrderBand, OrderParallelogram):
        together = make(torch.tensor(values, dtype=torch.float64) / (10 if make is OrderBand else 1)).support(mask, 6)
        for i, value in enumerate(values):
            alone = make(value / 10 if make is OrderBand else value)
            assert torch.equal(together[i], support(alone, 20, 6))
    with pytest.raises(ValueError, match="`width` must be a number or of shape"):
        OrderBand(torch.tensor([0.1, 0.2])).support(mask, 6)


def test_wider_constraints_allow_more():
    for make, values in ((OrderBand, (0, 0.1, 0.3, 1.0)), (OrderParallelogram, (1, 1.2, 3.0, 40.0))):
        sizes = [int(support(make(value), 60, 8).sum()) for value in values]
        assert sizes == sorted(set(sizes))


def test_allowed_actions_broadcast():
    allowed = torch.rand(2, 5, 3, generator=torch.Generator().manual_seed(0)) < 0.7
    allowed[..., 0] = True
    mask = torch.arange(5) < torch.tensor([[5], [3]])
    given = AllowedActions(allowed).support(mask, 3)
    assert torch.equal(given, allowed & mask.unsqueeze(2))
    for smaller in (allowed[:1], allowed[0], allowed[:, :1], allowed[:1, :1]):
        full = smaller if smaller.dim() == 3 else smaller.unsqueeze(0)
        assert torch.equal(AllowedActions(smaller).support(mask, 3), full.expand(2, 5, 3) & mask.unsqueeze(2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OrderBand(-0.1), "`width` must be"),
        (lambda: OrderBand("wide"), "`width` must be"),
        (lambda: OrderBand(torch.tensor([-1.0])), "`width` must be at least 0"),
        (lambda: OrderParallelogram(0.5), "`slope` must be a number >= 1"),
        (lambda: OrderParallelogram(float("inf")), "`slope` must be finite"),
        (lambda: OrderParallelogram(torch.tensor([1.5, 0.5])), "`slope` must be at least 1"),
        (lambda: MinimumDuration(-1), "`frames` must be"),
        (lambda: MinimumDuration(5.0), "`frames` must be.*write 5 for five frames"),
        (lambda: MinimumDuration(float("nan")), "`frames` must be"),
        (lambda: AllowedActions(torch.ones(2, 3)), "`allowed` must be a boolean tensor.*allowed.bool"),
        (lambda: AllowedActions([[True]]), "`allowed` must be a boolean tensor"),
        (lambda: AllowedActions(torch.ones(3, dtype=torch.bool)), "`allowed` must be of shape"),
        (lambda: support(AllowedActions(torch.ones(5, 2, dtype=torch.bool)), 5, 3), "`allowed` must be of shape"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()
