"""Which script answers for a lock that several may hold, and what it is asked."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ..record import ANCHOR
from ..steps import Renewal
from .script import Eval, Script
from .script_calls import Call, Names, leave_call, renew_call
from .scripts import ACQUIRE, LEAVE, RELEASE, RENEW, RESERVE
from .several_scripts import (
    ACQUIRE_SEVERAL,
    RELEASE_SEVERAL,
    RENEW_SEVERAL,
    RESERVE_SEVERAL,
)
from .tombstone_scripts import BURY, BURY_SEVERAL


class Scripts(NamedTuple):
    """The script of a step for a lock of one holder, and that for one of several."""

    one: Script
    several: Script


ACQUIRES = Scripts(ACQUIRE, ACQUIRE_SEVERAL)
RESERVES = Scripts(RESERVE, RESERVE_SEVERAL)
RELEASES = Scripts(RELEASE, RELEASE_SEVERAL)
BURIES = Scripts(BURY, BURY_SEVERAL)

#: What a script for one holder returns if several hold the lock, and it did nothing.
_SEVERAL = -1

#: First numbers of the answers that tell of a holder.
_OF_HOLDER = (0, 4)

#: The text in the place of a lock that several hold. A stored format.
_ANCHOR = re.compile(rf"{ANCHOR} \d+".encode())


def is_of_several(answer: Any) -> bool:
    """Whether the script for one holder has met several."""
    if isinstance(answer, list):
        return answer[0] in _OF_HOLDER and is_anchor(answer[1])
    return bool(answer == _SEVERAL)


def is_anchor(text: bytes | None) -> bool:
    """Whether this is the text in the place of a lock that several hold."""
    return text is not None and _ANCHOR.fullmatch(text) is not None


def several_call(names: Names, key: str, limit: int, call: Call) -> Call:
    """Return what the script for several is asked, `call` being that for one."""
    keys, args = call
    return [*keys, names.holders(key), names.records(key)], [*args, limit]


def renew_eval(names: Names, renewal: Renewal) -> Eval:
    """Return the script that renews the lock of one holder, or holds on to a place."""
    if renewal.leaving:
        return LEAVE, *leave_call(names, renewal)
    if renewal.limit == 1:
        return RENEW, *renew_call(names, renewal)
    return several_renew_eval(names, renewal)


def several_renew_eval(names: Names, renewal: Renewal) -> Eval:
    call = renew_call(names, renewal)
    return RENEW_SEVERAL, *several_call(names, renewal.key, renewal.limit, call)
