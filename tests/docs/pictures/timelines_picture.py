"""The timelines of the lock types, as pictures."""

from collections.abc import Iterator

from tests.docs.pictures.svg import (
    BROWN,
    GREEN,
    GREY,
    LOCKED,
    QUEUED,
)
from tests.docs.pictures.svg import RUNS as RUNNING
from tests.docs.pictures.svg import arrow_up, bar, label, picture, text
from tests.docs.pictures.timelines import (
    IGNORED,
    MOMENTS,
    NOT_SENT,
    RUNS,
    WAITS,
    Timeline,
)

#: Where the publish, the start and the end are, and the edge of what comes after.
EDGES = (30, 240, 460, 690)
#: What is between them, and how it looks.
PHASES = (("in the queue", QUEUED), ("runs", RUNNING), ("has ended", "#f4f4f4"))

COLOURS = {NOT_SENT: GREY, IGNORED: GREY, WAITS: BROWN, RUNS: GREEN}


def picture_of(name: str, timeline: Timeline) -> str:
    """Return the timeline of one lock type as SVG."""
    parts = [*_phases(), *_lock(timeline), *_duplicates(timeline)]
    return picture(f'lock="{name}"', 218, description(name, timeline), parts)


def description(name: str, timeline: Timeline) -> str:
    """Return the same in words, for those who do not see it."""
    said = (
        f"{when.removeprefix('has ')}: {'locked' if timeline.held[moment] else 'free'},"
        f" a duplicate {_verb(timeline.duplicates[moment])}"
        for (when, _), moment in zip(PHASES, MOMENTS, strict=True)
    )
    return f"{name}. {'; '.join(said)}."


def _verb(fate: str) -> str:
    return "is not sent" if fate == NOT_SENT else fate.replace("ignored", "is ignored")


def _phases() -> Iterator[str]:
    for (said, colour), left, right in zip(PHASES, EDGES, EDGES[1:], strict=False):
        yield bar(left, right - 2, 58, 30, colour)
        yield text((left + right) // 2, 78, said)
    for said, x in zip(("published", "starts", "ends"), EDGES, strict=False):
        yield label(x, 52, said, "start" if x == EDGES[0] else "middle")


def _lock(timeline: Timeline) -> Iterator[str]:
    for moment, left, right in zip(MOMENTS, EDGES, EDGES[1:], strict=False):
        if timeline.held[moment]:
            yield bar(left, right - 2, 92, 10, LOCKED)
            yield label((left + right) // 2, 119, "locked", "middle")


def _duplicates(timeline: Timeline) -> Iterator[str]:
    for moment, left, right in zip(MOMENTS, EDGES, EDGES[1:], strict=False):
        x, fate = (left + right) // 2, timeline.duplicates[moment]
        yield arrow_up(x, 172, 134)
        yield label(x, 188, "an equal call", "middle")
        yield text(x, 206, fate, colour=COLOURS[fate])
