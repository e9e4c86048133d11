import pytest

from otseg.report.markup import Html, details, join, listed, section, table, tag


def test_text_and_attributes_are_escaped_and_html_is_not():
    found = tag("p", "a < b & c", Html("<br>"), 3, None, title='"x" > y', data_name="<z>", hidden=True, id=None)
    expected = '<p title="&quot;x&quot; &gt; y" data-name="&lt;z&gt;" hidden>a &lt; b &amp; c<br>3</p>'
    assert found == expected
    assert isinstance(found, Html)


def test_elements_without_end():
    assert tag("input", type="search") == '<input type="search">'


def test_joined_parts_are_html():
    assert join(["<", tag("b", ">")]) == "&lt;<b>&gt;</b>"


@pytest.mark.parametrize(
    "made",
    [
        table([["a", "<b>"], ["c", 1]]),
        listed([("<k>", "<v>")]),
        section("s", "<t>", tag("p", "x")),
        details("<s>", "x"),
    ],
)
def test_helpers_are_well_formed_and_escape(made, page):
    found = page(made)
    assert not {"b", "k", "v", "t"} & {name for name, _ in found.elements}
    assert "<" in found.text


def test_a_section_links_to_itself(page):
    found = page(section("s", "Title", level=3))
    assert found.ids == ["s"]
    assert found.links == ["#s"]
    assert "Title" in found.text
