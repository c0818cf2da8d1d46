"""A web page of tasks and locks: on its own, or mounted in another application."""

from .access import anybody
from .site import create_web

__all__ = ["anybody", "create_web"]
