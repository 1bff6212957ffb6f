"""Token counts as the OpenAI family writes them: strictly where they are in order, else as far as they can be read.

An answer is good whatever its provider makes of counting: a count that cannot be read is not known, no more.
"""

from __future__ import annotations

import contextlib
from typing import Annotated

import msgspec

from lbd.model.outcome import Usage

MOST_TOKENS = 1_000_000_000  # no answer is that long: what is beyond it is no count
_Tokens = Annotated[int, msgspec.Meta(ge=0, le=MOST_TOKENS)]


class _PromptDetails(msgspec.Struct):
    cached_tokens: _Tokens | None = None
    cache_write_tokens: _Tokens | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: _Tokens | None = None


class UsageFields(msgspec.Struct):
    """Usage that is in order."""

    prompt_tokens: _Tokens | None = None
    completion_tokens: _Tokens | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None

    def usage(self) -> Usage | None:
        """Return it in lbd's own words, None where neither prompt nor completion was counted."""
        if self.prompt_tokens is None and self.completion_tokens is None:
            return None
        prompt, completion, whole = self.prompt_tokens_details, self.completion_tokens_details, self.prompt_tokens or 0
        # parts of the prompt: more of them than there is would make the answer's cost negative
        cached = min(prompt.cached_tokens or 0, whole) if prompt else 0
        return Usage(
            whole,
            self.completion_tokens or 0,
            cached,
            (completion.reasoning_tokens or 0) if completion else 0,
            written=min(prompt.cache_write_tokens or 0, whole - cached) if prompt else 0,
        )


def odd(found: object) -> UsageFields | None:
    """Read usage of whatever types: ``12.0`` and ``"12"`` are 12, what is no count is left out; None for null."""
    if found is None:
        return None
    prompt, completion = _of(found, "prompt_tokens_details"), _of(found, "completion_tokens_details")
    return UsageFields(
        count(_of(found, "prompt_tokens")),
        count(_of(found, "completion_tokens")),
        _PromptDetails(count(_of(prompt, "cached_tokens")), count(_of(prompt, "cache_write_tokens"))),
        _CompletionDetails(count(_of(completion, "reasoning_tokens"))),
    )


def _of(value: object, key: str) -> object:
    return value.get(key) if isinstance(value, dict) else None


def count(value: object) -> int | None:
    """Return a count of tokens, None for what is none."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = float(value)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= MOST_TOKENS:
        return None
    return int(value)
