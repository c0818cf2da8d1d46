"""All lock types in one picture: when each holds the key, and what that means."""

from collections.abc import Iterator, Mapping

from tests.docs.pictures.svg import LOCKED, bar, label, line, picture, text
from tests.docs.pictures.timelines import MOMENTS, Timeline
from tests.docs.pictures.timelines_picture import PHASES
from unique_task.options.option_types import LockName

#: Where the publish, the start and the end are, and the edge of what comes after.
EDGES = (228, 382, 536, 690)
SPANS = list(zip(EDGES, EDGES[1:], strict=False))
TOP, ROW = 108, 32

TITLE = "When each lock type holds the key"
LEGEND = "locked, and what happens to an equal call then by default; else it is sent"

NAMES = ("in the queue", "while it runs", "after its end")
WHEN = dict(zip(MOMENTS, NAMES, strict=True))


def overview(timelines: Mapping[LockName, Timeline]) -> str:
    """Return the timelines of all lock types as one SVG."""
    bottom = TOP + ROW * len(timelines)
    parts = list(_phases(bottom))
    for number, (name, timeline) in enumerate(timelines.items()):
        parts += _row(TOP + ROW * number, name, timeline)
    parts += [bar(30, 52, bottom + 10, 14, LOCKED), label(60, bottom + 22, LEGEND)]
    return picture(TITLE, bottom + 40, description(timelines), parts)


def description(timelines: Mapping[LockName, Timeline]) -> str:
    """Return the same in words, for those who do not see it."""
    said = (f"{name}: {_held(timeline)}." for name, timeline in timelines.items())
    return f"{TITLE}, and what happens to an equal call then. {' '.join(said)}"


def _held(timeline: Timeline) -> str:
    fates = timeline.duplicates
    return ", ".join(
        f"{WHEN[moment]} ({fates[moment]})" for moment in _locked(timeline)
    )


def _locked(timeline: Timeline) -> list[str]:
    return [moment for moment in MOMENTS if timeline.held[moment]]


def _phases(bottom: int) -> Iterator[str]:
    for (said, colour), (left, right) in zip(PHASES, SPANS, strict=True):
        yield bar(left, right - 2, 66, 28, colour)
        yield text((left + right) // 2, 85, said)
    for said, x in zip(("published", "starts", "ends"), EDGES, strict=False):
        yield label(x, 58, said, "middle")
        yield line(f"M{x - 1} 94 V{bottom}", "#cccccc")


def _row(y: int, name: str, timeline: Timeline) -> Iterator[str]:
    yield text(30, y + 18, name, anchor="start")
    for moment, (left, right) in zip(MOMENTS, SPANS, strict=True):
        if timeline.held[moment]:
            yield bar(left, right - 2, y + 2, 24, LOCKED)
            fate = timeline.duplicates[moment]
            yield label((left + right) // 2, y + 18, fate, "middle", "#ffffff")
