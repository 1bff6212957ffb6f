"""Token counts as the Responses API writes them."""

from __future__ import annotations

from typing import Any

import msgspec

from lbd.model.outcome import Usage
from lbd.shapes.chat.usage import count


class UsageFields(msgspec.Struct):
    """Counts of any type; what is no count is not known."""

    input_tokens: Any = None
    output_tokens: Any = None
    input_tokens_details: Any = None
    output_tokens_details: Any = None

    def usage(self) -> Usage | None:
        """Return it in lbd's own words, None where neither prompt nor completion was counted."""
        prompt, completion = count(self.input_tokens), count(self.output_tokens)
        if prompt is None and completion is None:
            return None
        whole = prompt or 0
        # parts of the prompt: more of them than there is would make the answer's cost negative
        cached = min(_detail(self.input_tokens_details, "cached_tokens"), whole)
        written = min(_detail(self.input_tokens_details, "cache_write_tokens"), whole - cached)
        reasoning = _detail(self.output_tokens_details, "reasoning_tokens")
        return Usage(whole, completion or 0, cached, reasoning, written=written)


def _detail(details: object, name: str) -> int:
    return (count(details.get(name)) or 0) if isinstance(details, dict) else 0


def read(found: object) -> Usage | None:
    """Return the usage of whatever stands in its place."""
    return msgspec.convert(found, UsageFields).usage() if isinstance(found, dict) else None


def fields(usage: Usage) -> dict[str, Any]:
    """Return counts as the Responses API writes them."""
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.written},
        "output_tokens": usage.completion,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.prompt + usage.completion,
    }
