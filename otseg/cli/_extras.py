"""The optional packages of otseg: which are here, which are not, and which do not work."""

import importlib
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from typing import Literal

#: Extras for who works on otseg itself, and those made of others.
NOT_FOR_USERS = {"all", "dev", "docs", "test"}


@dataclass(frozen=True)
class Package:
    """One optional package.

    Attributes:
        name: Name to install it by.
        state: Whether it works; ``"broken"`` is installed but too old or not importable.
        found: Its version, or what is wrong.
    """

    name: str
    state: Literal["ok", "missing", "broken"]
    found: str


def extras(requirements: Sequence[str] | None = None) -> dict[str, list[Package]]:
    """The packages of every extra for users; empty where otseg runs from a source tree that is not installed.

    Args:
        requirements: What otseg requires, such as ``"lightning>=2.4; extra == 'train'"``; ``None`` reads it from the
            metadata of the installed package.
    """
    if requirements is None:
        try:
            requirements = requires("otseg") or []
        except PackageNotFoundError:
            requirements = []
    modules = {name.lower(): module for module, names in packages_distributions().items() for name in names}
    found: dict[str, list[Package]] = {}
    for requirement in requirements:
        extra = re.search(r"extra == ['\"](\w+)['\"]", requirement)
        name, minimum = _parse(requirement)
        if extra and extra[1] not in NOT_FOR_USERS and name != "otseg" and "python_version" not in requirement:
            found.setdefault(extra[1], []).append(_look(name, minimum, modules.get(name.lower(), name)))
    return dict(sorted(found.items()))


def install_command(extra: str, packages: Sequence[Package]) -> str | None:
    """The command that mends an extra; ``None`` where nothing is wrong with it."""
    broken = any(package.state == "broken" for package in packages)
    wrong = broken or any(package.state == "missing" for package in packages)
    return f"pip install {'--upgrade ' if broken else ''}'otseg[{extra}]'" if wrong else None


def _parse(requirement: str) -> tuple[str, str]:
    """Name and smallest version of ``"name>=version; marker"``."""
    match = re.match(r"([\w.-]+)(?:\[[^]]*\])?\s*(?:>=\s*([\w.]+))?", requirement)
    assert match is not None, requirement
    return match[1], match[2] or "0"


def _look(name: str, minimum: str, module: str) -> Package:
    """Find out about one package."""
    try:
        here = version(name)
    except PackageNotFoundError:
        return Package(name, "missing", "not installed")
    if _numbers(here) < _numbers(minimum):
        return Package(name, "broken", f"{here} is older than {minimum}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module(module)
    except Exception as error:  # whatever it raises, it does not work
        return Package(name, "broken", f"{here} cannot be imported: {type(error).__name__}: {error}")
    return Package(name, "ok", here)


def _numbers(text: str) -> tuple[int, ...]:
    """The numbers that a version starts with."""
    return tuple(int(part) for part in re.match(r"\d*(?:\.\d+)*", text)[0].split(".") if part)  # type: ignore[index]
