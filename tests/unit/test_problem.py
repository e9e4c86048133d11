"""The door of every problem: defaults, and what is refused, with which words."""

import math

import pytest
import torch

import otseg
from otseg import Problem
from otseg.priors import TemporalSmoothness

COST = torch.rand(2, 4, 3)


def test_defaults():
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    problem = Problem.make(COST, epsilon=0.5, mask=mask)
    torch.testing.assert_close(problem.a, torch.tensor([[0.25] * 4, [0.5, 0.5, 0, 0]]))
    torch.testing.assert_close(problem.b, torch.full((2, 3), 1 / 3))
    assert problem.epsilon.tolist() == [0.5, 0.5]
    assert problem.rho_a.tolist() == problem.rho_b.tolist() == [math.inf] * 2
    assert problem.tau_a.tolist() == [1.0, 1.0]
    assert (problem.cost[1, 2:] == 0).all()


def test_damping():
    problem = Problem.make(COST, epsilon=0.5, rho_a=torch.tensor([0.0, 0.5]), rho_b=1.5)
    assert problem.tau_a.tolist() == [0.0, 0.5]
    assert problem.tau_b.tolist() == [0.75, 0.75]


def test_marginals_of_one_axis_are_shared():
    a, b = torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([0.5, 0.5, 0.0])
    problem = Problem.make(COST, a, b, epsilon=1)
    assert torch.equal(problem.a, a.expand(2, -1))
    assert torch.equal(problem.b, b.expand(2, -1))


def test_values_on_padding_do_not_matter():
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    dirty = COST.clone()
    dirty[1, 2:] = torch.tensor([math.nan, math.inf, 7.0])
    one, other = (otseg.sinkhorn(cost, epsilon=0.3, mask=mask).plan for cost in (COST, dirty))
    assert torch.equal(one, other)


NAN, INF = COST.clone(), COST.clone()
NAN[0, 1, 2], INF[1, 0, 0] = math.nan, math.inf
HALF = torch.full((2, 4), 0.25)
EMPTY = torch.tensor([[True] * 4, [False] * 4])
GAP = torch.tensor([[True] * 4, [True, False, True, True]])
BAD = [
    ({"cost": COST.numpy()}, TypeError, "`cost` must be a tensor of shape .B, N, K.*torch.as_tensor"),
    ({"cost": COST.long()}, TypeError, "`cost` must be a floating-point tensor"),
    ({"cost": COST[0]}, ValueError, r"`cost` must be of shape \(B, N, K\).*unsqueeze\(0\)"),
    ({"cost": NAN}, ValueError, r"`cost` must be finite on real frames; got nan at \(0, 1, 2\)"),
    ({"cost": INF}, ValueError, r"`cost` must be finite on real frames; got inf at \(1, 0, 0\)"),
    ({"cost": torch.rand(2, 0, 3)}, ValueError, "`cost` must be non-empty"),
    ({"cost": torch.rand(2, 4, 0)}, ValueError, "`cost` must be non-empty"),
    ({"epsilon": 0}, ValueError, "`epsilon` must be above 0"),
    ({"epsilon": -0.1}, ValueError, "`epsilon` must be above 0 and finite; got -0.1"),
    ({"epsilon": math.inf}, ValueError, "`epsilon` must be above 0 and finite"),
    ({"epsilon": math.nan}, ValueError, "`epsilon` must be above 0"),
    ({"epsilon": "small"}, TypeError, "`epsilon` must be a number or a tensor"),
    ({"epsilon": torch.tensor([0.1, 0.0])}, ValueError, "`epsilon` must be above 0"),
    ({"epsilon": torch.ones(3)}, ValueError, r"`epsilon` must be of shape \(B,\) = \(2,\)"),
    ({"epsilon": torch.ones(2, dtype=torch.int64)}, TypeError, "`epsilon` must be a floating-point tensor"),
    ({"rho_a": -1.0}, ValueError, "`rho_a` must be at least 0"),
    ({"rho_b": math.nan}, ValueError, "`rho_b` must be at least 0"),
    ({"rho_b": torch.tensor([1.0, -1.0])}, ValueError, "`rho_b` must be at least 0"),
    ({"a": -HALF}, ValueError, "`a` must be at least 0"),
    ({"a": HALF[:, :3]}, ValueError, r"`a` must be of shape \(B, N\) = \(2, 4\)"),
    ({"a": HALF.double()}, TypeError, "`a` must be of the dtype of `cost`"),
    ({"a": HALF * math.nan}, ValueError, "`a` must be finite"),
    ({"a": torch.zeros(2, 4)}, ValueError, "`a` must be of positive total mass"),
    ({"a": [0.25] * 4}, TypeError, "`a` must be a tensor"),
    ({"b": torch.ones(3)}, ValueError, "`b` must be of the same total mass as `a`.*Rescale one of them"),
    ({"b": torch.zeros(3)}, ValueError, "`b` must be of positive total mass"),
    ({"mask": torch.ones(2, 4)}, TypeError, r"`mask` must be a boolean tensor.*mask.bool\(\)"),
    ({"mask": torch.ones(2, 3, dtype=torch.bool)}, ValueError, r"`mask` must be of shape \(B, N\) = \(2, 4\)"),
    ({"mask": EMPTY}, ValueError, r"`mask` must be True on a frame of every sequence; got none in sequences \[1\]"),
    ({"a": HALF, "mask": GAP}, ValueError, "`a` must be 0 on masked frames"),
    ({"cost": COST.to("meta"), "a": HALF}, ValueError, "`a` must be on the device of `cost`"),
    ({"cost": COST.to("meta"), "mask": torch.ones(2, 4, dtype=torch.bool)}, ValueError, "`mask` must be on the device"),
    ({"priors": [0.5]}, TypeError, r"`priors\[0\]` must be a Prior"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "error", "message"), BAD)
