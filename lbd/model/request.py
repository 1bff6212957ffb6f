"""What a request is to lbd: the bytes that came, the little that was read out of them, and the Ask.

``Body`` keeps the client's bytes untouched. ``Head`` is what routing and relaying need of them,
extracted once. ``Ask`` is all that routing may look at; it never holds the prompt, so that it can be
journaled and a decision can be executed again from its record.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from lbd.model.units import Ratio, Seconds, Tokens
from lbd.model.validation import Validation


class Urgency(StrEnum):
    """The urgency half of a request's class."""

    INTERACTIVE = "interactive"
    BACKGROUND = "background"


class AfterContent(StrEnum):
    """What becomes of a stream that breaks after its first content."""

    SPLICE = "splice"  # run again elsewhere, and gone on with from an exact match
    ERROR = "error"  # a typed error event at once
    RESTART = "restart"  # begun anew, behind an event that says so


class Head(msgspec.Struct, frozen=True):
    """What lbd read out of a request body.

    ``needs`` are capability words (``tools``, ``images``, ``json_schema``, ...) that a deployment must carry.
    ``text_bytes`` is the size of the conversation part, the base of the token estimate.
    ``prefix_hash`` identifies the start of the conversation, for prompt-cache affinity; 0 when it is too
    short for a cache to matter.
    """

    model: str
    stream: bool = False
    include_usage: bool = False
    max_output_tokens: Tokens | None = None
    n: int = 1
    draws: int = 1  # answers that are written where only the best ``n`` of them are given
    needs: frozenset[str] = frozenset()
    text_bytes: int = 0
    prefix_hash: int = 0
    service_tier: str | None = None
    metadata: dict[str, object] | None = None
    marked: bool = False  # it may hold tokens that lbd kept for another provider


class Body(msgspec.Struct, frozen=True):
    """A client's request: raw bytes plus their Head."""

    shape: str  # of the client: "openai.chat"
    raw: bytes
    head: Head


class Wishes(msgspec.Struct, frozen=True):
    """What one request asked of lbd itself, by header or ``metadata`` key."""

    surface: str | None = None
    urgency: Urgency | None = None
    max_latency_s: Seconds | None = None
    max_usd: float | None = None
    quality_floor: Ratio | None = None
    session: str | None = None
    pin: str | None = None
    dry_run: bool = False
    validation: Validation | None = None
    after_content: AfterContent | None = None


class Ask(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """Everything a decision may depend on, besides the table and the draws.

    Sizes are rounded up to coarse steps, so that like requests share one remembered ranking and every
    bound computed from an Ask errs on the safe side. ``target`` is the resolved name (see
    :mod:`lbd.model.plan`); ``allow`` are the client's model patterns, empty for no restriction.
    """

    target: str
    urgency: Urgency = Urgency.INTERACTIVE
    stream: bool = False
    input_tokens: Tokens = 0
    output_tokens: Tokens | None = None  # the client's own limit on each of its answers, where it set one
    choices: int = 1  # answers to one prompt
    needs: frozenset[str] = frozenset()
    surface: str = ""
    slo_s: Seconds | None = None  # the request's or surface's target for the first content
    first_content_s: Seconds = 10.0  # bound for the first content, counted from arrival
    total_s: Seconds = 600.0  # bound for the whole answer, counted from arrival
    max_usd: float | None = None
    quality_floor: Ratio = 0.0
    allow: tuple[str, ...] = ()
    fallback: bool = True  # False: one model or a clear error
    usage_needed: bool = True
    shape: str = "openai.chat"  # what the client speaks
    family: str = ""  # what kind of question the prompt is held to be
    excess: float = 0.0  # how much more than usual the prompt gains from a strong model, in steps
    doubt: Ratio = 0.0  # how far the prompt is from all that the judge has seen, in steps
    quality_share: Ratio = 0.0  # the cheapest that is held to do so well, as a share of the best; 0: the best tier
    peak: bool = False
    variant: str = ""  # the experiment whose treatment it gets
