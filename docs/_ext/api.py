"""The reference: ``.. names::`` documents public names of a module, and docstrings are read as they are written."""

import inspect
import sys
from importlib import import_module

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.ext import napoleon
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

LONGEST_VALUE = 100  # characters of a constant that is shown


class Names(SphinxDirective):
    """A table of names of the current module, and the documentation of each; ``name = other`` is on another page."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Write both, and parse them."""
        module = self.env.ref_context["py:module"]
        table, entries = [".. list-table::", "   :widths: 1 2", ""], []
        for name, _, other in (line.partition(" = ") for line in self.content if line):
            value = getattr(import_module(module), name)
            doc = documentation(module, name, value)
            table += [f"   * - :py:obj:`~{module}.{name}`", f"     - {' '.join(doc.split(chr(10) * 2)[0].split())}"]
            entries += [*reference(name, value, doc, other), ""]
        return self.parse_text_to_nodes("\n".join([*table, "", *entries]))


def documentation(module: str, name: str, value: object) -> str:
    """The docstring of a name, or its comment ``#:`` in whatever module of the package defines it."""
    if inspect.isclass(value) or inspect.isroutine(value):
        return inspect.getdoc(value) or ""
    for home in [home for home in sys.modules if f"{home}.".startswith(f"{module}.")]:
        if comment := ModuleAnalyzer.for_module(home).find_attr_docs().get(("", name)):
            return "\n".join(comment)
    raise ValueError(f"{module}.{name} must have a comment `#:` where it is defined.")


def reference(name: str, value: object, doc: str, other: str) -> list[str]:
    """Lines of reStructuredText that document one name."""
    if other:
        return [f".. py:data:: {name}", "", f"   The same as :py:obj:`{other}`."]
    if inspect.isroutine(value):
        return [f".. autofunction:: {name}"]
    if inspect.isclass(value):
        kind = "exception" if issubclass(value, BaseException) else "class"
        hidden = any(base is object or "._" in f"{base.__module__}.{base.__name__}" for base in value.__bases__)
        return [f".. auto{kind}:: {name}", "   :members:", *([] if hidden else ["   :show-inheritance:"])]
    shown = repr(value).replace("typing.", "")
    options = [f"   :value: {shown}"] if len(shown) < LONGEST_VALUE else []
    return [f".. py:data:: {name}", *options, "", *(f"   {line}" for line in doc.splitlines())]


class Docstring(napoleon.GoogleDocstring):
    """Types stand in annotations alone: a colon in what is returned, or of a property, is no more than a colon."""

    def _consume_returns_section(self, preprocess_types: bool = False) -> list[tuple[str, str, list[str]]]:
        return [("", "", Docstring(self._dedent(self._consume_to_next_section()), self._config).lines())]

    def _consume_inline_attribute(self) -> tuple[str, list[str]]:
        return "", Docstring(self._dedent(self._consume_to_end()), self._config).lines()


def skip_inherited(app: Sphinx, what: str, name: str, value: object, skip: bool, options: object) -> bool | None:
    """Leave out what scikit-learn adds to a class, and fields of a named tuple, which its docstring describes."""
    foreign = (getattr(value, "__module__", "") or "").startswith("sklearn")
    return True if foreign or type(value).__name__ == "_tuplegetter" else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Join Sphinx."""
    napoleon.GoogleDocstring = Docstring  # type: ignore[misc]
    app.add_directive("names", Names)
    app.connect("autodoc-skip-member", skip_inherited)
    return {"parallel_read_safe": True}
