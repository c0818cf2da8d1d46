"""What each kind of database promises."""

from dataclasses import replace

from ..promises import Promises

_SQL = Promises(granularity=1e-6, several_holders=True, lists=True, counts=True)

#: Name of the kind -> its promises.
PROMISES = {
    "postgresql": replace(_SQL, needs="unique_task[postgresql]"),
    "mysql": replace(_SQL, needs="unique_task[mysql]"),
    "sqlite": replace(_SQL, clock="the host's", needs="unique_task[sqlalchemy]"),
}
