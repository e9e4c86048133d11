"""The tests of the ops with kernels under AddressSanitizer and UndefinedBehaviorSanitizer.

    python tests/kernels/sanitize.py [ARGUMENT OF PYTEST]...

Copies the repository to a temporary folder, builds the CPU kernels there with OTSEG_SANITIZE=1 (GCC on Linux), and runs
the tests with the sanitizer loaded first. A read outside of an array, a misaligned vector or a signed overflow ends the
process. OTSEG_FUZZ_SECONDS=600 gives the fuzz test more time.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("otseg", "otseg_cuda", "tests", "pyproject.toml", "setup.py", "README.md", "LICENSE")
#: Tests that call kernels on every kind of argument. What is compiled or opens processes is left out: these tests are
#: of torch, not of kernels, and the sanitizer is in their way.
TESTS = ["tests/unit/ops/test_fuzz.py", "tests/unit/ops/test_sinkhorn.py", "tests/unit/ops/test_selftest.py"]
OPTIONAL = [f"tests/unit/ops/test_{name}.py" for name in ("viterbi", "window_descent", "sinkhorn_gradient")]
EXCLUDED = "not opcheck and not compiled and not exp_and_log and not cuda"


def runtime(name: str) -> str:
    """Path of a library of the compiler."""
    command = [os.environ.get("CXX") or "g++", f"-print-file-name={name}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> int:
    """Build and test; the exit status is that of pytest."""
    with TemporaryDirectory() as folder:
        for name in NEEDED:
            path = ROOT / name
            if path.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "_C_*", "_build_info.json")
                shutil.copytree(path, Path(folder, name), ignore=ignored)
            else:
                shutil.copy(path, folder)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OTSEG_B")}
        build = environment | {"OTSEG_BUILD": "require", "OTSEG_SANITIZE": "1"}
        subprocess.run([sys.executable, "setup.py", "-q", "build_ext", "--inplace"], cwd=folder, env=build, check=True)
        test = environment | {
            "LD_PRELOAD": f"{runtime('libasan.so')} {runtime('libstdc++.so.6')}",
            # Python leaks on purpose; torch's allocator and thread pool are not instrumented.
            "ASAN_OPTIONS": "detect_leaks=0:detect_odr_violation=0:abort_on_error=1:strict_init_order=1",
            "UBSAN_OPTIONS": "print_stacktrace=1",
            "PYTHONPATH": folder,
            "OTSEG_BACKEND": "cpp",
            "OMP_NUM_THREADS": "2",
        }
        files = TESTS + [name for name in OPTIONAL if (ROOT / name).is_file()]
        # What the sanitizer writes when it ends the process must not be in a file of pytest's then.
        options = ["-q", "--capture=sys", "-p", "no:faulthandler", "-p", "no:cacheprovider", "-k", EXCLUDED]
        command = [sys.executable, "-m", "pytest", *options, *files, *sys.argv[1:]]
        return subprocess.run(command, cwd=folder, env=test, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
