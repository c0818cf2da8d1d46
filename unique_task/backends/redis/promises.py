"""What Redis promises: one server, and servers that replicate their keys."""

from dataclasses import replace

from ..promises import Promises

#: Of one server.
ONE_SERVER = Promises(
    restart="what was saved", several_holders=True, lists=True, counts=True
)

#: Of Sentinels and of a Cluster.
REPLICATED = replace(
    ONE_SERVER, restart="what was saved; a fail-over, what was replicated"
)
