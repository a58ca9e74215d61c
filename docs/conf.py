"""Settings of the documentation: `make docs` and `make docs-quick` build it."""

import os
import re
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = map(str, (HERE, HERE.parent, HERE.parent / "tests"))

import written
from pictures import pictures

import sklimb

# Pages that are made from the sources, before Sphinx looks for pages.
written.write_all(HERE)

project = "sklimb"
author = copyright = "The sklimb developers"
version = release = sklimb.__version__

extensions = [
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", written.GALLERY_SOURCE]
default_role = "code"
smartquotes = False  # "plr" and --out are for copying
nitpicky = False  # types such as "array-like of shape (n, d)" are words
suppress_warnings = ["config.cache"]  # sphinx-gallery's own settings hold functions

# Links to other projects need a network: SKLIMB_DOCS_LINKS=1 asks for them.
if os.environ.get("SKLIMB_DOCS_LINKS") == "1":
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "pandas": ("https://pandas.pydata.org/docs", None),
        "sklearn": ("https://scikit-learn.org/stable", None),
        "torch": ("https://docs.pytorch.org/docs/stable", None),
    }

autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
numpydoc_use_plots = False

html_theme = "pydata_sphinx_theme"
html_title = f"sklimb {version}"
html_static_path = ["_static"]
html_css_files = ["sklimb.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navigation_depth": 2,
    "show_nav_level": 1,
    "collapse_navigation": False,
    "show_toc_level": 2,
    "header_links_before_dropdown": 5,
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": [], "install": [], "glossary": [], "changelog": []}

sphinx_gallery_conf = {
    "examples_dirs": written.GALLERY_SOURCE,
    "gallery_dirs": "auto_examples",
    "filename_pattern": written.EXECUTED,
    "ignore_pattern": r"^_",
    "within_subsection_order": "FileNameSortKey",
    "image_scrapers": ("matplotlib", pictures),
    "reset_modules": (),
    "reset_argv": written.arguments,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "plot_gallery": os.environ.get("SKLIMB_DOCS_EXAMPLES") != "0",
    "nested_sections": False,
}

warnings.filterwarnings("ignore", message="Using `tqdm.autonotebook")


def quote_names(app, what, name, thing, options, lines):
    """Show names of attributes, such as n_features_in_, which are links otherwise."""
    for i, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            lines[i] = re.sub(r"(?<![`\w.])(\w+)_(?![`\w])", r"\1\\_", line)


def shorten(app, what, name, thing, options, signature, returned):
    """Leave dozens of parameters to the list below, which tells their defaults too."""
    if what == "class" and signature and signature.count("=") > 20:
        return "(**parameters)", returned
    return None


def setup(app):
    app.connect("autodoc-process-signature", shorten)
    app.connect("autodoc-process-docstring", quote_names, priority=900)
