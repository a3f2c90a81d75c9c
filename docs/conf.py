"""How `make docs` turns these pages into HTML."""

project = "mctsr_graph"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
source_suffix = {".md": "markdown"}
root_doc = "index"
exclude_patterns = ["_build"]
html_theme = "alabaster"
myst_heading_anchors = 3
# Pages link to files of the repository, which are no pages
suppress_warnings = ["myst.xref_missing"]
