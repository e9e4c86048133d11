"""`otseg cite`: BibTeX of the library and of the methods in it, from the references that it ships."""

import re
from importlib.resources import files

import click

from otseg import __version__
from otseg.cli._common import Command, Outcome

#: The entries to cite for each method, in order of importance.
METHODS = {
    "asot": ("xu2024asot",),
    "barycenter": ("cuturi2014fast", "benamou2015iterative", "agueh2011barycenters"),
    "breakfast": ("kuehne2014language",),
    "clot": ("buenobenito2025clot",),
    "fis-ot": ("peng2026fisot",),
    "gromov": ("peyre2016gromov", "vayer2019optimal"),
    "metrics": ("kukleva2019cte", "lea2017temporal", "lea2016segmental", "farha2019mstcn"),
    "opw": ("su2017opw",),
    "pot": ("flamary2021pot",),
    "sinkhorn": ("cuturi2013sinkhorn",),
    "sinkhorn-divergence": ("feydy2019interpolating",),
    "sliced": ("bonneel2015sliced", "kolouri2019generalized"),
    "sliced-plans": ("mahey2023fast", "tanguy2025sliced", "liu2025expected"),
    "tot": ("kumar2022tot",),
    "ufsa": ("tran2024ufsa",),
    "unbalanced": ("chizat2018scaling", "sejourne2022faster"),
}
OTSEG = f"""@software{{otseg,
  author = {{{{The otseg developers}}}},
  title = {{otseg: Differentiable Optimal Transport for Temporal Segmentation in {{PyTorch}}}},
  version = {{{__version__}}},
}}"""


@click.command(cls=Command, examples=["otseg cite --list", "otseg cite clot sliced >> paper.bib"])
@click.argument("methods", nargs=-1, type=click.Choice(list(METHODS)), metavar="[METHOD]...")
@click.option("--list", "list_methods", is_flag=True, help="List the methods instead.", show_default=False)
def cite(methods: tuple[str, ...], list_methods: bool) -> Outcome:
    """BibTeX of otseg, and of each METHOD that you used."""
    if list_methods:
        width = max(map(len, METHODS))
        return Outcome(METHODS, "\n".join(f"{name:{width}}  {', '.join(keys)}" for name, keys in METHODS.items()))
    found = entries()
    keys = dict.fromkeys(key for method in methods for key in METHODS[method])
    document = {"otseg": OTSEG} | {key: found[key] for key in keys}
    return Outcome(document, "\n\n".join(document.values()))


def entries() -> dict[str, str]:
    """Every entry of the shipped ``references.bib``, as it is written there, by its key."""
    text = files("otseg").joinpath("references.bib").read_text(encoding="utf-8")
    return {match[1]: match[0] for match in re.finditer(r"^@\w+\{([^,\s]+),\n(?:  .*\n)*\}", text, re.MULTILINE)}
