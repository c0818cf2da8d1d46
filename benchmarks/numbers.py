"""How the table writes numbers."""

from __future__ import annotations


def number(value: float) -> str:
    """Return counts in full, others with as many digits as a pair can measure."""
    if float(value).is_integer() or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
