"""Calls that wait for one key, as a picture."""

from collections.abc import Iterator, Sequence

from tests.docs.pictures.hot_key import Turn
from tests.docs.pictures.svg import (
    BROWN,
    QUEUED,
    RED,
    RUNS,
    Scale,
    bar,
    label,
    picture,
)

TOP, LANE, PANEL = 66, 22, 178

TITLE = 'on_duplicate="retry": five calls of one key, in two workers'


def hot_key(turns: Sequence[Turn], polling: Sequence[Turn]) -> str:
    """Return the picture of calls in turn, above those that each come by themselves."""
    scale = Scale(max(turn.runs[1] for turn in (*turns, *polling)) * 1.02)
    panels = (
        ("the end of a run starts the call that waits longest", turns),
        ("with rate_limit, each call comes back when its pause is over", polling),
    )
    parts = (
        part
        for number, (said, shown) in enumerate(panels)
        for part in _panel(TOP + PANEL * number, said, shown, scale)
    )
    bottom = TOP + PANEL * len(panels) - 14
    description = in_words(turns, polling)
    return picture(TITLE, bottom + 32, description, [*parts, *scale.axis(bottom, 1)])


def in_words(turns: Sequence[Turn], polling: Sequence[Turn]) -> str:
    """Return the same in words."""
    return (
        "Five calls of one key come to two workers, and each takes "
        f"{turns[0].runs[1] - turns[0].runs[0]:.0f} s. They run one at a time, in the "
        "order in which they came: the end of a run starts the next call, so all are "
        f"done after {_end(turns):.1f} s. Where each call comes back by itself, the "
        f"key is idle in between, the order is lost, and they take "
        f"{_end(polling):.1f} s."
    )


def idle(turns: Sequence[Turn]) -> list[tuple[float, float]]:
    """Return from when to when nobody ran, between the first run and the last."""
    runs = sorted(turn.runs for turn in turns)
    return [(one[1], after[0]) for one, after in zip(runs, runs[1:])]


def _end(turns: Sequence[Turn]) -> float:
    return max(turn.runs[1] for turn in turns)


def _panel(y: int, said: str, turns: Sequence[Turn], scale: Scale) -> Iterator[str]:
    yield label(30, y - 10, said)
    for number, turn in enumerate(turns):
        yield from _call(y + LANE * number, number + 1, turn, scale)
    y += LANE * len(turns) + 4
    total = sum(right - left for left, right in idle(turns))
    yield label(30, y + 10, f"idle: {total:.2f} s", colour=RED)
    for left, right in idle(turns):
        yield bar(scale.x(left), max(scale.x(right), scale.x(left) + 1), y, 12, RED)


def _call(y: int, number: int, turn: Turn, scale: Scale) -> Iterator[str]:
    sent, (begins, ends) = scale.x(turn.sent), map(scale.x, turn.runs)
    yield label(30, y + 13, f"call {number}")
    yield bar(sent, begins, y + 5, 8, QUEUED)
    for ask in turn.asks:
        yield bar(scale.x(ask) - 1, scale.x(ask) + 2, y + 1, 16, BROWN)
    yield bar(begins, ends, y, 18, RUNS)
    yield label((begins + ends) // 2, y + 13, turn.worker, "middle")
