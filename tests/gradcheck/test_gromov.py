"""Unrolled gradients of the Gromov door in every tensor of its structures, against finite differences."""

import pytest
import torch
from torch.autograd import gradcheck

import otseg
from otseg.priors import BandKernel, DenseStructure, FeatureAffinity, LowRankStructure

STRUCTURES = {
    "dense": ((5, 5), lambda x: DenseStructure(x + x.mT)),
    "low rank": ((5, 2), LowRankStructure),
    "kernel": ((3,), BandKernel),
    "features": ((2, 5, 2), lambda x: FeatureAffinity(x, 2, bandwidth=0.5)),
}


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("loss", ["product", "square"])
def test_structures(name, loss, generator):
    shape, structure = STRUCTURES[name]
    cost = torch.rand(2, 5, 3, generator=generator, dtype=torch.float64)
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    tensors = [torch.rand(*s, generator=generator, dtype=torch.float64).requires_grad_() for s in (shape, (3, 3))]

    def door(frames, actions):
        result = otseg.gromov_ot(
            cost, epsilon=0.3, alpha=0.3, rho_b=0.2, mask=mask, structure=structure(frames), loss=loss,
            actions=actions + actions.mT, max_iter=4, step=0.2, grad="unroll",
        )  # fmt: skip
        return result.plan, result.value

    assert gradcheck(door, tensors)
