"""A line of numbers over time, as points of a picture, and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """Numbers of one minute each, the oldest first; the last minute is not over.

    Attributes:
        values: the numbers.
        what: is counted: ``runs``.
    """

    values: tuple[float, ...]
    what: str

    def points(self, width: float, height: float, top: float) -> str:
        """Return the points of a polyline of SVG.

        Arguments:
            width, height: of the picture.
            top: the value at its upper edge.
        """
        step = width / max(1, len(self.values) - 1)
        scale = height / (top or 1.0)
        return " ".join(
            f"{place * step:.1f},{height - value * scale:.1f}"
            for place, value in enumerate(self.values)
        )

    @property
    def words(self) -> str:
        """The same for who cannot see the line."""
        most, all_ = max(self.values, default=0.0), sum(self.values)
        return (
            f"{self.what}: {all_:.0f} in {len(self.values)} min, at most {most:.0f} in "
            "a minute"
        )


def top_of(lines: Sequence[Line]) -> float:
    """Return the greatest value of some lines: they share one scale."""
    return max((value for line in lines for value in line.values), default=0.0)
