"""What pages take from elsewhere in the repository: results, published numbers, BibTeX; written into docs/_made.

Nothing is copied by hand: a page of docs/ includes these files, and links to files of the repository lead to the page
that shows them.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

from otseg.cli.cite import METHODS, OTSEG, entries
from otseg.models import BENCHMARKS
from otseg.train import PUBLISHED, Published

DOCS = Path(__file__).resolve().parents[1]
RESULTS = DOCS.parent / "benchmarks" / "results"
#: Metrics of published tables, and how they are called there.
METRICS = {"mof": "MoF", "miou": "mIoU", "f1_asot": "F1 (ASOT)", "f1_cte": "F1 (CTE)"}
#: Links of pages that are also read on GitHub, and where they lead here.
LINKS = {
    r"\]\((?:\.\./)+benchmarks/results/(\w+)\.md\)": r"](#\1)",
    r"\]\((?:\.\./)+benchmarks/(?:README\.md|results/?)?\)": "](/benchmarks.md)",
    r"\]\((?:\.\./)+CONTRIBUTING\.md\)": "](/contributing.md)",
    r"\]\((?:\.\./)+CHANGELOG\.md\)": "](/changelog.md)",
    r"\]\((?:\.\./)+SECURITY\.md\)": "](/security.md)",
    r"\]\((?:\.\./)+examples/(plot_\w+)\.py\)": r"](/gallery/\1.rst)",
}


def results(*paths: Path) -> str:
    """Tables of benchmarks one below the other, each with an anchor: the name of its file."""
    return "\n\n".join(f"({path.stem})=\n" + re.sub("^#", "##", path.read_text(), flags=re.M) for path in paths)


def published(rows: tuple[Published, ...]) -> str:
    """One table per benchmark; the sources, which are long, are numbered below all of them."""
    sources = list(dict.fromkeys(row.source for row in rows))
    parts = []
    for benchmark in BENCHMARKS:
        here = [row for row in rows if row.benchmark == benchmark]
        metrics = [name for name in METRICS if any(name in row.values for row in here)]
        if not here:
            continue
        head = ["method", "matching per", *(METRICS[name] for name in metrics), "source"]
        lines = [f"### {benchmark}", "", f"| {' | '.join(head)} |", "|---|---|" + "---:|" * len(metrics) + "---:|"]
        for row in sorted(here, key=lambda row: row.scope):
            cells = [f"{row.values[name]:.1f}" if name in row.values else "" for name in metrics]
            lines.append(f"| {row.method} | {row.scope} | {' | '.join(cells)} | {sources.index(row.source) + 1} |")
        parts.append("\n".join(lines))
    return "\n\n".join([*parts, "Sources:", "\n".join(f"{i}. {source}." for i, source in enumerate(sources, 1))])


def citing() -> str:
    """BibTeX of otseg and of every method, as ``otseg cite`` prints it."""
    found = entries()
    parts = [f"```bibtex\n{OTSEG}\n```"]
    for method, keys in METHODS.items():
        text = "\n\n".join(found[key] for key in keys)
        parts.append(f"(cite-{method})=\n## {method}\n\n```bibtex\n{text}\n```")
    return "\n\n".join(parts)


def write(app: Sphinx) -> None:
    """Write the files that pages include."""
    tables = [path for path in sorted(RESULTS.glob("*.md")) if path.stem != "models"]
    made = {"results": results(*tables), "models": results(RESULTS / "models.md")}
    made |= {"published": published(PUBLISHED), "citing": citing()}
    folder = DOCS / "_made"
    folder.mkdir(exist_ok=True)
    for name, text in made.items():
        (folder / f"{name}.md").write_text(text + "\n", encoding="utf-8")


def relink(app: Sphinx, page: str, source: list[str]) -> None:
    """Turn links to files of the repository into links to pages."""
    for pattern, replacement in LINKS.items():
        source[0] = re.sub(pattern, replacement, source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Join Sphinx."""
    app.connect("builder-inited", write)
    app.connect("source-read", relink)
    return {"parallel_read_safe": True}
