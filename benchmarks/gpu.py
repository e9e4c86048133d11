"""The CUDA kernels on a GPU, by one command: build them, test them, measure them, and write the result down.

python -m benchmarks.gpu [--quick] [--no-sanitizer] [--output FOLDER]
"""

import argparse
import math
from collections.abc import Callable
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

SINKHORN = [(1024, 256, 16), (64, 2048, 32), (1, 100_000, 48), (1, 2048, 2048)]
ASOT = [(64, 2048, 19), (1, 100_000, 48)]
SWEEPS, EPSILON = 50, 0.1
SETTINGS = {"epsilon": 0.07, "alpha": 0.4, "radius": 0.04, "rho_b": 0.1, "max_iter": 25}
#: Traffic of the kernels by their construction, per entry: of global memory or L2, in bytes, and exponentials.
SINKHORN_BYTES, SINKHORN_EXPONENTIALS = 4, 1  # per sweep; no bytes after the first where the entries fit the chip
ASOT_BYTES, ASOT_EXPONENTIALS = 68, 2  # per iteration

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

        peers |= {
            "torch.compile": lambda: cpu.compiled(cost),
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


def window_arguments(cost: Tensor) -> tuple[object, ...]:
    """Arguments of the op for the same problem as `otseg.gromov_ot` with these settings."""
    prior = otseg.priors.TemporalSmoothness(SETTINGS["alpha"], SETTINGS["radius"])
    scaled = (1 - SETTINGS["alpha"]) * cost
    problem = otseg.Problem.make(scaled, epsilon=SETTINGS["epsilon"], rho_b=SETTINGS["rho_b"], priors=[prior])
    half_width, weight, curvature = prior.window_term(problem.a, problem.mask)
    marginals = problem.a, problem.b, problem.epsilon, problem.rho_a, problem.rho_b
    return problem.linear_cost, *marginals, weight, half_width, curvature, None, None, SETTINGS["max_iter"], None, False


def measure(
    name: str, shape: tuple[int, int, int], work: tuple[Work, Peers], rounds: int, traffic: int, exponentials: int,
    limits: dict[str, float],
) -> list[dict[str, object]]:  # fmt: skip
    """A row for our call, from cost to plan, and one for every peer."""
    ours, peers = work
    base = milliseconds(ours)
    operations = rounds * math.prod(shape)
    rows = []
    for peer, run in {"otseg": ours, **peers}.items():
        row: dict[str, object] = {"work": name, "shape (B, N, K)": shape, "by": peer, "ms": "", "time / otseg": ""}
        row |= {"bytes / ceiling": "", "exponentials / ceiling": ""}
        try:
            if isinstance(run, str):
                raise RuntimeError(run)
            row["ms"] = time = base if peer == "otseg" else milliseconds(run, repeats=5)
            row["time / otseg"] = time / base
            if peer == "op, kernel" and limits:
                row["bytes / ceiling"] = traffic * operations / time / 1e6 / limits["copy"]
                row["exponentials / ceiling"] = exponentials * operations / time / 1e6 / limits["exponential"]
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
    for shape in SINKHORN[:1] if options.quick else SINKHORN:
        work = sinkhorn_work(shape)
        rows += measure("Sinkhorn", shape, work, SWEEPS, SINKHORN_BYTES, SINKHORN_EXPONENTIALS, limits)
    for shape in ASOT[:1] if options.quick else ASOT:
        work = asot_work(shape)
        rows += measure("ASOT", shape, work, SETTINGS["max_iter"], ASOT_BYTES, ASOT_EXPONENTIALS, limits)
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
        f"{SINKHORN_BYTES} bytes (none after the first sweep where entries fit into shared memory) and "
        f"{SINKHORN_EXPONENTIALS} exponential; per entry and ASOT iteration {ASOT_BYTES} bytes and "
        f"{ASOT_EXPONENTIALS} exponentials. What lies in L2 can exceed the ceiling of a copy."
    )
    return "\n\n".join(lines)


if __name__ == "__main__":
    main()
