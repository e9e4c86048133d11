"""Prints the lowest versions that pyproject.toml promises, as constraints for pip.

    python3.10 -m venv old
    python tests/minimum.py > minimum.txt
    old/bin/pip install -c minimum.txt -e '.[train,plots,pandas,geomloss,hub]' pytest hypothesis
    old/bin/python -m pytest tests/unit -o filterwarnings=

The last option is for the warnings of dependencies that are older than what they depend on.
"""

import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
#: Those of who works on otseg; constraints.txt fixes what matters of them.
NOT_FOR_USERS = ("dev", "docs")


def minimum(text: str) -> dict[str, str]:
    """The lowest version of every package that is named with one, outside of :data:`NOT_FOR_USERS`."""
    section = text[text.index("\ndependencies = ") : text.index("\n[tool.")]
    lines = [line for line in section.splitlines() if line.split(" ")[0] not in NOT_FOR_USERS]
    return {match[1]: match[2] for match in re.finditer(r'"([\w.-]+)>=([\w.]+)', "\n".join(lines))}


def main() -> None:
    """Print one constraint per line."""
    for name, version in sorted(minimum(PROJECT.read_text(encoding="utf-8")).items()):
        print(f"{name}=={version}")


if __name__ == "__main__":
    main()
