"""A Lua script, and how a server is asked to run it."""

import hashlib
from collections.abc import Sequence
from typing import Any

from redis.exceptions import NoScriptError


class Script:
    """A script that is sent by its digest, and whole if the server does not have it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def run(
        self, client: Any, keys: Sequence[str | bytes], args: Sequence[Any] = ()
    ) -> Any:
        try:
            return client.evalsha(self.digest, len(keys), *keys, *args)
        except NoScriptError:
            return client.eval(self.text, len(keys), *keys, *args)


#: A script to run, its keys as texts or as the server has them, and its arguments.
Eval = tuple[Script, Sequence[str | bytes], Sequence[Any]]
