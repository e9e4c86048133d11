"""Random shapes, strides, masks and extreme values, thrown at the kernels and the reference of every op.

Nothing may crash, an input may not change, strides may change no bit, and the results must agree as far as the problem
lets any two programs agree: the reference is asked again with inputs that differ by rounding, and the kernel may be off
by a multiple of what that changes. An op adds one function to `OPS`, which draws its arguments in float64.

Every case has a number, which a failure names. `OTSEG_FUZZ_SECONDS=600` looks longer, `OTSEG_FUZZ_CASE=123` at one.
"""

import itertools
import math
import os
import time
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch

from otseg.ops._backend import LIBRARY
from otseg.ops.selftest import has_kernel, reference
from tests.strides import on_device

SECONDS = float(os.environ.get("OTSEG_FUZZ_SECONDS", 9))
#: Draws of rounding errors in the inputs, and how many times their effect a kernel may differ by.
PERTURBATIONS, MARGIN = 3, 100
#: Cases that are tried however slow the machine is.
LEAST = 20
#: What an exponential is cut at before it is compared.
LARGE = 100


class Draw:
    """Random choices of one case."""

    def __init__(self, seed, dtype=torch.float64):
        self.generator, self.dtype = torch.Generator().manual_seed(seed), dtype

    def uniform(self, *shape):
        return torch.rand(shape, generator=self.generator, dtype=torch.float64)

    def integer(self, low, high):
        return int(torch.randint(low, high + 1, (), generator=self.generator))

    def choice(self, options):
        return options[self.integer(0, len(options) - 1)]

    def flip(self, probability=0.5):
        return bool(self.uniform() < probability)

    def size(self, high):
        """From 1 to ``high``, small ones more often."""
        return round(math.exp(float(self.uniform()) * math.log(high)))

    def each(self, batch, options):
        """One of a few numbers for every problem."""
        return torch.tensor([self.choice(options) for _ in range(batch)], dtype=torch.float64)

    def masses(self, batch, n):
        """Marginals: many are 0, padding among them, some tiny or denormal; the first is of ordinary size."""
        mass = self.uniform(batch, n)
        mass = mass * self.each(batch * n, [1.0, 1.0, 1.0, 1e-12, 1e-30, 1e-36, 1e-42]).reshape(batch, n)
        mass = mass * (self.uniform(batch, n) > self.choice([0.0, 0.3, 0.9]))
        mass = mass * (torch.arange(n) < self.integer(1, n))
        mass[:, 0] = 0.1 + self.uniform(batch)
        mass = mass / mass.sum(dim=1, keepdim=True) if self.flip(0.8) else mass
        return mass * (self.uniform(batch, 1) > 0.02)  # rarely none at all: no answer, and no crash

    def scores(self, batch, n, k):
        """Of any size, some forbidden; the first row and the first column are not."""
        score = self.uniform(batch, n, k) - self.choice([0.0, 0.5, 1.0])
        score = score * self.choice([0.0, 1e-40, 1e-12, 1.0, 10.0, 300.0, 1e5, 1e30])
        forbidden = self.uniform(batch, n, k) < self.choice([0.0, 0.0, 0.2, 0.9])
        forbidden[:, 0], forbidden[:, :, 0] = False, False
        return score.masked_fill(forbidden, -math.inf)

    def view(self, x):
        """The values of a tensor, or of its first problem for all, and a view of any strides that holds them."""
        kind = self.choice(["contiguous", "permuted", "sliced", "expanded"])
        if kind == "permuted":
            order = torch.randperm(x.dim(), generator=self.generator)
            return x, x.permute(*order).contiguous().permute(*order.argsort())
        if kind == "sliced":
            room = x.new_zeros([2 * size + 3 for size in x.shape])
            room = room.fill_(math.nan) if x.is_floating_point() else room
            part = room[tuple(slice(2, 2 + 2 * size, 2) for size in x.shape)]
            return x, part.copy_(x)
        if kind == "expanded" and x.dim() and len(x):
            return x[:1].expand_as(x).contiguous(), x[:1].expand_as(x)
        return x, x


def sinkhorn_sweeps(draw):
    batch, n, k = draw.integer(0, 5), draw.size(400), draw.size(90)
    slopes = [draw.each(batch, [0.0, math.inf, 1e-20, 1e-3, 0.5, 20.0, 1e20]) for _ in range(2)]
    f = draw.uniform(batch, n) * draw.choice([0.0, 1.0, 100.0])
    sides = draw.masses(batch, n), draw.masses(batch, k)
    tol = draw.choice([None, None, 1e-2])
    return draw.scores(batch, n, k), *sides, *slopes, f, draw.integer(1, 45), tol, draw.flip()


def viterbi(draw):
    batch, n, k = draw.integer(0, 5), draw.size(300), draw.size(60)
    transition = draw.scores(draw.choice([1, batch]), k, k)
    ends = [draw.scores(batch, 1, k)[:, 0] if draw.flip() else None for _ in range(2)]
    mask = draw.uniform(batch, n) > draw.choice([0.0, 0.3, 1.0]) if draw.flip() else None
    return draw.scores(batch, n, k), transition, *ends, mask


