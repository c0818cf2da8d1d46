"""Parts of a picture: a frame, bars, texts, arrows and a scale of seconds."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape

WIDTH = 720

#: Bodies that run, what waits for its turn, and locks.
RUNS, QUEUED, LOCKED = "#9db8d6", "#dbe4ee", "#c2571a"
#: Texts: of what does not run, of what waits, of what runs, and of what goes wrong.
GREY, BROWN, GREEN, RED = "#666666", "#8a6100", "#1f7a33", "#b3261e"
INK = "#222222"

STYLE = "text { font: 14px sans-serif; fill: #222222 } .small { font-size: 12px }"


def picture(title: str, height: int, description: str, parts: Iterable[str]) -> str:
    """Return a picture as SVG, with the same in words for those who do not see it."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" role="img" aria-label="{escape(description)}">',
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff"/>',
        f'<text x="30" y="28" style="font-weight: bold">{title}</text>',
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def bar(left: int, right: int, y: int, height: int, colour: str) -> str:
    size = f'width="{right - left}" height="{height}"'
    return f'<rect x="{left}" y="{y}" {size} rx="3" fill="{colour}"/>'


def text(
    x: int, y: int, said: str, name: str = "", anchor: str = "middle", colour: str = ""
) -> str:
    # An attribute of its own would lose against the style of all texts.
    style = f' style="fill: {colour}; font-weight: bold"' if colour else ""
    named = f' class="{name}"' if name else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{named}{style}>{said}</text>'


def label(x: int, y: int, said: str, anchor: str = "start", colour: str = "") -> str:
    """Return a small text."""
    return text(x, y, said, "small", anchor, colour)


def line(path: str, colour: str = INK, width: float = 1) -> str:
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def arrow_up(x: int, bottom: int, top: int) -> str:
    return line(f"M{x} {bottom} V{top} m-5 8 l5 -8 l5 8")


def arrow_down(x: int, top: int, bottom: int) -> str:
    return line(f"M{x} {top} V{bottom} m-5 -8 l5 8 l5 -8")


def cross(x: int, y: int, size: int = 6, colour: str = RED) -> str:
    path = f"M{x - size} {y - size} l{2 * size} {2 * size} m0 {-2 * size} "
    return line(f"{path}l{-2 * size} {2 * size}", colour, 2.5)


@dataclass(frozen=True)
class Scale:
    """Where each second is, from 0 to `seconds`."""

    seconds: float
    left: int = 120
    right: int = 690

    def x(self, second: float) -> int:
        return round(self.left + (self.right - self.left) * second / self.seconds)

    def axis(self, y: int, step: int) -> Iterator[str]:
        yield line(f"M{self.left} {y} H{self.right}", "#aaaaaa")
        for second in range(0, int(self.seconds) + 1, step):
            yield line(f"M{self.x(second)} {y} v5", "#aaaaaa")
            yield label(self.x(second), y + 18, f"{second} s", "middle")
