"""What benchmarks/gpu.py needs of the device: its kernels, times by events, and what it can do at most."""

import ctypes
import importlib.util
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
BUILT = "OTSEG_BENCHMARK_BUILT"  # set once the build was tried, so that it is tried once


def require_gpu() -> None:
    """Stop where there is nothing to measure."""
    if torch.cuda.is_available():
        return
    built = f"is made for CUDA {torch.version.cuda}" if torch.version.cuda else "is made without CUDA"
    raise SystemExit(
        f"benchmarks.gpu needs an NVIDIA GPU that torch can use: torch {torch.__version__} {built}, "
        "and no such device was found. Run it on a GPU machine; nothing was measured and nothing was written."
    )


def require_kernels(state: str) -> None:
    """Build the CUDA kernels into this tree if they are not there, and start over; stop if that does not help."""
    if state.startswith("loaded"):
        return
    if os.environ.get(BUILT) or state.startswith("not loaded"):
        raise SystemExit(f"The CUDA kernels of otseg are {state}. Unset OTSEG_BACKEND, or see `otseg doctor`.")
    print("Building the CUDA kernels, about a minute: OTSEG_BUILD=cuda python setup.py build_ext --inplace", flush=True)
    environment = os.environ | {"OTSEG_BUILD": "cuda"}
    command = [sys.executable, "setup.py", "build_ext", "--inplace", "-q"]
    if subprocess.run(command, cwd=ROOT, env=environment).returncode:
        raise SystemExit("The CUDA kernels do not build. They need nvcc: set CUDA_HOME, or put it on the path.")
    os.environ[BUILT] = "1"
    os.execv(sys.executable, [sys.executable, "-m", "benchmarks.gpu", *sys.argv[1:]])


def device_info() -> dict[str, str]:
    """Name, driver and versions, for the heading of a result."""
    query = ["nvidia-smi", "--query-gpu=driver_version,power.limit,clocks.max.sm", "--format=csv,noheader"]
    try:
        driver = subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        driver = "unknown"
    about = torch.cuda.get_device_properties(0)
    nvcc = subprocess.run([_nvcc() or "false", "--version"], capture_output=True, text=True).stdout
    return {
        "GPU": f"{about.name}, {about.multi_processor_count} multiprocessors, {about.total_memory / 2**30:.0f} GiB",
        "driver, power limit, clock": driver,
        "CUDA of torch": str(torch.version.cuda),
        "nvcc": next((line.split("release ")[1] for line in nvcc.splitlines() if "release " in line), "none"),
    }


def file_name(gpu: str) -> str:
    """``gpu_<name>``, from the name that the driver gives, such as ``NVIDIA H100 80GB HBM3``."""
    words = "".join(c if c.isalnum() else " " for c in gpu.split(",")[0]).lower().split()
    return "gpu_" + "_".join(word for word in words if word != "nvidia")


def milliseconds(work: Callable[[], object], repeats: int = 20, at_least: float = 5.0) -> float:
    """Median time of one call by CUDA events; short work is called several times between two events."""
    for _ in range(3):
        work()
    once = _between(work, 1)
    calls = max(1, int(at_least / max(once, 1e-3)))
    return statistics.median(_between(work, calls) for _ in range(repeats))


def _between(work: Callable[[], object], calls: int) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(calls):
        work()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / calls


def ceilings() -> dict[str, float]:
    """Measured limits: bytes copied (read and written), multiply-adds and exponentials, in 10^9 per second.

    Empty where there is no nvcc.
    """
    nvcc = _nvcc()
    if nvcc is None:
        return {}
    major, minor = torch.cuda.get_device_capability()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "ceilings.so")
        flags = ["-O3", "-shared", "-Xcompiler", "-fPIC", f"-arch=sm_{major}{minor}"]
        subprocess.run([nvcc, *flags, str(ROOT / "benchmarks" / "ceilings.cu"), "-o", str(target)], check=True)
        return _measure(ctypes.CDLL(str(target)))


def _measure(library: ctypes.CDLL) -> dict[str, float]:
    groups, count = 2**26, 4096  # 1 GiB
    blocks = 16 * torch.cuda.get_device_properties(0).multi_processor_count
    source, target = (torch.zeros(4 * groups, device="cuda") for _ in range(2))
    pointers = [ctypes.c_void_p(x.data_ptr()) for x in (target, source)]

    def call(function: str, *args: object) -> Callable[[], None]:
        def work() -> None:
            status = getattr(library, function)(*args, ctypes.c_void_p(torch.cuda.current_stream().cuda_stream))
            if status:
                raise RuntimeError(f"{function}: CUDA error {status}")

        return work

    work = blocks * 256 * 8 * count
    loop = pointers[0], ctypes.c_int(blocks), ctypes.c_int(count)
    copy = call("otseg_copy", *pointers, ctypes.c_int(blocks), ctypes.c_longlong(groups))
    return {
        "copy": 32 * groups / milliseconds(copy) / 1e6,
        "multiply-add": work / milliseconds(call("otseg_multiply_add", *loop)) / 1e6,
        "exponential": work / milliseconds(call("otseg_exponential", *loop)) / 1e6,
    }


def _nvcc() -> str | None:
    home = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    return shutil.which("nvcc", path=str(Path(home, "bin"))) if home else shutil.which("nvcc")


#: Tests of the ops on a device; those of every kernel against its reference on random arguments among them.
TESTS = [f"tests/unit/ops/test_{name}.py" for name in ("cuda", "cuda_direct", "fuzz")]


def run_tests() -> str:
    """Run the tests of the CUDA ops; their last line, or the end of the whole command where they fail."""
    return _last_line([sys.executable, "-m", "pytest", "-q", *TESTS], must=True)


def sanitize() -> dict[str, str]:
    """The small cases under compute-sanitizer: tool and verdict; empty where it is not installed."""
    tool = shutil.which("compute-sanitizer")
    if tool is None:
        return {}
    pytest = [sys.executable, "-m", "pytest", "-q", *TESTS[:2], "-k", "small"]
    return {
        name: _last_line([tool, "--tool", name, "--error-exitcode", "9", *pytest], must=False)
        for name in ("memcheck", "racecheck")
    }


def _last_line(command: list[str], must: bool) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    lines = (done.stdout + done.stderr).strip().splitlines() or [""]
    if done.returncode and must:
        raise SystemExit("\n".join(lines[-40:]) + "\nThe CUDA ops do not pass their tests: nothing was measured.")
    return f"{lines[-1].strip(' =')}{f' (exit status {done.returncode})' if done.returncode else ''}"


def installed(*names: str) -> bool:
    """Whether optional packages are there."""
    return all(importlib.util.find_spec(name) is not None for name in names)
