"""The CUDA kernels on a GPU, by one command: build them, test them, measure them, and write the result down.

python -m benchmarks.gpu [--quick] [--no-sanitizer] [--output FOLDER]
"""

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

import otseg
from benchmarks._gpu import (
    ceilings,
    device_info,
    file_name,
    installed,
    milliseconds,
    require_gpu,
    require_kernels,
    run_tests,
    sanitize,
)
from benchmarks._report import RESULTS, write
from benchmarks.published_asot import published_asot
from otseg.ops.selftest import reference

POINTS = [(1, 8192, 48), (1, 4096, 4096)]
ADJOINT = [(1024, 256, 16), (64, 2048, 32), (1, 100_000, 48)]
VITERBI = [(1024, 256, 16), (64, 2048, 48), (1, 100_000, 19), (16, 9000, 200)]
SINKHORN = [(1024, 256, 16), (64, 2048, 32), (1, 100_000, 48), (1, 2048, 2048)]
ASOT = [(64, 2048, 19), (1, 100_000, 48)]
SWEEPS, EPSILON = 50, 0.1
SETTINGS = {"epsilon": 0.07, "alpha": 0.4, "radius": 0.04, "rho_b": 0.1, "max_iter": 25}


@dataclass(frozen=True)
class Effort:
    """What a kernel does by its construction, per entry and round."""

    bytes: int  # of global memory or L2
    exponentials: int = 0
    multiply_adds: int = 0
    rounds: int = 1


SINKHORN_EFFORT = Effort(4, 1, rounds=SWEEPS)  # no bytes after the first sweep where the entries fit the chip
ASOT_EFFORT = Effort(68, 2, rounds=SETTINGS["max_iter"])

Work = Callable[[], object]
#: A peer is its work, or why there is none.
Peers = dict[str, Work | str]


def make_cost(shape: tuple[int, int, int]) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)).cuda()


def sinkhorn_work(shape: tuple[int, int, int]) -> tuple[Work, Peers]:
    """Ours from cost to plan, the op and its reference from scores to potentials, the peers from cost to plan."""
    cost = make_cost(shape)
    batch, n, k = shape
    a, b = cost.new_full((batch, n), 1 / n), cost.new_full((batch, k), 1 / k)
    exact = cost.new_zeros(batch)
    args = (cost.transpose(1, 2).contiguous().transpose(1, 2) / -EPSILON, a, b, exact, exact, torch.zeros_like(a))
    options = SWEEPS, None, False
    peers: Peers = {
        "op, reference": lambda: reference("sinkhorn_sweeps", *args, *options),
        "op, kernel": lambda: torch.ops.otseg.sinkhorn_sweeps(*args, *options),
    }
    if installed("ot", "geomloss"):
        from benchmarks import bench_sinkhorn as cpu

        one, ten, whole = cpu.compiled(1), cpu.compiled(10), cpu.compiled_loop()
        peers |= {
            "torch.compile, 1 sweep a call": lambda: one(cost),
            "torch.compile, 10 sweeps a call": lambda: ten(cost),
            "torch.compile, whole loop": lambda: whole(cost),
            "POT batch": lambda: cpu.pot_batch(cost),
            "geomloss": lambda: cpu.geomloss_batch(cost),
        }
    else:
        peers["torch.compile, POT batch, geomloss"] = "not installed: pip install 'otseg[test]'"
    return lambda: otseg.sinkhorn(cost, epsilon=EPSILON, max_iter=SWEEPS, tol=None, grad="none").plan, peers


def asot_work(shape: tuple[int, int, int]) -> tuple[Work, Peers]:
    """The same, with the loop of mirror descent as the op."""
    cost = make_cost(shape)
    args = window_arguments(cost)
    peers: Peers = {
        "op, reference": lambda: reference("window_descent", *args),
        "op, kernel": lambda: torch.ops.otseg.window_descent(*args),
        "published": lambda: published_asot(cost, **SETTINGS),
        "published, torch.compile": torch.compile(lambda: published_asot(cost, **SETTINGS)),
    }
    return lambda: otseg.gromov_ot(cost, grad="none", **SETTINGS).plan, peers


