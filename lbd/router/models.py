"""How strong a model is held to be that was never measured: by its name, its size, and its price.

The strength (0..1) says where it stands between the weak models that the router was trained from (about a 9 B open
model of 2024) and the strong ones (the best of the same time). It is a prior: measured quality replaces it.
"""

from __future__ import annotations

import math
import re

from lbd.model.units import Ratio

UNKNOWN = 0.5
# the first that is found in the name decides; names within a maker's line order models better than sizes do
_LINES: tuple[tuple[str, Ratio], ...] = (
    (r"gpt-4\.1-nano|gpt-5-nano|flash-lite|flash-8b|ministral|haiku-3(?!\.)|claude-3-haiku", 0.3),
    (r"\bmini\b|haiku|flash|\bsmall\b|\blite\b|gpt-3\.5|mixtral-8x7b|command-r(?!-plus)", 0.45),
    (r"opus|gpt-5(?!\.?\d*-(?:mini|nano))|\bo[13]\b(?!-mini)|gemini-[2-9](?:\.\d)?-(?:pro|ultra)", 1.0),
    (r"sonnet|gpt-4|deepseek-(?:v3|r1)|mistral-large|\bgrok\b|\bpro\b|\bplus\b|\bmax\b|\blarge\b", 0.9),
)
_NAMES = tuple((re.compile(pattern), strength) for pattern, strength in _LINES)
_SIZE = re.compile(r"(?:(\d+)x)?(\d+(?:\.\d+)?)b(?![a-z])")


def strength(model: str, price: float | None = None) -> Ratio:
    """Return how strong a model is held to be. ``price`` in any unit that is the same for all that are compared."""
    name = model.lower()
    for pattern, held in _NAMES:
        if pattern.search(name):
            return held
    if (size := _SIZE.search(name)) is not None:
        return _of_size(float(size[1] or 1) * float(size[2]))
    return UNKNOWN if price is None else _of_price(price)


def _of_size(billions: float) -> Ratio:
    """Each doubling of the parameters from 1 B on is worth 0.12: 0.38 for 9 B, 0.74 for 70 B."""
    return min(1.0, max(0.0, 0.12 * math.log2(max(billions, 1.0))))


def _of_price(price: float) -> Ratio:
    """In USD for a million tokens: each tenfold from 0.1 on is worth 0.35."""
    return min(1.0, max(0.1, 0.2 + 0.35 * math.log10(max(price, 0.1) / 0.1)))
