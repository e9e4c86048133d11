"""The fused loop of mirror descent: the op against the general solver, kernel against reference, padding, extremes."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import otseg
from otseg import Problem
from otseg.ops.window_descent import reference_window_descent, window_descent
from otseg.priors import LinearOrder, TemporalSmoothness
from otseg.solvers import _window, mirror_descent

STATE = otseg.backend_info()["cpu"]
compiled = pytest.mark.skipif(not STATE.startswith("loaded"), reason=f"CPU kernels: {STATE}")
DOUBLE = torch.float64


def make(seed, shape=(3, 70, 5), *, epsilon=0.07, rho_a=math.inf, rho_b=0.1, alpha=0.4, radius=0.04, dtype=DOUBLE):
    """Ragged problems with zero masses on both sides, each with its own settings."""
    generator = torch.Generator().manual_seed(seed)
    batch, n, k = shape
    cost = torch.rand(shape, generator=generator, dtype=DOUBLE)
    mask = torch.arange(n) < torch.randint(1, n + 1, (batch, 1), generator=generator)
    a = (torch.rand(batch, n, generator=generator, dtype=DOUBLE) + 0.1) * mask
    a = a * ((torch.rand(batch, n, generator=generator) > 0.2) | (torch.arange(n) == 0))
    b = torch.rand(batch, k, generator=generator, dtype=DOUBLE) + 0.1
    b = b * ((torch.rand(batch, k, generator=generator) > 0.3) | (torch.arange(k) == 0))
    a, b = a / a.sum(dim=1, keepdim=True), b / b.sum(dim=1, keepdim=True)
    vary = 1 + torch.rand(batch, generator=generator, dtype=DOUBLE)
    priors = (TemporalSmoothness(alpha * vary, radius), LinearOrder(0.1))
    values = [x.to(dtype) for x in (cost, a, b)]
    per_problem = {"epsilon": epsilon * vary, "rho_a": rho_a * vary, "rho_b": rho_b * vary}
    per_problem = {name: value.to(dtype) for name, value in per_problem.items()}
    return Problem.make(*values, mask=mask, priors=priors, **per_problem)


def arguments(problem, init=None, step=None):
    """Of the op; a penalty above the curvature is not linearized by the solver, and never gets here."""
    prior = problem.curved_priors[0]
    half_width, weight, curvature = prior.window_term(problem.a, problem.mask)
    rho_b = torch.minimum(problem.rho_b, curvature)
    marginals = problem.a, problem.b, problem.epsilon, problem.rho_a, rho_b
    return problem.linear_cost, *marginals, weight, half_width, curvature, init, step


any_problem = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 10_000),
        "shape": st.tuples(st.integers(1, 3), st.integers(1, 150), st.integers(1, 20)),
        "epsilon": st.sampled_from([1e-3, 0.07, 1.0, 50.0]),
        "rho_a": st.sampled_from([0.0, 0.05, 2.0, math.inf, math.inf]),
        "rho_b": st.sampled_from([0.0, 0.01, 0.1, 3.0]),
        "alpha": st.sampled_from([0.0, 0.4, 1.0]),
        "radius": st.sampled_from([1, 3, 0.04, 0.5, 1.0]),
    }
)


@settings(max_examples=40, deadline=None)
@given(case=any_problem, n_iter=st.integers(0, 12))
def test_reference_is_the_general_solver(case, n_iter):
    """The general path of mirror descent, which knows nothing of windows, does the same iterations."""
    problem = make(**{**case, "rho_b": min(case["rho_b"], 0.2)})
    curvature = problem.curved_priors[0].smoothness(problem.a, problem.mask)
    problem = Problem.make(
        problem.cost, problem.a, problem.b, epsilon=problem.epsilon, rho_a=problem.rho_a,
        rho_b=torch.minimum(problem.rho_b, curvature), mask=problem.mask, priors=problem.priors,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_window, "needs_formula", lambda *_: True)
        expected = mirror_descent(problem, max_iter=n_iter, grad="none")
    found = reference_window_descent(*arguments(problem), n_iter, None, False)
    torch.testing.assert_close(found[0], expected.plan, atol=1e-12, rtol=1e-10)
    torch.testing.assert_close(found[1].masked_fill(~problem.mask, 0), expected.f, atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(found[2], expected.g, atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(found[4], expected.error, atol=1e-10, rtol=1e-8)


def assert_same(found, expected, tol):
    for name, x, y in zip(("plan", "f", "g", "objective", "error"), found[:5], expected[:5], strict=True):
        size = 1 + float(y.abs().max()) if y.numel() else 1
        torch.testing.assert_close(x, y, atol=tol * size * (100 if name == "error" else 1), rtol=0, msg=name)
    torch.testing.assert_close(found[6], expected[6], atol=tol * 10, rtol=tol * 10)


@compiled
@settings(max_examples=80, deadline=None)
@given(case=any_problem, n_iter=st.integers(0, 30))
def test_kernel_is_the_reference(case, n_iter):
    values = arguments(make(**case))
    found, expected = window_descent(*values, n_iter, None, True), reference_window_descent(*values, n_iter, None, True)
    assert_same(found, expected, 1e-9)
    assert torch.equal(found[5], expected[5])


@compiled
@settings(max_examples=40, deadline=None)
@given(case=any_problem)
def test_kernel_in_float32_with_a_fixed_step(case):
    """The rule may decide differently where two objectives differ by rounding; a fixed step leaves no decision."""
    problem = make(**case, dtype=torch.float32)
    values = arguments(problem)
    values = (*values[:-1], 0.5 / (1 + values[8]))  # small enough for all of them
    found, expected = window_descent(*values, 10, None, True), reference_window_descent(*values, 10, None, True)
    assert_same(found, expected, 2e-4 if case["epsilon"] < 0.01 else 2e-5)


@compiled
@settings(max_examples=30, deadline=None)
@given(case=any_problem, tol=st.sampled_from([1e-1, 1e-3, 1e-6]))
def test_kernel_stops_where_the_reference_does(case, tol):
    """With the smallest epsilon an iteration may double rounding: hence few of them, and a wider tolerance there."""
    values = arguments(make(**case))
    found, expected = window_descent(*values, 20, tol, True), reference_window_descent(*values, 20, tol, True)
    assert torch.equal(found[5], expected[5])
    assert_same(found, expected, 1e-6 if case["epsilon"] < 0.01 else 1e-9)


@pytest.mark.parametrize("rho_a", [math.inf, 0.5])
def test_a_start_is_where_it_goes_on(rho_a):
    """Ten iterations with a fixed step are five and five more."""
    values = arguments(make(3, rho_a=rho_a))
    step = torch.tensor([0.5, 1.0, 2.0], dtype=DOUBLE)
    once = window_descent(*values[:-1], step, 10, None, False)
    half = window_descent(*values[:-1], step, 5, None, False)
    product = values[1].unsqueeze(2) * values[2].unsqueeze(1)
    density = torch.where(product > 0, (half[0] / torch.where(product > 0, product, 1)).log(), 0)
    alive = torch.isfinite(density)
    again = window_descent(*values[:-2], torch.where(alive, density, -700), step, 5, None, False)
    torch.testing.assert_close(again[0], once[0], atol=1e-12, rtol=1e-9)


@compiled
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 200), (1, 700, 1), (3, 64, 9), (1, 4000, 33), (40, 33, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_padding_batch_and_threads_change_nothing(shape, dtype):
    problem = make(0, shape, dtype=dtype)
    values = arguments(problem)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        together = window_descent(*values, 12, None, True)
        torch.set_num_threads(1)
        for i in range(shape[0]):
            n = int(problem.mask[i].sum())
            alone = [x[i : i + 1] if isinstance(x, torch.Tensor) else x for x in values]
            alone[0], alone[1] = alone[0][:, :n], alone[1][:, :n]
            result = window_descent(*alone, 12, None, True)
            assert torch.equal(result[0][0], together[0][i, :n])
            assert torch.equal(result[1][0], together[1][i, :n])
            assert all(torch.equal(x[0], y[i]) for x, y in zip(result[2:], together[2:], strict=True))
        assert (together[0][~problem.mask] == 0).all()
    finally:
        torch.set_num_threads(threads)


@compiled
def test_strides_do_not_matter():
    values = list(arguments(make(5, (2, 40, 6))))
    expected = window_descent(*values, 8, None, False)
    wide = torch.full((2, 80, 12), math.nan, dtype=DOUBLE)
    wide[:, ::2, ::2] = values[0]
    for cost in (wide[:, ::2, ::2], values[0].transpose(1, 2).contiguous().transpose(1, 2)):
        found = window_descent(cost, *values[1:], 8, None, False)
        assert all(torch.equal(x, y) for x, y in zip(found, expected, strict=True))


@pytest.mark.parametrize("op", [window_descent, reference_window_descent])
def test_nothing_to_do(op):
    values = arguments(make(1, (1, 4, 3)))
    empty = op(*(x[:0] if isinstance(x, torch.Tensor) else x for x in values), 5, None, True)
    assert [tuple(x.shape) for x in empty] == [(0, 4, 3), (0, 4), (0, 3), (0,), (0,), (0,), (0, 6)]
    start = op(*values, 0, None, True)
    torch.testing.assert_close(start[0], values[1].unsqueeze(2) * values[2].unsqueeze(1))


@compiled
@pytest.mark.parametrize("op", [window_descent, reference_window_descent])
@pytest.mark.parametrize("rho_a", [math.inf, 0.02])
def test_denormal_masses_count_as_0(op, rho_a, dtype):
    values = list(arguments(make(4, (2, 150, 5), rho_a=rho_a, rho_b=0.3, dtype=dtype)))
    (a, b), least = values[1:3], torch.finfo(dtype).smallest_normal
    a[:, :3], a[:, 140:], b[:, 2] = 0, 0, 0
    expected = op(*values, 6, None, True)
    a[:, :3], a[:, 140:], b[:, 2] = least / 2, least / 1000, least / 2
    found = op(*values, 6, None, True)
    assert all(torch.equal(x, y) for x, y in zip(found, expected, strict=True))


def test_infinite_and_missing_entries_of_frames_without_mass_do_not_leak():
    problem = make(2)
    values = list(arguments(problem))
    expected = window_descent(*values, 8, None, False)
    values[0] = values[0].masked_fill((problem.a == 0).unsqueeze(2), math.nan)
    found = window_descent(*values, 8, None, False)
    assert all(torch.equal(x, y) for x, y in zip(found, expected, strict=True))


@compiled
@pytest.mark.parametrize("epsilon", [1e-6, 1e4])
@pytest.mark.parametrize("size", [1e-20, 1e6])
@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_extreme_scales_stay_finite_and_never_rise(epsilon, size, dtype):
    problem = make(4, (2, 60, 6), epsilon=epsilon, dtype=dtype)
    values = list(arguments(problem))
    values[0] = values[0] * size
    found = window_descent(*values, 25, None, True)
    assert all(torch.isfinite(x).all() for x in found)
    trace = found[6]
    slack = 64 * torch.finfo(dtype).eps * (size + 4 + 2 * epsilon) * 2
    assert (trace.diff(dim=1) <= slack).all()
    mass = found[0].sum(dim=2)
    torch.testing.assert_close(mass, problem.a, atol=1e-6 if dtype == torch.float32 else 1e-12, rtol=1e-5)


def test_the_compiler_sees_one_op():
    values = arguments(make(1))
    compiled_op = torch.compile(window_descent, fullgraph=True, backend="aot_eager")
    found, expected = compiled_op(*values, 5, None, True), window_descent(*values, 5, None, True)
    assert all(torch.equal(x, y) for x, y in zip(found, expected, strict=True))
    torch.library.opcheck(torch.ops.otseg.window_descent.default, (*values, 5, None, True))
    torch.library.opcheck(torch.ops.otseg.window_descent.default, (*values, 20, 1e-3, False))


@compiled
@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({0: torch.zeros(3, 70)}, "shape"),
        ({1: torch.zeros(3, 69, dtype=DOUBLE)}, "`a` has the wrong shape"),
        ({3: torch.zeros(3)}, "`epsilon` must have the device and the dtype"),
        ({7: torch.zeros(3, dtype=torch.int32)}, "`half_width` must be int64"),
        ({9: torch.zeros(3, 70, 4, dtype=DOUBLE)}, "`init` has the wrong shape"),
    ],
)
def test_wrong_arguments_are_refused(change, match):
    values = list(arguments(make(1)))
    for i, x in change.items():
        values[i] = x
    with pytest.raises(RuntimeError, match=match):
        window_descent(*values, 5, None, False)


def test_mirror_descent_takes_the_loop_only_where_it_applies(monkeypatch):
    problem = make(1)
    calls = []
    loop = _window.window_descent
    monkeypatch.setattr(_window, "window_descent", lambda *args: calls.append(1) or loop(*args))
    mirror_descent(problem, max_iter=2, grad="none")
    assert len(calls) == 1
    kept = Problem.make(problem.cost, epsilon=0.1, rho_b=5.0, priors=problem.priors)
    mirror_descent(kept, max_iter=2, grad="none")
    recorded = Problem.make(problem.cost.clone().requires_grad_(), epsilon=0.1, rho_b=0.1, priors=problem.priors)
    assert mirror_descent(recorded, max_iter=2, grad="unroll").plan.requires_grad
    assert len(calls) == 1
    assert mirror_descent(recorded, max_iter=300, grad="implicit").plan.requires_grad
    assert len(calls) == 2
