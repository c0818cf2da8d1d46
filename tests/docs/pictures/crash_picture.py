"""The death of a worker, as a picture."""

from collections.abc import Iterator

from tests.docs.pictures.crash import Crash
from tests.docs.pictures.svg import (
    BROWN,
    GREEN,
    GREY,
    LOCKED,
    QUEUED,
    RED,
    RUNS,
    Scale,
    arrow_down,
    bar,
    cross,
    label,
    line,
    picture,
    text,
)

#: Tops of the lanes: the first worker, the lock (and its bottom), the second worker.
FIRST, LOCK, GROUND, SECOND = 58, 112, 172, 222
LANE = 30

SHADE = "#f3d9c8"


def elsewhere(crash: Crash, seconds: float) -> str:
    """Return the picture of a next call that does not see the dead process.

    Arguments:
        seconds: that the picture is wide.
    """
    title = "A worker is killed; the next call runs on another machine"
    why, words = "the key is free", elsewhere_in_words(crash)
    return _picture_of(title, why, words, crash, Scale(seconds))


def here(crash: Crash, seconds: float) -> str:
    """Return the picture of a next call that sees that the process is gone."""
    title = "A worker is killed; the next call runs on the same machine"
    why, words = "its process is gone: the lock is taken over", here_in_words(crash)
    return _picture_of(title, why, words, crash, Scale(seconds))


def elsewhere_in_words(crash: Crash) -> str:
    return (
        f"{_until_the_kill(crash)} An equal call on another machine waits, and asks "
        f"{len(crash.asks)} times. The lease ends; when the call asks next, it runs."
    )


def here_in_words(crash: Crash) -> str:
    return (
        f"{_until_the_kill(crash)} An equal call on the same machine sees that the "
        "process is gone, takes the lock and runs at once."
    )


def _until_the_kill(crash: Crash) -> str:
    return (
        f"A body runs under a lease of {crash.lease:.0f} s, which is renewed every "
        f"{crash.lease / 3:.0f} s. Its worker is killed, and nothing renews the lease."
    )


def _picture_of(title: str, why: str, words: str, crash: Crash, scale: Scale) -> str:
    parts = [
        *_killed(crash, scale),
        *_lock(crash, scale, why),
        *_next(crash, scale),
        *scale.axis(SECOND + LANE + 14, step=5),
    ]
    return picture(title, SECOND + LANE + 44, words, parts)


def _killed(crash: Crash, scale: Scale) -> Iterator[str]:
    left, right = scale.x(crash.begins), scale.x(crash.killed)
    yield text(30, FIRST + 20, "worker 1", anchor="start")
    yield bar(left, right, FIRST, LANE, RUNS)
    yield text((left + right) // 2, FIRST + 20, "runs")
    yield cross(right, FIRST + LANE // 2)
    yield label(right + 12, FIRST + 20, "kill -9", colour=RED)


def _lock(crash: Crash, scale: Scale, why: str) -> Iterator[str]:
    """Yield how long the lock stood yet, moment by moment."""
    corners = [(at, seconds) for at, seconds in crash.left if at < crash.runs[0]]
    end = min(crash.lease_ends, crash.runs[0])
    corners += [(end, crash.lease_ends - end)]
    points = " ".join(f"{scale.x(at)},{_y(s, crash)}" for at, s in corners)
    ground = f"{scale.x(end)},{GROUND} {scale.x(corners[0][0])},{GROUND}"
    yield text(30, LOCK + 24, "its lock", anchor="start")
    yield label(30, LOCK + 42, "seconds left")
    yield f'<polygon points="{points} {ground}" fill="{SHADE}"/>'
    yield line("M" + points.replace(" ", " L"), LOCKED, 2)
    yield label(scale.left - 6, LOCK + 5, f"{crash.lease:.0f}", "end")
    yield label(scale.left - 6, GROUND, "0", "end")
    yield label(scale.x(end) + 10, GROUND - 6, why, colour=GREEN)


def _y(seconds: float, crash: Crash) -> int:
    return round(GROUND - (GROUND - LOCK) * seconds / crash.lease)


def _next(crash: Crash, scale: Scale) -> Iterator[str]:
    sent, (begins, ends) = scale.x(crash.sent), map(scale.x, crash.runs)
    yield text(30, SECOND + 20, "worker 2", anchor="start")
    yield arrow_down(sent, SECOND - 20, SECOND - 2)
    yield label(sent - 8, SECOND - 10, "an equal call", "end", colour=GREY)
    yield bar(sent, begins, SECOND + 11, 8, QUEUED)
    for ask in crash.asks:
        yield bar(scale.x(ask) - 1, scale.x(ask) + 2, SECOND, LANE, BROWN)
    if crash.asks:
        said = "waits, and asks now and then"
        yield label(sent + 14, SECOND - 10, said, colour=BROWN)
    yield bar(begins, ends, SECOND, LANE, RUNS)
    yield text((begins + ends) // 2, SECOND + 20, "runs")
