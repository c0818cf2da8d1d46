"""How Sphinx makes the site from the pages of this folder; see ``make docs``."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

project = "unique_task"
author = "unique_task contributors"
version = release = version_of("unique_task")

extensions = ["links", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
html_theme = "furo"
html_title = f"unique_task {release}"
html_copy_source = False
# Text after "::" is of no language that can be told.
highlight_language = "none"
# Only what stands after the prompt is copied.
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
exclude_patterns = ["_site"]

autodoc_member_order = "bysource"
# The docstrings name types where they say something; those of decorators do not.
autodoc_typehints = "none"
nitpicky = True
# Names of other projects, whose pages are not at hand here, and those inside of rooms,
# which are not public.
nitpick_ignore_regex = [("py:.*", r"(?!unique_task).*|unique_task\.\w+\..*")]
