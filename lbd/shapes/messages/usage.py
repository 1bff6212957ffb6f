"""Token counts as Anthropic writes them.

Its ``input_tokens`` are only those that were neither read from the cache nor written to it; lbd's own count of a prompt
holds all of them, as OpenAI's does.
"""

from __future__ import annotations

from typing import Any

import msgspec

from lbd.model.outcome import Usage
from lbd.shapes.chat.usage import count


class UsageFields(msgspec.Struct):
    """Counts of any type; what is no count is not known."""

    input_tokens: Any = None
    output_tokens: Any = None
    cache_read_input_tokens: Any = None
    cache_creation_input_tokens: Any = None
    output_tokens_details: Any = None

    def usage(self, known: Usage | None = None) -> Usage | None:
        """Return the counts, after what an earlier event told; None where nothing was."""
        fresh, out = count(self.input_tokens), count(self.output_tokens)
        read, written = count(self.cache_read_input_tokens), count(self.cache_creation_input_tokens)
        if fresh is None and out is None and read is None and written is None:
            return known
        details = self.output_tokens_details
        thought = count(details.get("thinking_tokens")) if isinstance(details, dict) else None
        old = known or Usage()
        before = old.prompt - old.cached - old.written
        fresh = before if fresh is None else fresh
        read = old.cached if read is None else read
        written = old.written if written is None else written
        return Usage(
            fresh + read + written,
            old.completion if out is None else out,
            read,
            old.reasoning if thought is None else thought,
            written=written,
        )


def fields(usage: Usage) -> dict[str, Any]:
    """Return counts as Anthropic writes them."""
    told: dict[str, Any] = {
        "input_tokens": max(0, usage.prompt - usage.cached - usage.written),
        "cache_creation_input_tokens": usage.written,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.completion,
    }
    if usage.reasoning:
        told["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return told
