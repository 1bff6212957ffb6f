"""Affinity: sessions and long prompts return to the server that has them in its cache.

The score of a row holds a neutral value, because a ranking is shared by all requests that ask alike. Which
row a session or prompt prefix prefers is told by :func:`preference` when one is picked.
"""

from __future__ import annotations

import zlib

from lbd.decide.terms import TERMS, Predicted
from lbd.model.request import Ask
from lbd.model.table import DeploymentView
from lbd.model.units import DeploymentId, Ratio

_MASK = (1 << 64) - 1


@TERMS.add("affinity")
def affinity(_ask: Ask, _row: DeploymentView, _predicted: Predicted) -> Ratio:
    """Return the neutral value: every row alike."""
    return 0.0


def preference(key: int, row: DeploymentId) -> int:
    """Return the rendezvous weight of ``row`` for a session or prefix; the highest is its home.

    Rendezvous hashing: when a row goes away, only its own sessions move. CRC-32 alone is linear, which would
    favour some rows; the finisher of splitmix64 makes the weights of rows independent.
    """
    x = (zlib.crc32(row.encode()) << 32 | key & 0xFFFFFFFF) & _MASK
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & _MASK
    return x ^ x >> 31
