"""How long `import otseg` takes against `import torch`, in fresh processes that follow one another.

Without optional packages: a finder refuses to import any that is installed, so that none is imported by chance.
"""

import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks._report import write

ROOT = Path(__file__).resolve().parents[1]
REPEATS = 15
EXTRAS = ("lightning", "pytorch_lightning", "torchmetrics", "safetensors", "tensorboard")
EXTRAS = (*EXTRAS, "matplotlib", "geomloss", "pykeops")
CODE = f"""
import sys, time
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {EXTRAS}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Refuse())
start = time.process_time(), time.perf_counter()
import MODULE
print(time.process_time() - start[0], time.perf_counter() - start[1])
"""


def seconds(module: str) -> tuple[float, float]:
    """CPU time and wall time of an import in a process of its own."""
    command = [sys.executable, "-c", CODE.replace("MODULE", module)]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    cpu, wall = map(float, out.split())
    return cpu, wall


def main() -> None:
    seconds("otseg")  # files into memory, bytecode onto the disk
    pairs = [(seconds("torch"), seconds("otseg")) for _ in range(REPEATS)]
    rows = [
        {
            "time": name,
            "torch_s": statistics.median(torch[i] for torch, _ in pairs),
            "otseg_s": statistics.median(otseg[i] for _, otseg in pairs),
            "ratio": statistics.median(otseg[i] / torch[i] for torch, otseg in pairs),
            "repeats": REPEATS,
        }
        for i, name in enumerate(("cpu", "wall"))
    ]
    notes = "Medians, and medians of the ratios, of fresh processes. `import otseg` includes torch and the kernels."
    write("bench_import", "import otseg against import torch", rows, notes)


if __name__ == "__main__":
    main()
