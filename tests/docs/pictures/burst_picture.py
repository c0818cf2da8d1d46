"""A burst of calls under debounce, as a picture."""

from collections.abc import Iterator

from tests.docs.pictures.burst import Burst
from tests.docs.pictures.svg import (
    GREEN,
    GREY,
    INK,
    QUEUED,
    Scale,
    bar,
    cross,
    label,
    line,
    picture,
)

TOP, LANE = 64, 19


def burst(burst: Burst) -> str:
    """Return the picture of a burst whose last call runs."""
    scale = Scale(burst.left[-1] * 1.16, left=110)
    bottom = TOP + LANE * len(burst.sent)
    parts = [
        label(
            scale.left, TOP - 14, "published; each takes the place of the one before"
        ),
        *(
            part
            for call in range(len(burst.sent))
            for part in _call(burst, call, scale)
        ),
        *_quiet(burst, scale, bottom + 14),
        *scale.axis(bottom + 32, step=1),
    ]
    title = f"@debounce({burst.quiet:.0f}): ten calls of one key"
    return picture(title, bottom + 64, in_words(burst), parts)


def in_words(burst: Burst) -> str:
    """Return the same in words."""
    [(last, _)] = burst.began
    return (
        f"Ten calls of one key come in a burst. The first {last} are replaced: each "
        f"ends without a run when its own {burst.quiet:.0f} s are over. The last one "
        f"runs, {burst.quiet:.0f} s after it was published."
    )


def _call(burst: Burst, call: int, scale: Scale) -> Iterator[str]:
    y = TOP + LANE * call
    sent, left = scale.x(burst.sent[call]), scale.x(burst.left[call])
    yield label(30, y + 12, f"call {call + 1}")
    yield bar(sent, left, y + 5, 8, QUEUED)
    yield f'<circle cx="{sent}" cy="{y + 9}" r="4" fill="{INK}"/>'
    if call in dict(burst.began):
        yield bar(left - 3, left + 3, y, 18, GREEN)
        yield label(left + 9, y + 13, "runs", colour=GREEN)
    else:
        yield cross(left, y + 9, 4, GREY)
        yield label(left + 9, y + 13, "replaced", colour=GREY)


def _quiet(burst: Burst, scale: Scale, y: int) -> Iterator[str]:
    [(_, began)] = burst.began
    left, right = scale.x(burst.sent[-1]), scale.x(began)
    yield line(f"M{left} {y - 5} v10 m0 -5 H{right} m0 -5 v10")
    said = f"{burst.quiet:.0f} s without a call"
    yield bar((left + right) // 2 - 65, (left + right) // 2 + 65, y - 8, 16, "#ffffff")
    yield label((left + right) // 2, y + 4, said, "middle")
