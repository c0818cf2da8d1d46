"""The app whose locks are on the screenshot of the web page."""

import time

from celery import Celery

from tests.worker.app import app as base
from unique_task import unique

app = Celery("shop")
app.conf.update({name: base.conf[name] for name in ("broker_url", "result_backend")})
app.conf.unique_backend = base.conf.unique_backend
app.conf.broker_connection_retry_on_startup = True

#: Seconds for which what runs goes on: longer than it takes to look at it.
LONG = 600


@app.task(name="shop.charge")
@unique(key="{order}", on_duplicate="retry")
def charge(order: int) -> None:
    time.sleep(LONG)


@app.task(name="shop.sync_stock")
@unique(lock="until_executed", renew=False)
def sync_stock(warehouse: str) -> None:
    time.sleep(LONG)


@app.task(name="shop.remind")
@unique(lock="until_executing")
def remind(customer: int) -> None: ...
