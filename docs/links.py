"""Links between pages that work in the site, in the repository and in the README."""

from configparser import ConfigParser
from pathlib import Path, PurePosixPath
from typing import Any

from docutils import nodes
from sphinx.util import logging

logger = logging.getLogger(__name__)


def address_of_the_site() -> str:
    """Return the address at which people read the site; it ends with a slash."""
    setup = ConfigParser()
    setup.read(Path(__file__).parents[1] / "setup.cfg")
    urls = setup["metadata"]["project_urls"].strip().splitlines()
    return dict(line.split(" = ") for line in urls)["Documentation"]


SITE = address_of_the_site()


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    # Before Sphinx collects the pictures.
    app.connect("doctree-read", find_pictures, priority=400)
    app.connect("doctree-read", drop_tables_of_contents)
    app.connect("doctree-resolved", resolve_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def find_pictures(app: Any, doctree: nodes.document) -> None:
    """Show pictures from their folder that the README has by their address."""
    # Other extensions add theirs behind it.
    folder, *_ = app.config.html_static_path
    for image in doctree.findall(nodes.image):
        name = image["uri"].removeprefix(f"{SITE}_static/")
        if name != image["uri"]:
            image["uri"] = f"/{folder}/{name}"


def drop_tables_of_contents(app: Any, doctree: nodes.document) -> None:
    """The theme shows the sections of a page beside it."""
    for topic in list(doctree.findall(nodes.topic)):
        if "contents" in topic["classes"]:
            topic.parent.remove(topic)


def resolve_links(app: Any, doctree: nodes.document, page: str) -> None:
    """Let links to files, and to pages by their address, lead to these pages."""
    for link in doctree.findall(nodes.reference):
        path, _, place = link.get("refuri", "").partition("#")
        target = page_at(path)
        if target is None:
            continue
        if not is_there(app.env, target, place):
            logger.warning("no such place: %s", link["refuri"], location=link)
            continue
        uri = app.builder.get_relative_uri(page, target)
        link["refuri"] = f"{uri}#{place}" if place else uri
        link["internal"] = True


def page_at(path: str) -> str | None:
    """Return the name of the page of a link; None if it leads elsewhere."""
    if path.startswith(SITE):
        return path.removeprefix(SITE).removesuffix(".html") or "index"
    if "://" in path or not path.endswith(".rst"):
        return None
    return PurePosixPath(path).stem.lower()


def is_there(env: Any, page: str, place: str) -> bool:
    """Tell whether there is such a page, and such a place in it."""
    if page not in env.all_docs:
        return False
    return not place or place in env.get_doctree(page).ids
