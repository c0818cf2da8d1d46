"""A router of a project that keeps its locks elsewhere."""

from typing import Any


class Elsewhere:
    def allow_migrate(self, alias: str, app_label: str, **_: Any) -> bool | None:
        return False if app_label == "unique_task" else None
