"""`otseg cite`, and the references that it ships."""

import re
from pathlib import Path

import otseg
from otseg.cli.cite import METHODS, entries

FILE = Path(otseg.__file__).with_name("references.bib")


def test_the_library_alone(otseg_command):
    text = otseg_command("cite").stdout
    assert text.count("@") == 1
    assert f"version = {{{otseg.__version__}}}" in text


def test_a_method(otseg_command):
    text = otseg_command("cite", "clot", "tot").stdout
    assert re.findall(r"@\w+\{(\w+),", text) == ["otseg", "buenobenito2025clot", "kumar2022tot"]
    assert "{CLOT}: Closed Loop Optimal Transport" in text
    document = otseg_command("cite", "sinkhorn", "sinkhorn", "--json").document
    assert list(document) == ["otseg", "cuturi2013sinkhorn"]
    assert document["cuturi2013sinkhorn"] in FILE.read_text(encoding="utf-8")


def test_unknown_method(otseg_command):
    message = otseg_command("cite", "magic", exit_code=2).stderr
    assert "'magic' is not one of" in message
    assert "'asot'" in message


def test_list(otseg_command):
    assert otseg_command("cite", "--list", "--json").document == {name: list(keys) for name, keys in METHODS.items()}
    assert len(otseg_command("cite", "--list").stdout.splitlines()) == len(METHODS)


def test_every_method_has_its_entries():
    found = entries()
    assert {key for keys in METHODS.values() for key in keys} <= set(found)


def test_references_are_well_formed():
    """No entry lost a line or a brace, and each says who, what and when."""
    text = FILE.read_text(encoding="utf-8")
    found = entries()
    assert len(found) == text.count("\n@") + text.startswith("@")
    assert re.sub(r"\s", "", text) == re.sub(r"\s", "", "".join(found.values())), "text outside of entries"
    for key, entry in found.items():
        assert entry.count("{") == entry.count("}"), key
        for field in ("author", "title", "year"):
            assert re.search(rf"^  {field} = \{{", entry, re.MULTILINE), f"{key} has no {field}"


def test_every_citation_has_its_entry():
    found = entries()
    for path in FILE.parent.glob("**/*.py"):
        for keys in re.findall(r":cite:`([^`]+)`", path.read_text(encoding="utf-8")):
            assert set(re.split(r",\s*", keys)) <= set(found), path
