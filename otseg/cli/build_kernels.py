"""`otseg build-kernels`: compiles the kernels for this torch into the user's cache."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import torch

from otseg import checks
from otseg.cli._common import Command, Outcome
from otseg.ops._backend import package

#: Loads a library beside the ops that it implements, in a process without other kernels.
LOAD = "import sys, pathlib, otseg.ops._backend as b; b.package().load(pathlib.Path(sys.argv[1]))"


@click.command(
    "build-kernels",
    cls=Command,
    examples=[
        "otseg build-kernels",
        "CXX=clang++ otseg build-kernels --force",
        "TORCH_CUDA_ARCH_LIST=9.0 otseg build-kernels --cuda",
        "otseg build-kernels --clean",
    ],
)
@click.option("--cuda", is_flag=True, show_default=False, help="Also those for CUDA; needs nvcc.")
@click.option("--force", is_flag=True, show_default=False, help="Even if they were built before.")
@click.option("--clean", is_flag=True, show_default=False, help="Remove all that this command built; build nothing.")
def build_kernels(cuda: bool, force: bool, clean: bool) -> Outcome:
    """Compile the kernels that the installation could not.

    For whoever installed otseg first and a compiler later, or an installer that hides torch from the build. The
    libraries go to the cache folder of the user (XDG_CACHE_HOME), for this version of torch and these sources, and are
    loaded from there by the next `import otseg`. Nothing else ever compiles: no import does.
    """
    kernels = package()
    if kernels is None:
        checks.fail("otseg_cuda", "installed beside otseg", "nothing", "Install otseg again.", ImportError)
    if clean:
        return _clean(kernels.cache_root())
    found = {device: _build(kernels, device, force) for device in (["cpu", "cuda"] if cuda else ["cpu"])}
    text = "\n".join(f"{device} kernels: {about['text']}" for device, about in found.items())
    return Outcome(found, text, ok=all(about["path"] is not None for about in found.values()))


def _build(kernels: Any, device: str, force: bool) -> dict[str, Any]:
    """Build the library of one device where it is missing; its path, ``None`` if that failed, and what to say."""
    target: Path = kernels.cache_folder() / f"_C_{device}.abi3.so"
    own = kernels.find(device, kernels.FOLDER)
    note = f"\n  not used: the installed package has its own, {own}" if own else ""
    if target.is_file() and not force:
        return {"path": target, "built": False, "text": f"{target} was built before (--force builds it again){note}"}
    click.echo(f"Building the {device} kernels of otseg: half a minute or so.", err=True)
    start, torch_folder = time.perf_counter(), Path(torch.__file__).parent
    try:
        info = kernels.build.info(torch_folder, device)
        kernels.build.compile_library(device, torch_folder, target)
    except kernels.build.BuildError as error:
        return {"path": None, "built": False, "text": f"not built: {error}"}
    there = [name for name in ("cpu", "cuda") if kernels.find(name, target.parent)]
    info = info | {"mode": "build-kernels", "kernels": ", ".join(there)}
    (target.parent / "_build_info.json").write_text(json.dumps(info, indent=1) + "\n", encoding="utf-8")
    seconds = time.perf_counter() - start
    load = [sys.executable, "-c", LOAD, str(target)]
    done = subprocess.run(
        load, env=os.environ | {"OTSEG_BACKEND": "torch"}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        target.unlink()
        return {"path": None, "built": False, "text": f"built, but they do not load: {done.stderr.strip()}"}
    return {"path": target, "built": True, "seconds": seconds, "text": f"built in {seconds:.0f} s: {target}{note}"}


def _clean(root: Path) -> Outcome:
    """Remove the cache."""
    removed = sorted(path for path in root.glob("*/_C_*") if path.is_file())
    shutil.rmtree(root, ignore_errors=True)
    text = "\n".join(f"removed {path}" for path in removed) or f"nothing to remove in {root}"
    return Outcome({"removed": removed}, text)
