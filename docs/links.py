"""Links between pages that work in the site and where the repository is shown."""

from pathlib import PurePosixPath
from typing import Any

from docutils import nodes
from sphinx.util import logging

logger = logging.getLogger(__name__)


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("doctree-read", drop_tables_of_contents)
    app.connect("doctree-resolved", resolve_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def drop_tables_of_contents(app: Any, doctree: nodes.document) -> None:
    """The theme shows the sections of a page beside it."""
    for topic in list(doctree.findall(nodes.topic)):
        if "contents" in topic["classes"]:
            topic.parent.remove(topic)


def resolve_links(app: Any, doctree: nodes.document, page: str) -> None:
    """Let links to files, such as ``<../README.rst>``, lead to the pages of these."""
    for link in doctree.findall(nodes.reference):
        path, _, place = link.get("refuri", "").partition("#")
        if "://" in path or not path.endswith(".rst"):
            continue
        target = PurePosixPath(path).stem.lower()
        if not is_there(app.env, target, place):
            logger.warning("no such place: %s", link["refuri"], location=link)
            continue
        uri = app.builder.get_relative_uri(page, target)
        link["refuri"] = f"{uri}#{place}" if place else uri
        link["internal"] = True


def is_there(env: Any, page: str, place: str) -> bool:
    """Tell whether there is such a page, and such a place in it."""
    if page not in env.all_docs:
        return False
    return not place or place in env.get_doctree(page).ids
