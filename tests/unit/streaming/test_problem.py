import math

import pytest
import torch

from otseg.streaming import StreamProblem

FINE = {"cost": lambda x: x, "epsilon": 0.1}


@pytest.mark.parametrize(
    ("radius", "alpha", "length", "frames"),
    [(5, 0.5, None, 5), (0.1, 0.5, 99, 9), (0.1, 0.5, 3, 1), (0.1, 0.0, None, 0), (None, 0.0, 10, 0)],
)
def test_frames_of_the_radius(radius, alpha, length, frames):
    assert StreamProblem(**FINE, radius=radius, alpha=alpha).frames(length) == frames


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cost": torch.ones(3)}, "`cost` must be a function"),
        ({"epsilon": 0}, "`epsilon` must be"),
        ({"alpha": 1.1, "radius": 3}, "`alpha` must be"),
        ({"alpha": 0.5}, "`radius` must be given where alpha > 0"),
        ({"alpha": 0.5, "radius": 0}, "`radius` must be"),
        ({"order": -0.1}, "`order` must be"),
        ({"rho_b": math.inf}, "`rho_b` must be finite for a stream"),
        ({"b": torch.zeros(3)}, "`b` must be at least 0, finite and not all 0"),
        ({"max_iter": 0}, "`max_iter` must be"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        StreamProblem(**{**FINE, **options})