def window_descent(draw):
    batch, n, k = draw.integer(0, 4), draw.size(300), draw.size(70)
    cost = draw.uniform(batch, n, k) * draw.choice([0.0, 1e-12, 1.0, 30.0, 1e5])
    sides = draw.masses(batch, n), draw.masses(batch, k)
    for side in sides:  # no column comes near the smallest normal number; every problem has some mass
        side[side < 1e-20] = 0
        side[:, 0] += side.sum(dim=1) == 0
    epsilon, rho_b = draw.each(batch, [1e-4, 0.05, 1.0, 100.0]), draw.each(batch, [0.0, 1e-6, 0.1, 50.0])
    rho_a, weight = draw.each(batch, [math.inf, math.inf, 0.0, 0.3, 50.0]), draw.each(batch, [0.0, 0.3, 5.0])
    half_width = torch.tensor([draw.integer(0, n) for _ in range(batch)], dtype=torch.int64)
    fixed, step = draw.flip(0.3), draw.each(batch, [1e-3, 0.5])
    if not fixed and draw.dtype == torch.float64:
        step = None  # in float32 the rule decides by rounding now and then
    curvature = weight * sides[0].amax(dim=1) * (2 * half_width + 1)
    rho_b = torch.minimum(rho_b, curvature)  # above it the solver does not linearize it
    step = None if step is None else step / (1 + curvature)
    window = weight, half_width, curvature
    tol = draw.choice([None, None, 1e-3])
    return cost, *sides, epsilon, rho_a, rho_b, *window, None, step, draw.integer(0, 30), tol, draw.flip()


def sinkhorn_adjoint(draw):
    batch, n, k = draw.integer(0, 4), draw.size(200), draw.size(50)
    score = draw.uniform(batch, n, k) * draw.choice([0.0, 1e-12, 1.0, 30.0])
    sides = draw.masses(batch, n), draw.masses(batch, k)
    for side in sides:
        side[side < 1e-20] = 0
        side[:, 0] += side.sum(dim=1) == 0
    tau_a, tau_b = draw.each(batch, [1.0, 0.9, 0.3]), draw.each(batch, [1.0, 0.5, 0.01])
    potentials = [draw.uniform(batch, size) * draw.choice([0.0, 1.0, 10.0]) for size in (n, k)]
    gradients = [draw.uniform(batch, size) - 0.5 for size in (n, k)]
    gradients[1] -= (gradients[1].sum(dim=1) + gradients[0].sum(dim=1))[:, None] / k  # constants change nothing
    return score, sides[0].log(), sides[1].log(), tau_a, tau_b, *potentials, *gradients, draw.flip()


class Op(NamedTuple):
    """How an op is tested."""

    draw: Callable  # its arguments
    exponentials: tuple = ()  # results that are exponentials, or counts of what is done until one is small
    exponent: Callable = lambda args, results: size(args[0])  # the largest of each problem: they show its rounding


def wanted_mass(args, results):
    """The largest score, and how much larger than the masses those are that relaxed columns want."""
    growth = -torch.where(torch.isinf(args[4]), 0, args[4])[:, None] * results[1]
    return size(args[0]) * largest(growth).clamp(max=80).exp()


def moved(args, results):
    """The largest log density, in every iteration anew."""
    return (1 + args[11]) * (size(args[0]) + args[8]) / args[3]


OPS = {
    "sinkhorn_adjoint": Op(sinkhorn_adjoint, exponentials=(0, 1, 2, 3, 4)),
    "sinkhorn_sweeps": Op(sinkhorn_sweeps, exponentials=(2, 3), exponent=wanted_mass),
    "viterbi": Op(viterbi),
    "window_descent": Op(window_descent, exponentials=(0, 4, 5), exponent=moved),
}


def perturbed(args, generator):
    """The arguments with every number off by its rounding; zeros, infinities and whole numbers stay."""
    for x in args:
        if isinstance(x, torch.Tensor) and x.is_floating_point():
            noise = torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x.dtype)
            yield x * (1 + torch.finfo(x.dtype).eps * noise)
        else:
            yield x


def gap(x, y):
    """Largest difference in each problem; 0 where both are the same infinity, NaN where one is NaN."""
    return largest(torch.where(x == y, 0.0, (x.double() - y.double()).abs()))


def size(x):
    """Largest finite number in each problem."""
    return largest(torch.where(torch.isfinite(x), x.double().abs(), 0.0))


def largest(x):
    """Of the numbers of each problem; 0 where it has none."""
    x = x.reshape(len(x), math.prod(x.shape[1:]))
    return torch.cat([x.new_zeros(len(x), 1), x], dim=1).amax(dim=1)


def same_bits(x, y):
    return bool(((x == y) | (torch.isnan(x) & torch.isnan(y))).all())


