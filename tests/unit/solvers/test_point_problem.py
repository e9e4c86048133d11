"""What the door of points refuses, and its defaults."""

import math

import pytest
import torch

from otseg.solvers import sinkhorn_points
from otseg.solvers._point_problem import make_problem


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cost": "manhattan"}, "`cost` must be one of"),
        ({"x": torch.zeros(3, 2)}, r"`x` must be of shape \(B, N, D\)"),
        ({"x": torch.zeros(1, 0, 2)}, "`x` must be of at least one point"),
        ({"x": torch.full((1, 3, 2), math.inf)}, "`x` must be finite"),
        ({"y": torch.zeros(1, 3, 5)}, r"`y` must be of shape \(1, M, 2\)"),
        ({"a": torch.tensor([0.5, -0.5, 1.0])}, "`a` must be at least 0"),
        ({"a": torch.zeros(3)}, "`a` must be of positive total mass"),
        ({"a": torch.full((4,), 0.25)}, r"`a` must be of shape \(B, N\)"),
        ({"a": torch.full((3,), 1 / 3), "mask_x": torch.tensor([[True, True, False]])}, "`a` must be 0 on masked"),
        ({"b": torch.full((4,), 0.5)}, "`b` must be of the same total mass"),
        ({"mask_y": torch.zeros(1, 4, dtype=torch.bool)}, "`mask_y` must be True on a point"),
        ({"epsilon": 0.0}, "`epsilon` must be"),
        ({"epsilon": math.inf}, "`epsilon` must be above 0 and finite"),
        ({"epsilon": torch.tensor([-1.0])}, "`epsilon` must be above 0"),
        ({"rho_a": -1.0}, "`rho_a` must be"),
        ({"start": 0.0}, "`start` must be"),
        ({"max_iter": 0}, "`max_iter` must be"),
        ({"memory": 0}, "`memory` must be"),
        ({"grad": "unroll"}, "`grad` must be one of"),
        ({"backend": "numpy"}, "`backend` must be one of"),
        ({"init": (torch.zeros(1, 3), torch.zeros(1, 3))}, r"`init\[1\]` must be of shape"),
    ],
)
def test_what_cannot_be_solved_is_refused(change, message):
    arguments = {"x": torch.rand(1, 3, 2), "y": torch.rand(1, 4, 2), "epsilon": 0.1} | change
    with pytest.raises(ValueError, match=message):
        sinkhorn_points(**arguments)


def test_wrong_types_are_refused():
    x, y = torch.rand(1, 3, 2), torch.rand(1, 4, 2)
    for change in ({"y": y.double()}, {"mask_x": torch.ones(1, 3)}, {"a": [0.5, 0.5]}, {"epsilon": "small"}):
        with pytest.raises(TypeError, match="must be"):
            sinkhorn_points(**({"x": x, "y": y, "epsilon": 0.1} | change))
    with pytest.raises(ValueError, match="`z` must be of shape"):
        sinkhorn_points(x, y, epsilon=0.1).apply(x)


def test_defaults(generator):
    x, y = (torch.rand(1, n, 2, generator=generator, dtype=torch.float64) for n in (4, 3))
    mask = torch.tensor([[True, False, True]])
    problem = make_problem(x, y, torch.full((4,), 0.5).double(), None, 0.1, 1.0, 2.0, None, mask, "cosine")
    assert problem.b.tolist() == [[1.0, 0.0, 1.0]]
    assert problem.a.shape == (1, 4)
    assert make_problem(x, y, None, None, 0.1, 1.0, 1.0, None, None, "cosine").a.tolist() == [[0.25] * 4]
