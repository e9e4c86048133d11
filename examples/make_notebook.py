"""Make ``examples/quickstart.ipynb`` from ``examples/quickstart.py``, without outputs; a test compares them.

    python examples/make_notebook.py

The script is the source: its docstring is the first cell, ``# %% [markdown]`` begins a cell of text, ``# %%`` one of
code. It is the "percent" form that editors show as cells.
"""

import ast
import json
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("quickstart.py")


def to_notebook(source: str) -> str:
    """The notebook of a script in percent form, as JSON."""
    title = ast.get_docstring(ast.parse(source))
    assert title is not None, "a script begins with its docstring, which is the first cell"
    cells = [_cell(0, "markdown", title)]
    for part in source.split("\n# %%")[1:]:
        head, _, body = part.partition("\n")
        text = "[markdown]" in head
        lines = [line.removeprefix("#").removeprefix(" ") if text else line for line in body.splitlines()]
        cells.append(_cell(len(cells), "markdown" if text else "code", "\n".join(lines).strip()))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    notebook = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _cell(number: int, kind: str, text: str) -> dict[str, Any]:
    cell = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": text.splitlines(keepends=True)}
    return cell if kind == "markdown" else {**cell, "execution_count": None, "outputs": []}


if __name__ == "__main__":
    path = SOURCE.with_suffix(".ipynb")
    path.write_text(to_notebook(SOURCE.read_text(encoding="utf-8")), encoding="utf-8")
    print(path)
