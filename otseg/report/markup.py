"""HTML from Python: text is escaped unless it is marked as HTML."""

from collections.abc import Iterable, Sequence
from html import escape

#: Elements without an end.
VOID = ("br", "input", "meta")


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, *children: object, **attributes: object) -> Html:
    """An element; children and attributes that are no :class:`Html` are escaped.

    Args:
        name: Name of the element.
        children: What is inside, see :func:`join`.
        attributes: Its attributes: ``class_`` is ``class``, ``data_name`` is ``data-name``; ``True`` is an attribute
            without value, ``None`` and ``False`` are left out.

    Example:
        >>> tag("p", "a < b", class_="note")
        '<p class="note">a &lt; b</p>'
    """
    parts = [name]
    for key, value in attributes.items():
        if value is not None and value is not False:
            key = key.rstrip("_").replace("_", "-")
            parts.append(key if value is True else f'{key}="{escape(str(value))}"')
    end = "" if name in VOID else f"</{name}>"
    return Html(f"<{' '.join(parts)}>{join(children)}{end}")


def join(children: Iterable[object]) -> Html:
    """What stands one after the other; ``None`` is left out.

    Example:
        >>> join(["<", None, Html("<br>"), 3])
        '&lt;<br>3'
    """
    return Html("".join(c if isinstance(c, Html) else escape(str(c)) for c in children if c is not None))


def table(rows: Sequence[Sequence[object]], *, class_: str | None = None) -> Html:
    """A table that scrolls where it is too wide; the first row is its head, the first column names the rows."""
    head = tag("tr", *(tag("th", cell, scope="col") for cell in rows[0]))
    body = [tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:])) for row in rows[1:]]
    return tag("div", tag("table", tag("thead", head), tag("tbody", *body), class_=class_), class_="scroll")


def listed(pairs: Iterable[tuple[object, object]]) -> Html:
    """A list of names and what they are."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs))


def section(name: str, title: object, *children: object, level: int = 2) -> Html:
    """A section with a heading that links to itself."""
    heading = tag(f"h{level}", title, " ", tag("a", "#", href=f"#{name}", class_="here", aria_label="Link to this"))
    return tag("section", heading, *children, id=name)


def details(summary: object, *children: object, open_: bool = False) -> Html:
    """A part that is shown when somebody asks for it."""
    return tag("details", tag("summary", summary), *children, open=open_)
