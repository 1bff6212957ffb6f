"""The list of models, as OpenAI's and as Anthropic's clients read it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any


def openai(name: str, born: int) -> dict[str, Any]:
    """Return one model."""
    return {"id": name, "object": "model", "created": born, "owned_by": "lbd"}


def openai_list(names: Sequence[str], born: int) -> dict[str, Any]:
    """Return all of them."""
    return {"object": "list", "data": [openai(name, born) for name in names]}


def anthropic(name: str, born: int) -> dict[str, Any]:
    """Return one model."""
    created = datetime.fromtimestamp(born, UTC).isoformat().replace("+00:00", "Z")
    return {"type": "model", "id": name, "display_name": name, "created_at": created, "lifecycle": "active"}


def anthropic_list(names: Sequence[str], born: int) -> dict[str, Any]:
    """Return all of them: one page, since there are few."""
    return {
        "data": [anthropic(name, born) for name in names],
        "has_more": False,
        "first_id": names[0] if names else None,
        "last_id": names[-1] if names else None,
    }


def document(name: str, names: Sequence[str], born: int, *, anthropics: bool) -> dict[str, Any]:
    """Return one model, or with no name all of them, as OpenAI's or Anthropic's clients read it."""
    if anthropics:
        return anthropic(name, born) if name else anthropic_list(names, born)
    return openai(name, born) if name else openai_list(names, born)
