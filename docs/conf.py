"""The site that ``make docs`` builds of these pages.

The pages are plain Markdown, for whoever reads them without it: what the site needs beside is made here.
"""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

from temp_file_manager.version import VERSION

project = "temp-file-manager"
release = VERSION
project_copyright = "the authors of temp-file-manager; Apache-2.0"
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 6
autodoc_member_order = "groupwise"
napoleon_use_ivar = True  # a record's attributes are described once, in its docstring
# What Pygments cannot colour, it leaves black.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = f"{project} {release}"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False

CONTENTS = ("index", "decisions/README")
"""Pages that list others."""


def navigation(_app: "Sphinx", page: str, text: list[str]) -> None:
    """Put the pages that a page of contents links to, under its headings, into the site's navigation."""
    if page not in CONTENTS:
        return
    beginning, *sections = re.split(r"^## (.+)\n", text[0], flags=re.MULTILINE)
    for caption, section in zip(["", *sections[::2]], [beginning, *sections[1::2]], strict=True):
        listed = re.findall(r"^[|*-] \[[^]]+\]\(([\w/-]+)\.md\)", section, re.MULTILINE)
        if listed:
            lines = ["", "```{toctree}", ":hidden:", f":caption: {caption}" if caption else "", "", *listed, "```", ""]
            text[0] += "\n".join(lines)


def setup(app: "Sphinx") -> None:
    """Let Sphinx call the function above."""
    app.connect("source-read", navigation)
