"""The units that names and signatures carry.

These are plain aliases, not ``NewType``: a ``NewType`` call costs 48 ns and the request path would pay
it hundreds of times, while an alias documents the unit at no cost.
"""

from __future__ import annotations

from typing import TypeAlias

Seconds: TypeAlias = float  # a duration
Instant: TypeAlias = float  # a point on the monotonic clock, in seconds
WallTime: TypeAlias = float  # seconds since the Unix epoch; for records and people only
Millis: TypeAlias = float
Micros: TypeAlias = float
Tokens: TypeAlias = int
Ratio: TypeAlias = float  # 0..1
UsdPerMTok: TypeAlias = float  # US dollars for a million tokens
NanoUsd: TypeAlias = int  # 1e-9 US dollars: money is an integer wherever it is added up
DeploymentId: TypeAlias = str  # "provider/name"
Draw: TypeAlias = float  # a uniform random number in [0, 1), drawn at the rim

NANO_PER_USD = 1_000_000_000
NANO_PER_TOKEN = 1000  # one USD per million tokens is 1,000 nano-USD a token

# Bytes of English text that make a token, by OpenAI's own rule of thumb: where a provider counts nothing.
BYTES_PER_TOKEN = 4