def test_bad_input_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        Problem.make(**{"cost": COST, "epsilon": 0.1, **arguments})


def test_relaxed_marginals_may_differ_in_mass():
    Problem.make(COST, b=torch.ones(3), epsilon=0.1, rho_b=1.0)


def test_sinkhorn_refuses_curved_priors():
    with pytest.raises(ValueError, match=r"`priors` must be linear.*TemporalSmoothness.*mirror_descent"):
        otseg.solve(COST, epsilon=0.1, priors=[TemporalSmoothness(1.0, 0.1)])


def test_doors_refuse_bad_options():
    for options, message in (
        ({"alpha": 1.5}, "`alpha` must be a number >= 0 and <= 1"),
        ({"alpha": torch.tensor([0.5, 2.0])}, "`alpha` must be in"),
        ({"radius": 0.0}, "`radius` must be"),
        ({"order": -1.0}, "`weight` must be"),
        ({"step": -1.0}, "`step` must be above 0"),
        ({"protocol": "paper"}, "`protocol` must be one of"),
        ({"protocol": "published", "tol": 1e-3}, "`tol` must be None where protocol='published'"),
    ):
        with pytest.raises(ValueError, match=message):
            otseg.gromov_ot(COST, **{"epsilon": 0.1, "alpha": 0.5, "radius": 0.1, **options})
    for init, message in (
        ((torch.zeros(2, 3), torch.zeros(2, 3)), r"`init\[0\]` must be of shape"),
        (
            otseg.gromov_ot(COST, epsilon=0.1, alpha=0.5, radius=0.5, protocol="published"),
            "`init` must be potentials",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            otseg.sinkhorn(COST, epsilon=0.1, init=init)
    with pytest.raises(ValueError, match="`init` must be of shape"):
        otseg.gromov_ot(COST, epsilon=0.1, alpha=0.5, radius=0.5, init=torch.ones(1, 4, 3))
