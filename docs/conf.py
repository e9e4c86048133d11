"""How Sphinx builds the site: ``./dev.sh docs``, into docs/_build/html. Nothing needs the network, readers neither."""

import sys
from importlib.resources import files
from pathlib import Path

import otseg

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project, author, copyright = "otseg", "The otseg developers", "The otseg developers"
version = release = otseg.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "sphinxcontrib.bibtex",
    "api",  # these two are in docs/_ext
    "pages",
]
exclude_patterns = ["_build", "_made"]

# Pages in Markdown: GitHub's, with $mathematics$ and links to headings.
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4

# The reference. Every reference must lead somewhere (-n); libraries that are not documented here are named below.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(?!otseg\.)[a-z]\w*\..*|Tensor"),  # other libraries
    (r"py:.*", r"'.*'|otseg\..*\.[A-Z]|otseg\..*\._.*"),  # shapes, type variables, and what is private
]
autodoc_typehints_format = "short"
napoleon_google_docstring, napoleon_numpy_docstring = True, False
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"
bibtex_bibfiles = ["../otseg/references.bib"]
bibtex_default_style = "plain"
bibtex_reference_style = "author_year"

# The gallery: every examples/plot_*.py is run, and its figures are shown.
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "ignore_pattern": r"(^|/)(?!plot_)\w+\.py$",
    "within_subsection_order": "FileNameSortKey",
    "image_srcset": ["2x"],
    "capture_repr": (),
    "doc_module": ("otseg",),
    "reference_url": {"otseg": None},
    "backreferences_dir": "gallery/backreferences",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "min_reported_time": 10**6,
    "show_signature": False,
    "write_computation_times": False,
}

# Looks. MathJax comes from a package, as one file without fonts: formulas are drawn offline too, from file:// as well.
html_theme = "furo"
html_title = f"otseg {release}"
html_static_path = ["_static", str(files("sphinx-mathjax-offline") / "static/mathjax/tex-svg-full.js")]
html_css_files = ["otseg.css"]
html_copy_source = False
html_theme_options = {"top_of_page_buttons": []}
mathjax_path = "tex-svg-full.js"
copybutton_exclude = ".linenos, .gp, .go"
