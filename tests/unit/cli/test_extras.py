"""Optional packages: present, missing, too old, broken."""

import pytest

from otseg.cli._extras import Package, extras, install_command


def test_what_an_extra_needs(monkeypatch, tmp_path):
    (tmp_path / "cracked").mkdir()
    (tmp_path / "cracked" / "__init__.py").write_text("raise RuntimeError('no such symbol')")
    info = tmp_path / "cracked-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: cracked\nVersion: 1.2\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = extras(
        [
            "torch>=2.4",
            'numpy>=1.0; extra == "plots"',
            'no-such-package[x]>=2; extra == "plots"',
            'cracked; extra == "hub"',
            'numpy>=99.1; extra == "hub"',
            'tomli>=2.0; python_version < "3.11" and extra == "hub"',
            'numpy>=1.0; extra == "test"',
            'otseg[plots]; extra == "all"',
        ]
    )
    assert list(found) == ["hub", "plots"]
    assert [(package.name, package.state) for package in found["plots"]] == [
        ("numpy", "ok"),
        ("no-such-package", "missing"),
    ]
    assert [(package.name, package.state) for package in found["hub"]] == [("cracked", "broken"), ("numpy", "broken")]
    assert found["hub"][0].found == "1.2 cannot be imported: RuntimeError: no such symbol"
    assert found["hub"][1].found.endswith("is older than 99.1")


def test_a_distribution_is_imported_by_its_module():
    (package,) = extras(['scikit-learn>=1.0; extra == "x"'])["x"]
    assert package.state == "ok"


@pytest.mark.parametrize(
    ("states", "command"),
    [
        (["ok", "ok"], None),
        (["ok", "missing"], "pip install 'otseg[x]'"),
        (["broken", "missing"], "pip install --upgrade 'otseg[x]'"),
    ],
)
def test_install_command(states, command):
    assert install_command("x", [Package("p", state, "") for state in states]) == command


def test_a_source_tree_has_no_extras(monkeypatch):
    assert extras([]) == {}
