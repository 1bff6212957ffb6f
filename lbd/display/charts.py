"""Bars as SVG: by itself in any page, without a script. Pure: numbers in, text out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH, BAR, GAP, LABEL = 760, 18, 6, 200  # pixels
HEIGHT = 180  # pixels, of bars that stand


class Bar(NamedTuple):
    """One bar: what it is of, what was paid, and what the same would have cost; both in USD."""

    label: str
    paid: float
    premium: float

    @property
    def most(self) -> float:
        """Return the larger one, at least 0."""
        return max(self.paid, self.premium, 0.0)


def lying(bars: Sequence[Bar], title: str, money: str = "$") -> str:
    """Return bars below each other, each with its label: what would have been paid behind what was."""
    most = max((b.most for b in bars), default=0.0) or 1.0
    height = len(bars) * (BAR + GAP) + GAP
    room = WIDTH - LABEL - 90
    out = [_open(WIDTH, height, title)]
    for i, bar in enumerate(bars):
        y = GAP + i * (BAR + GAP)
        out.append(
            f'<text x="{LABEL - 8}" y="{y + 13}" text-anchor="end">{escape(_cut(bar.label))}</text>'
            f'<rect class="premium" x="{LABEL}" y="{y}" width="{_px(bar.premium, most, room)}" height="{BAR}"/>'
            f'<rect class="paid" x="{LABEL}" y="{y + 4}" width="{_px(bar.paid, most, room)}" height="{BAR - 8}">'
            f"<title>{escape(_told(bar, money))}</title></rect>"
            f'<text x="{LABEL + float(_px(bar.most, most, room)) + 6:.1f}" y="{y + 13}">{money}{bar.paid:,.2f}</text>'
        )
    return "".join(out) + "</svg>"


def standing(bars: Sequence[Bar], title: str, money: str = "$") -> str:
    """Return bars beside each other over time, with the first and the last label, and lines at round sums."""
    most = max((b.most for b in bars), default=0.0) or 1.0
    step = _round_up(most / 4)
    most = max(most, step * math.ceil(most / step))
    left, bottom = 64, 22
    wide = (WIDTH - left) / max(1, len(bars))
    out = [_open(WIDTH, HEIGHT + bottom, title)]
    for n in range(math.floor(most / step + 1e-9) + 1):
        y = HEIGHT - n * step / most * (HEIGHT - 8)
        out.append(
            f'<line x1="{left}" y1="{y:.1f}" x2="{WIDTH}" y2="{y:.1f}"/>'
            f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{money}{n * step:,.6g}</text>'
        )
    for i, bar in enumerate(bars):
        x, thin = left + i * wide, max(0.5, wide * 0.8)
        for kind, usd, share in (("premium", bar.premium, 1.0), ("paid", bar.paid, 0.5)):
            high = max(0.0, usd) / most * (HEIGHT - 8)
            out.append(
                f'<rect class="{kind}" x="{x + thin * (1 - share) / 2:.2f}" y="{HEIGHT - high:.1f}"'
                f' width="{thin * share:.2f}" height="{high:.1f}"><title>{escape(_told(bar, money))}</title></rect>'
            )
    if bars:
        out.append(f'<text x="{left}" y="{HEIGHT + 16}">{escape(bars[0].label)}</text>')
        out.append(f'<text x="{WIDTH}" y="{HEIGHT + 16}" text-anchor="end">{escape(bars[-1].label)}</text>')
    return "".join(out) + "</svg>"


def _open(width: int, height: int, title: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"'
        f' xmlns="http://www.w3.org/2000/svg"><title>{escape(title)}</title>'
    )


def _px(usd: float, most: float, room: int) -> str:
    return f"{max(0.0, usd) / most * room:.1f}"


def _told(bar: Bar, money: str) -> str:
    return f"{bar.label}: {money}{bar.paid:,.4f} paid, {money}{bar.premium:,.4f} without routing"


def _cut(label: str, most: int = 28) -> str:
    return label if len(label) <= most else f"{label[: most - 1]}…"


def _round_up(value: float) -> float:
    """Return the next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(n * power for n in (1, 2, 5, 10) if n * power >= value * (1 - 1e-9))
