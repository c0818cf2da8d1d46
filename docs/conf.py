"""How Sphinx makes the site from the pages of this folder; see ``make docs``."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

project = "unique_task"
author = "unique_task contributors"
version = release = version_of("unique_task")

extensions = ["links", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
html_theme = "furo"
html_title = f"unique_task {release}"
html_copy_source = False
html_show_copyright = False
# Not of two dashes: they begin options of commands.
smartquotes_action = "qe"
# The README shows one of them by its address in the site.
html_static_path = ["pictures"]
# Text after "::" is of no language that can be told.
highlight_language = "none"
# Only what stands after the prompt is copied.
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
exclude_patterns = ["_site"]

napoleon_numpy_docstring = False
autodoc_member_order = "bysource"
# The docstrings name types where they say something; those of decorators do not.
autodoc_typehints = "none"
nitpicky = True
# Names of other projects, whose pages are not at hand here, and those inside of rooms,
# which are not public.
nitpick_ignore_regex = [("py:.*", r"(?!unique_task).*|unique_task\.\w+\..*")]


def keep_first_line(app: Any, what: str, name: str, obj: Any, *rest: Any) -> None:
    """Keep Napoleon from taking what is before a colon for the type of a value."""
    if what in {"attribute", "data", "property"}:
        rest[-1][:0] = ["..", ""]


def setup(app: Any) -> None:
    """Register with Sphinx, before Napoleon."""
    app.connect("autodoc-process-docstring", keep_first_line, priority=100)
