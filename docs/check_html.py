"""Checks the built site: every link inside it leads somewhere, and no page needs the network to be read.

python docs/check_html.py docs/_build/html
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: Attributes by which a page loads something, as opposed to links that a reader may follow.
LOADS = {
    "script": ("src",),
    "img": ("src", "srcset"),
    "link": ("href",),
    "source": ("src", "srcset"),
    "iframe": ("src",),
}


class Page(HTMLParser):
    """Anchors of a page, its links, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Take note of a tag."""
        values = {name: value or "" for name, value in attributes}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        for name in LOADS.get(tag, ()):
            parts = values.get(name, "").split(",") if name == "srcset" else [values.get(name, "")]
            self.loads += [part.split()[0] for part in parts if part.strip() and not part.startswith("data:")]
        self.loads += re.findall(r"url\(['\"]?(http[^)'\"]*)", values.get("style", ""))


def problems(root: Path) -> list[str]:
    """What is wrong in the folder of a site, one line each."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(root.rglob("*.html"))}
    found = [] if pages else [f"{root}: no page"]
    for path, page in pages.items():
        where = path.relative_to(root)
        for link in [*page.links, *page.loads]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if link in page.loads:
                    found.append(f"{where}: loads {link} from the network")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                found.append(f"{where}: {link} does not exist")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                found.append(f"{where}: {link} has no such anchor")
    for path in sorted(root.rglob("*.css")):
        urls = re.findall(r"(?:url\(|@import\s+)['\"]?(https?:[^)'\"]*)", path.read_text(encoding="utf-8"))
        found += [f"{path.relative_to(root)}: loads {url} from the network" for url in urls]
    return found


if __name__ == "__main__":
    site = Path(sys.argv[1]).resolve()
    lines = problems(site)
    print("\n".join(lines) or f"{site}: every link leads somewhere, and nothing is loaded from the network")
    sys.exit(bool(lines))