def points_work(shape: tuple[int, int, int], features: int = 64) -> tuple[Work, Peers]:
    """Potentials from points, squared distances as costs: what FlashSinkhorn is made for."""
    batch, n, k = shape
    x, y = (make_cost((batch, n + k, features)) / features**0.5).split((n, k), dim=1)
    options = {"epsilon": EPSILON, "max_iter": SWEEPS, "tol": None, "grad": "none"}
    peers: Peers = {"FlashSinkhorn": "not installed: pip install flash-sinkhorn"}
    if installed("flash_sinkhorn"):
        from flash_sinkhorn import SamplesLoss

        solver = SamplesLoss(
            backend="alternating", use_epsilon_scaling=False, eps=EPSILON, n_iters=SWEEPS, potentials=True
        )
        peers["FlashSinkhorn"] = lambda: solver(x, y)
    return lambda: otseg.sinkhorn(torch.cdist(x, y).square(), **options).f, peers


def adjoint_work(shape: tuple[int, int, int]) -> tuple[Work, Peers]:
    """The implicit gradient at the solution, one side relaxed; the op against what autograd did without it."""
    cost = make_cost(shape)
    batch, n, k = shape
    a, b = cost.new_full((batch, n), 1 / n), cost.new_full((batch, k), 1 / k)
    exact, relaxed, score = cost.new_zeros(batch), cost.new_full((batch,), 0.5), cost / -EPSILON
    f, g, _, _ = torch.ops.otseg.sinkhorn_sweeps(score, a, b, exact, relaxed, torch.zeros_like(a), SWEEPS, None, True)
    taus = 1 / (1 + exact), 1 / (1 + relaxed)
    args = score, a.log(), b.log(), *taus, f, g, torch.rand_like(f), torch.rand_like(g), False
    peers: Peers = {
        "op, reference": lambda: reference("sinkhorn_adjoint", *args),
        "op, kernel": lambda: torch.ops.otseg.sinkhorn_adjoint(*args),
    }
    return lambda: torch.ops.otseg.sinkhorn_adjoint(*args), peers


def viterbi_work(shape: tuple[int, int, int]) -> tuple[Work, Peers]:
    """Random transitions, which make every kernel try every state; a price for switching and a transcript beside."""
    scores = make_cost(shape)
    k = shape[2]
    dense = make_cost((1, k, k))
    stays = torch.eye(k, device=scores.device).bool()
    price = torch.where(stays, 0.0, -2.0)[None]
    transcript = torch.where(stays | stays.roll(1, dims=1).triu(), 0.0, -math.inf)[None]
    run = torch.ops.otseg.viterbi
    peers: Peers = {
        "op, kernel": lambda: run(scores, dense, None, None, None),
        "a price for switching": lambda: run(scores, price, None, None, None),
        "a transcript": lambda: run(scores, transcript, None, None, None),
    }
    if math.prod(shape[:2]) <= 2**18:  # a few launches per frame: minutes beyond
        peers["op, reference"] = lambda: reference("viterbi", scores, dense, None, None, None)
    return lambda: otseg.ops.viterbi.viterbi(scores, dense), peers


def window_arguments(cost: Tensor) -> tuple[object, ...]:
    """Arguments of the op for the same problem as `otseg.gromov_ot` with these settings."""
    prior = otseg.priors.TemporalSmoothness(SETTINGS["alpha"], SETTINGS["radius"])
    scaled = (1 - SETTINGS["alpha"]) * cost
    problem = otseg.Problem.make(scaled, epsilon=SETTINGS["epsilon"], rho_b=SETTINGS["rho_b"], priors=[prior])
    half_width, weight, curvature = prior.window_term(problem.a, problem.mask)
    marginals = problem.a, problem.b, problem.epsilon, problem.rho_a, problem.rho_b
    return problem.linear_cost, *marginals, weight, half_width, curvature, None, None, SETTINGS["max_iter"], None, False


def adjoint_effort(k: int) -> Effort:
    """Scores are read by the sums, by every square of the product, and for the gradient, which is written."""
    squares = math.ceil(k / 64)
    return Effort(4 * (3 + 2 * squares), 5 + 2 * squares, k)


def viterbi_effort(k: int) -> Effort:
    """Scores, back-pointers written and read; an addition and a comparison for every state before."""
    return Effort(6, 0, k)


#: Name, shapes, what is timed, and what the kernel does by number of columns.
WORKS: list[tuple[str, list[tuple[int, int, int]], Callable[..., tuple[Work, Peers]], Callable[[int], Effort]]] = [
    ("Sinkhorn", SINKHORN, sinkhorn_work, lambda k: SINKHORN_EFFORT),
    ("Sinkhorn of points", POINTS, points_work, lambda k: SINKHORN_EFFORT),
    ("Sinkhorn's gradient", ADJOINT, adjoint_work, adjoint_effort),
    ("ASOT", ASOT, asot_work, lambda k: ASOT_EFFORT),
    ("Viterbi", VITERBI, viterbi_work, viterbi_effort),
]


