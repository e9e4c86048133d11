"""Numbers of the published ASOT solver, through public functions.

``asot_reference.npz`` holds plans that the released code (mingu6/action_seg_ot, commit 0c4c86b, MIT) computed in
float64 for random costs, scaled so that frames sum to 1; the settings beside it are in that code's own parameter names.
The code adds 1e-12 inside its logarithms, so an exact log-domain solver agrees to about 1e-9.
"""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

import otseg

FOLDER = Path(__file__).parent
GOLDEN = np.load(FOLDER / "asot_reference.npz")
SETTINGS = json.loads((FOLDER / "asot_reference.json").read_text())
REAL = json.loads((FOLDER / "asot_reference_real.json").read_text())


def door_arguments(settings: dict) -> dict:
    return {
        "epsilon": settings["eps"],
        "alpha": settings["alpha"],
        "radius": settings["radius"],
        "rho_a": settings.get("lambda_frames", math.inf) if settings["ub_frames"] else math.inf,
        "rho_b": settings.get("lambda_actions", math.inf) if settings["ub_actions"] else math.inf,
        "max_iter": settings["n_iters"][0],
        "inner_iter": settings["n_iters"][1],
        "step": settings.get("step_size"),
        "protocol": "published",
    }


@pytest.mark.parametrize("case", SETTINGS)
def test_golden_plans(case):
    settings = SETTINGS[case]
    arguments = door_arguments(settings)
    cost, expected = (torch.from_numpy(GOLDEN[f"{case}/{name}"]) for name in ("cost", "plan"))
    mask = torch.from_numpy(GOLDEN[f"{case}/mask"]) if f"{case}/mask" in GOLDEN else None
    frames, actions = cost.shape[1:]
    if settings["ub_frames"] and settings["ub_actions"]:
        # No projection removes constants here: the published gradient has no reference measure a b, and both penalties
        # have an extra slope of their weight. As a linear term:
        term = settings["eps"] * math.log(1 / (frames * actions)) + arguments["rho_a"] + arguments["rho_b"]
        cost = cost + term / (1 - settings["alpha"])
    result = otseg.gromov_ot(cost, mask=mask, **arguments)
    plan = result.plan * result.problem.mask.sum(dim=1)[:, None, None]
    torch.testing.assert_close(plan, expected, atol=1e-8, rtol=0)


@pytest.mark.parametrize("video", REAL)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_real_affinities_give_identical_labels(data_root, video, dtype):
    affinity = np.load(data_root / "asot_affinities" / f"{video}.npy")
    expected = np.load(FOLDER / "asot_reference_real_labels.npz")[video]
    cost = 1 - torch.from_numpy(affinity.astype(np.float64))[None]
    labels = otseg.gromov_ot(cost.to(dtype), **door_arguments(REAL[video])).labels()[0].numpy()
    wrong = int((labels != expected).sum())
    assert wrong == 0 if dtype == torch.float64 else wrong <= 0.002 * len(expected)


def test_step_depends_on_the_batch_only_as_published(generator):
    cost = torch.cat([torch.rand(1, 60, 4, generator=generator), 3 * torch.rand(1, 60, 4, generator=generator)])
    settings = {"epsilon": 0.05, "alpha": 0.4, "radius": 0.1, "rho_b": 0.1}
    for protocol, same in (("published", False), ("default", True)):
        together = otseg.gromov_ot(cost, protocol=protocol, **settings).plan[:1]
        alone = otseg.gromov_ot(cost[:1], protocol=protocol, **settings).plan
        assert torch.allclose(together, alone, atol=1e-7) == same


def test_published_step_raises_the_objective_where_ours_falls(generator):
    cost = torch.rand(1, 300, 8, generator=generator, dtype=torch.float64)
    settings = {"alpha": 0.3, "radius": 0.04, "rho_b": 0.05}
    for epsilon in (0.2, 0.5, 2.0):
        start = otseg.gromov_ot(cost, epsilon=epsilon, max_iter=0, **settings).value
        ours = otseg.gromov_ot(cost, epsilon=epsilon, **settings).value
        published = otseg.gromov_ot(cost, epsilon=epsilon, protocol="published", **settings).value
        assert ours < start < published
