"""Apps with some settings and no others."""

from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery

MakeApp = Callable[..., Celery]


@pytest.fixture
def make_app(monkeypatch: pytest.MonkeyPatch) -> MakeApp:
    """Call it for an app with these settings and no others."""
    for name in ("CELERY_RESULT_BACKEND", "CELERY_BROKER_URL"):
        monkeypatch.delenv(name, raising=False)

    def make(**conf: Any) -> Celery:
        app = Celery(set_as_current=False)
        app.conf.update(conf)
        return app

    return make
