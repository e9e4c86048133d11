"""`otseg doctor`: what works on this machine, what does not, and what to do about it."""

import os
import platform
from pathlib import Path
from typing import Any

import click
import torch

from otseg import __version__
from otseg.cli._common import Command, Outcome
from otseg.cli._extras import extras, install_command
from otseg.ops import _backend as backend
from otseg.ops.selftest import check_ops

REINSTALL = "pip install --no-cache-dir --force-reinstall --no-deps otseg"


@click.command(cls=Command, examples=["otseg doctor", "otseg doctor --json", "OTSEG_BACKEND=torch otseg doctor"])
def doctor() -> Outcome:
    """Check this installation: torch, kernels, operations, extras.

    Every compiled kernel is compared with its reference in torch. What is missing is normal, and comes with the command
    that adds it; exits with 1 if something that is installed does not work.
    """
    kernels = {device: _kernels(device) for device in backend.DEVICES}
    usable = ["cpu"] + (["cuda"] if kernels["cuda"]["loaded"] and torch.cuda.is_available() else [])
    found = {
        "otseg": {"version": __version__, "path": str(Path(backend.__file__).parents[1])},
        "python": platform.python_version(),
        "torch": {"version": torch.__version__, "cuda": torch.version.cuda, "threads": torch.get_num_threads()},
        "kernels": kernels,
        "ops": {device: [vars(check) for check in check_ops(device)] for device in usable},
        "extras": {
            extra: {"packages": [vars(package) for package in packages], "install": install_command(extra, packages)}
            for extra, packages in extras().items()
        },
        "variables": {name: value for name, value in sorted(os.environ.items()) if name.startswith("OTSEG_")},
    }
    problems, advice = _problems(found), _advice(found)
    document = {"ok": not problems, **found, "problems": problems, "advice": advice}
    return Outcome(
        document, "\n".join([*_describe(found), *_list("problems", problems), *_list("advice", advice)]), not problems
    )


def _kernels(device: str) -> dict[str, Any]:
    """What is known about the kernels of a device."""
    package, state = backend.package(), backend.STATE[device]
    path = None if package is None else package.find(device)
    loaded = state.startswith("loaded")
    return {
        "loaded": loaded,
        "state": state,
        "path": path,
        "build": {} if package is None else package.build_info(*([path.parent] if path else [])),
        "instructions": package.instructions(path) if loaded and device == "cpu" else None,
        "sources": package is not None and bool(package.build.sources(device)),
    }


def _problems(found: dict[str, Any]) -> list[str]:
    """What is installed and does not work, with what to do, a sentence each."""
    lines = []
    for device, about in found["kernels"].items():
        if about["path"] and not about["loaded"] and "OTSEG_BACKEND=" not in about["state"]:
            cached = about["build"].get("mode") == "build-kernels"
            fix = f"otseg build-kernels --force{' --cuda' if device == 'cuda' else ''}" if cached else REINSTALL
            lines.append(f"The {device} kernels were {about['state']}: build them again with `{fix}`.")
    for checks in found["ops"].values():
        for check in checks:
            if not check["ok"]:
                what = f"{check['op']}: {check['found']}"
                lines.append(f"{what}; set OTSEG_BACKEND=torch, and report it with the output of `otseg info`.")
    for extra, about in found["extras"].items():
        for package in about["packages"]:
            if package["state"] == "broken":
                what = f"{package['name']} {package['found']}"
                lines.append(f"{what}; the extra {extra} needs it: `{about['install']}`.")
    return lines


def _advice(found: dict[str, Any]) -> list[str]:
    """What would be faster or is not there, with what to do, a sentence each."""
    lines = []
    cpu, cuda = found["kernels"]["cpu"], found["kernels"]["cuda"]
    if cpu["state"] == "not built":
        reason = cpu["build"].get("kernels", "none (a plain source tree)").removeprefix("none ").strip("()")
        when = f" on {cpu['build']['date']}" if cpu["build"] else ""
        fix = f"run `otseg build-kernels`, or reinstall with a C++ compiler: `{REINSTALL}`"
        lines.append(f"otseg was built without kernels{when} ({reason}): {fix}.")
    if cuda["state"] == "not built" and cuda["sources"] and torch.version.cuda:
        lines.append("This torch has CUDA and otseg no kernels for it: run `otseg build-kernels --cuda` where nvcc is.")
    if os.environ.get("OTSEG_BACKEND"):
        lines.append("OTSEG_BACKEND forces what runs: unset it to have every kernel that was built.")
    return lines


def _describe(found: dict[str, Any]) -> list[str]:
    """All that was found, for people."""
    cuda = found["torch"]["cuda"] or "none"
    lines = [
        f"otseg {found['otseg']['version']} in {found['otseg']['path']}",
        f"Python {found['python']}, torch {found['torch']['version']}, CUDA of torch: {cuda}, "
        f"{found['torch']['threads']} threads",
    ]
    for device, about in found["kernels"].items():
        built = [f"{key} {about['build'][key]}" for key in ("date", "compiler", "torch") if key in about["build"]]
        uses = [f"uses {about['instructions']}"] if about["instructions"] else []
        details = f" ({'; '.join([*built, *uses])})" if about["path"] else ""
        lines.append(f"{_mark(about['loaded'])} {device} kernels: {about['state']}{details}")
    for checks in found["ops"].values():
        lines += [f"{_mark(check['kernel'], check['ok'])} {check['op']}: {check['found']}" for check in checks]
    for extra, about in found["extras"].items():
        packages = about["packages"]
        here = all(package["state"] == "ok" for package in packages)
        versions = ", ".join(f"{package['name']} {package['found']}" for package in packages)
        broken = any(package["state"] == "broken" for package in packages)
        lines.append(f"{_mark(here, not broken)} extra {extra}: {versions}" + ("" if here else f": {about['install']}"))
    return lines + [f"   {name}={value}" for name, value in found["variables"].items()]


def _mark(here: bool, works: bool = True) -> str:
    return "!!" if not works else "ok" if here else "--"


def _list(title: str, lines: list[str]) -> list[str]:
    return [f"\n{title}", *(f"  {line}" for line in lines)] if lines else []
