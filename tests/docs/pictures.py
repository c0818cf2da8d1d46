"""Draws the timelines of the lock types, from what a real worker has done.

Run it as ``make pictures``, or as ``python -m tests.docs.pictures``.
"""

from collections.abc import Iterator
from pathlib import Path

from tests.docs.timelines import (
    IGNORED,
    MOMENTS,
    NOT_SENT,
    RUNS,
    WAITS,
    Timeline,
    timelines,
)

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"

WIDTH, HEIGHT = 720, 218
#: Where the publish, the start and the end are, and the edge of what comes after.
EDGES = (30, 240, 460, 690)
#: What is between them, and how it looks.
PHASES = (("in the queue", "#dbe4ee"), ("runs", "#9db8d6"), ("has ended", "#f4f4f4"))

LOCKED = "#c2571a"
COLOURS = {NOT_SENT: "#666666", IGNORED: "#666666", WAITS: "#8a6100", RUNS: "#1f7a33"}

STYLE = "text { font: 14px sans-serif; fill: #222222 } .small { font-size: 12px }"


def picture_of(name: str, timeline: Timeline) -> str:
    """Return the timeline of one lock type as SVG."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" role="img" aria-label="{description(name, timeline)}">',
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#ffffff"/>',
        f'<text x="30" y="28" style="font-weight: bold">lock="{name}"</text>',
        *_phases(),
        *_lock(timeline),
        *_duplicates(timeline),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def description(name: str, timeline: Timeline) -> str:
    """Return the same in words, for those who do not see it."""
    said = (
        f"{text.removeprefix('has ')}: {'locked' if timeline.held[moment] else 'free'},"
        f" a duplicate {_verb(timeline.duplicates[moment])}"
        for (text, _), moment in zip(PHASES, MOMENTS, strict=True)
    )
    return f"{name}. {'; '.join(said)}."


def _verb(fate: str) -> str:
    return "is not sent" if fate == NOT_SENT else fate.replace("ignored", "is ignored")


def _phases() -> Iterator[str]:
    for (text, colour), left, right in zip(PHASES, EDGES, EDGES[1:], strict=False):
        yield _bar(left, right, 58, 30, colour)
        yield _text((left + right) // 2, 78, text)
    for text, x in zip(("published", "starts", "ends"), EDGES, strict=False):
        yield _text(x, 52, text, "small", "start" if x == EDGES[0] else "middle")


def _lock(timeline: Timeline) -> Iterator[str]:
    for moment, left, right in zip(MOMENTS, EDGES, EDGES[1:], strict=False):
        if timeline.held[moment]:
            yield _bar(left, right, 92, 10, LOCKED)
            yield _text((left + right) // 2, 119, "locked", "small")


def _duplicates(timeline: Timeline) -> Iterator[str]:
    for moment, left, right in zip(MOMENTS, EDGES, EDGES[1:], strict=False):
        x, fate = (left + right) // 2, timeline.duplicates[moment]
        yield f'<path d="M{x} 172 V134 m-5 8 l5 -8 l5 8" fill="none" stroke="#222222"/>'
        yield _text(x, 188, "an equal call", "small")
        yield _text(x, 206, fate, colour=COLOURS[fate])


def _bar(left: int, right: int, y: int, height: int, colour: str) -> str:
    size = f'width="{right - left - 2}" height="{height}"'
    return f'<rect x="{left}" y="{y}" {size} rx="3" fill="{colour}"/>'


def _text(
    x: int, y: int, text: str, name: str = "", anchor: str = "middle", colour: str = ""
) -> str:
    # An attribute of its own would lose against the style of all texts.
    style = f' style="fill: {colour}; font-weight: bold"' if colour else ""
    named = f' class="{name}"' if name else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{named}{style}>{text}</text>'


def pictures() -> dict[Path, str]:
    """Return the pictures by their files."""
    return {
        FOLDER / f"{name}.svg": picture_of(name, timeline)
        for name, timeline in timelines().items()
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path, picture in pictures().items():
        path.write_text(picture)