def kernel(op, *args):
    return getattr(torch.ops.otseg, op)(*args)


def throw(op, case, dtype, device="cpu"):
    """One case at one op; returns a description of what is wrong, or ``None``."""
    draw = Draw(case, dtype)
    args = [
        x.to(dtype if x.is_floating_point() else None) if isinstance(x, torch.Tensor) else x for x in OPS[op].draw(draw)
    ]
    pairs = [draw.view(x) if isinstance(x, torch.Tensor) else (x, x) for x in args]
    args, views = ([on_device(x, device) for x in side] for side in zip(*pairs, strict=True))
    before = [x.clone() if isinstance(x, torch.Tensor) else x for x in args]
    found, strided = ([x.cpu() for x in kernel(op, *side)] for side in (args, views))
    for name, now in (("argument", args), ("view", views)):
        for i, (x, y) in enumerate(zip(now, before, strict=True)):
            if isinstance(x, torch.Tensor) and not torch.equal(x, y):
                return f"{name} {i} was changed"
    args = [x.cpu() if isinstance(x, torch.Tensor) else x for x in args]
    expected = reference(op, *args)
    exponent = OPS[op].exponent(args, expected)
    again = [reference(op, *perturbed(args, draw.generator)) for _ in range(PERTURBATIONS)]
    for i, (x, y, z) in enumerate(zip(found, expected, strided, strict=True)):
        if x.shape != y.shape or x.dtype != y.dtype:
            return f"result {i} is {x.dtype} of {tuple(x.shape)}, not {y.dtype} of {tuple(y.shape)}"
        if not same_bits(x, z):
            return f"result {i} depends on strides"
        if not len(y):
            continue
        unit = 10 * torch.finfo(dtype).eps
        others = [one[i] for one in again]
        if i in OPS[op].exponentials:
            unit, scale = unit * (1 + exponent), size(y)
            if y.is_floating_point():  # large ones are differences of yet larger ones
                x, y, others = x.clamp(max=LARGE), y.clamp(max=LARGE), [z.clamp(max=LARGE) for z in others]
        else:
            scale = torch.maximum(size(y), size(args[0]))
        effect = torch.stack([gap(z, y) for z in others]).amax(dim=0)  # (B,)
        if y.is_floating_point():
            allowed = MARGIN * (effect + unit * (1 + scale))
        else:
            allowed = torch.where((effect > 0) | (MARGIN * unit > 1), math.inf, 0.0)
        wrong = ~(gap(x, y) <= allowed) & ~torch.isnan(allowed)  # where the reference has no answer either
        if wrong.any():
            b = int(wrong.nonzero()[0])
            what = f"result {i} of problem {b} is off by {float(gap(x, y)[b]):.3g}; allowed is {float(allowed[b]):.3g}"
            shapes = [tuple(x.shape) if isinstance(x, torch.Tensor) else x for x in args]
            return f"{what}; arguments {shapes}"
    return None


@pytest.mark.parametrize("op", OPS)
def test_kernel_and_reference(op, device):
    if f"otseg::{op}" not in LIBRARY._op_defs or not has_kernel(op, device.type):
        pytest.skip(f"{op} has no kernel here")
    only = os.environ.get("OTSEG_FUZZ_CASE")
    deadline = time.monotonic() + SECONDS / len(OPS)
    for case in itertools.count(int(only or 0)):
        for dtype in (torch.float64, torch.float32):
            wrong = throw(op, case, dtype, device.type)
            assert wrong is None, f"{op} on {device}, OTSEG_FUZZ_CASE={case}, {dtype}: {wrong}"
        if only or (case + 1 >= LEAST and time.monotonic() > deadline):
            break
    print(f"{op}: {case + 1} cases")


def test_every_op_is_fuzzed():
    assert {name.removeprefix("otseg::") for name in LIBRARY._op_defs} <= set(OPS)


@pytest.mark.parametrize("kind", range(40))
def test_views_hold_the_values(kind):
    draw = Draw(kind)
    x = draw.uniform(3, 4, 5)
    values, view = draw.view(x)
    assert torch.equal(values, view)
    assert values.is_contiguous()
    assert on_device(view, "meta").stride() == view.stride()


@pytest.mark.parametrize(("off", "wrong"), [(0.0, False), (1e-14, False), (1e-6, True), (math.nan, True)])
def test_what_is_wrong_is_found(off, wrong, monkeypatch):
    """A result that is off in one problem is seen, one that is off by rounding is not."""
    if not has_kernel("sinkhorn_sweeps"):
        pytest.skip("there is no kernel here")
    right = kernel

    def other(op, *args):
        f, *rest = right(op, *args)
        f[-1:] += off * (1 + f[-1:].abs())
        return f, *rest

    monkeypatch.setitem(globals(), "kernel", other)
    found = [throw("sinkhorn_sweeps", case, torch.float64) for case in range(12) if Draw(case).integer(0, 5)]
    assert any(found) == wrong, found
