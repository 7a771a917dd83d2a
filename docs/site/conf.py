"""How Sphinx makes the site: ``make docs``.

The source directory is the root of the repository, so that a link between two files is the same on the site
and where the files are read as they are.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

import offloadlib

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "offloadlib"
author = "The offloadlib authors"
copyright = author
release = version = offloadlib.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",  # formulas without a network
    "sphinx_copybutton",
]
root_doc = "docs/index"
include_patterns = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/**", "notebooks/*.ipynb"]
exclude_patterns = ["docs/site/**", "docs/interactive/**"]

nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]  # docstrings name what is not on the site: internals, other packages
smartquotes = False  # options begin with two hyphens

# Markdown, and notebooks as they are stored: the tests run them.
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 4

# Docstrings.
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
autosummary_generate = False
numpydoc_show_class_members = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = f"offloadlib {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = html_show_sourcelink = False
copybutton_prompt_text = r">>> |\$ "
copybutton_prompt_is_regexp = True


html_additional_pages = {"index": "front.html"}
templates_path = ["templates"]


def _readable(*event: Any) -> tuple[str, str] | None:
    """A signature with defaults that Sphinx can read: those of factories are no Python."""
    *_, arguments, returned = event
    return (arguments.replace("<factory>", "..."), returned) if arguments else None


def _beside(app: Sphinx, error: Exception | None) -> None:
    """The interactive page is no page of Sphinx's: it is copied as it is."""
    if error is None:
        source = Path(app.srcdir) / "docs" / "interactive"
        shutil.copytree(source, Path(app.outdir) / "docs" / "interactive", dirs_exist_ok=True)


def setup(app: Sphinx) -> None:
    """Pages that are made of the code are made before Sphinx looks for pages."""
    app.connect("autodoc-process-signature", _readable)
    app.connect("build-finished", _beside)
    import commands
    import schemas

    made = Path(app.srcdir) / "docs" / "reference" / "made"
    made.mkdir(exist_ok=True)
    commands.write(made / "commands.md")
    schemas.write(made / "schemas.md")
