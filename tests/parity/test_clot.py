"""Parity with numbers computed by the released code of CLOT."""

import json
from pathlib import Path

import torch

from otseg.costs import sliced_pairwise

REFERENCE = Path(__file__).with_name("clot_sliced_reference.json")


def test_published_sliced_cost():
    reference = json.loads(REFERENCE.read_text(encoding="utf-8"))
    x, y, directions, cost = (
        torch.tensor(reference[name], dtype=torch.float64) for name in ("x", "y", "directions", "cost")
    )
    ours = sliced_pairwise(x, y, directions=directions, protocol="published")
    torch.testing.assert_close(ours, cost, atol=1e-12, rtol=0)
