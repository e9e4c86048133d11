"""The self-test of the ops: every op has a case, agreement and disagreement are told apart."""

import pytest
import torch

import otseg
from otseg.ops import selftest
from otseg.ops._backend import LIBRARY, STATE
from otseg.ops.selftest import CASES, check_ops, has_kernel, reference

compiled = pytest.mark.skipif(not STATE["cpu"].startswith("loaded"), reason=f"CPU kernels: {STATE['cpu']}")


def test_every_op_has_a_case():
    assert {name.removeprefix("otseg::") for name in LIBRARY._op_defs} <= set(CASES)


def test_all_is_well():
    checks = check_ops()
    assert [check.op for check in checks] == sorted(name.removeprefix("otseg::") for name in LIBRARY._op_defs)
    assert all(check.ok for check in checks), checks
    for check in checks:
        assert check.kernel == has_kernel(check.op)
        assert check.found.startswith("the cpu kernel agrees with" if check.kernel else "runs in torch")


@pytest.mark.parametrize("op", [name for name in CASES if f"otseg::{name}" in LIBRARY._op_defs])
def test_the_reference_runs_on_the_case(op, generator):
    """Whatever kernel there is; and no output is constant, or a wrong kernel could pass."""
    args = CASES[op](lambda *shape: torch.rand(shape, generator=generator, dtype=torch.float64))
    args = [x.double() if isinstance(x, torch.Tensor) and x.is_floating_point() else x for x in args]
    first = reference(op, *args)
    assert all(x.dtype in (torch.float64, torch.int64) for x in first)
    assert any(x.double().std() > 0 for x in first)


@compiled
def test_a_wrong_kernel_is_found(monkeypatch):
    right = selftest.reference
    for wrong in (lambda x: x + 1e-3, lambda x: x * torch.nan):
        monkeypatch.setattr(selftest, "reference", lambda op, *args, wrong=wrong: [wrong(x) for x in right(op, *args)])
        checks = [check for check in check_ops() if check.kernel]
        assert checks
        assert all(not check.ok and "differs from the reference" in check.found for check in checks)


@compiled
def test_a_kernel_that_fails_is_found(monkeypatch):
    monkeypatch.setitem(CASES, "sinkhorn_sweeps", lambda uniform: (uniform(1, 2, 3),) * 6 + (1, None, False))
    (check,) = (check for check in check_ops() if check.op == "sinkhorn_sweeps")
    assert not check.ok
    assert check.found.startswith("the cpu kernel fails: ")
    assert "`a` has the wrong shape" in check.found
    assert otseg.backend_info()["cpu"].startswith("loaded")