def measure(
    name: str, shape: tuple[int, int, int], work: tuple[Work, Peers], effort: Effort, limits: dict[str, float]
) -> list[dict[str, object]]:  # fmt: skip
    """A row for our call, from cost to plan, and one for every peer."""
    ours, peers = work
    base = milliseconds(ours)
    work_size = effort.rounds * math.prod(shape) / 1e6  # over milliseconds: 10^9 per second
    rows = []
    for peer, run in {"otseg": ours, **peers}.items():
        row: dict[str, object] = {"work": name, "shape (B, N, K)": shape, "by": peer, "ms": "", "time / otseg": ""}
        row |= {"bytes / ceiling": "", "exponentials / ceiling": "", "multiply-adds / ceiling": ""}
        try:
            if isinstance(run, str):
                raise RuntimeError(run)
            row["ms"] = time = base if peer == "otseg" else milliseconds(run, repeats=5)
            row["time / otseg"] = time / base
            if peer == "op, kernel" and limits:
                row["bytes / ceiling"] = effort.bytes * work_size / time / limits["copy"]
                row["exponentials / ceiling"] = effort.exponentials * work_size / time / limits["exponential"]
                row["multiply-adds / ceiling"] = effort.multiply_adds * work_size / time / limits["multiply-add"]
        except Exception as error:  # a peer that is missing or fails says so in its row, and stops nothing
            row["ms"] = str(error).strip().splitlines()[-1][:80] if str(error).strip() else type(error).__name__
        rows.append(row)
        print(row, flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the first shape of each work, and no sanitizer")
    parser.add_argument("--no-sanitizer", action="store_true", help="no runs under compute-sanitizer")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    require_gpu()
    require_kernels(otseg.backend_info()["cuda"])
    about = device_info()
    tests = run_tests()
    print(tests, flush=True)
    checks = {} if options.quick or options.no_sanitizer else sanitize()
    limits = ceilings()
    rows = []
    for name, shapes, prepare, effort_of in WORKS:
        for shape in shapes[:1] if options.quick else shapes:
            rows += measure(name, shape, prepare(shape), effort_of(shape[2]), limits)
    notes = describe(about, tests, checks, limits)
    write(file_name(about["GPU"]), f"CUDA kernels on {about['GPU'].split(',')[0]}", rows, notes, options.output)


def describe(about: dict[str, str], tests: str, checks: dict[str, str], limits: dict[str, float]) -> str:
    """Everything that a reader of the figures must know."""
    lines = [", ".join(f"{name}: {value}" for name, value in about.items()) + "."]
    lines.append(f"Tests of the CUDA ops: {tests}.")
    verdicts = ", ".join(f"{tool}: {verdict}" for tool, verdict in checks.items())
    lines.append(f"compute-sanitizer on the small cases: {verdicts or 'not run'}.")
    found = ", ".join(f"{name} {value:.0f}" for name, value in limits.items())
    lines.append(f"Measured ceilings, in 10^9 bytes or operations per second: {found or 'none, for want of nvcc'}.")
    lines.append(
        f"float32, uniform random cost and marginals. Sinkhorn: {SWEEPS} sweeps, epsilon {EPSILON}; ASOT: "
        + ", ".join(f"{name} {value}" for name, value in SETTINGS.items())
        + ". `ms`: median time of a call by CUDA events. `otseg` and the peers go from cost to plan; `op` is the loop "
        "alone. Fractions of the ceilings count what the kernel does by construction: per entry and sweep "
        f"{SINKHORN_EFFORT.bytes} bytes (none after the first sweep where entries fit into shared memory) and "
        f"{SINKHORN_EFFORT.exponentials} exponential; per entry and ASOT iteration {ASOT_EFFORT.bytes} bytes and "
        f"{ASOT_EFFORT.exponentials} exponentials; per entry of a gradient up to 64 columns 20 bytes, 7 exponentials "
        "and K multiply-adds; per entry of a Viterbi path 6 bytes, and K additions with a comparison each, counted as "
        "multiply-adds. What lies in L2 can exceed the ceiling of a copy. A long sequence is bound by the latency "
        "of one frame after the other, not by a ceiling."
    )
    return "\n\n".join(lines)


if __name__ == "__main__":
    main()
