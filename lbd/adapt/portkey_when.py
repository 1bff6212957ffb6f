"""Portkey's conditions as ours: a query becomes one or more ``when``, of which any has to hold."""

from __future__ import annotations

import re
from typing import Any

from lbd.adapt.draft import Draft
from lbd.adapt.words import literal, slug
from lbd.config.tree import Path_

When = dict[str, Any]
HEADER = "x-meta-"  # before the name of a key of the metadata
_SIMPLE = re.compile(r"(\^?)([A-Za-z0-9_./:\\-]+)((?:\.\*)?\$?)")


def conditions(query: object, path: Path_, draft: Draft) -> list[When]:
    """Return what a query means, each without what is missing here; none where nothing of it can be said."""
    found = _query(query, path, draft) if isinstance(query, dict) and query else None
    if not found or not all(found):
        draft.lost(
            path, "this condition has no counterpart: its rule is left out", "its target can be asked for by name"
        )
        return []
    return found


def _query(query: dict[str, Any], path: Path_, draft: Draft) -> list[When] | None:
    """Return the alternatives of a query; None where a part of it cannot be said."""
    out: list[When] = [{}]
    for key, value in query.items():
        at = (*path, key)
        if key in ("$or", "$and") and isinstance(value, list):
            parts = [_query(q, (*at, i), draft) for i, q in enumerate(value) if isinstance(q, dict)]
            good = [p for p in parts if p is not None]
            if len(good) < len(parts) or not good:
                return None
            if key == "$or":
                out = _both(out, [when for part in good for when in part])
            else:
                for part in good:
                    out = _both(out, part)
        else:
            one = _part(key, value, at, draft)
            if one is None:
                return None
            out = _both(out, one)
    return out


def _both(left: list[When], right: list[When]) -> list[When]:
    out = []
    for a in left:
        for b in right:
            headers = {**a.get("header", {}), **b.get("header", {})}
            out.append({**a, **b, **({"header": headers} if headers else {})})
    return out


def _part(key: str, value: object, path: Path_, draft: Draft) -> list[When] | None:
    patterns = _patterns(value)
    if patterns is None:
        return None
    if key == "params.model":
        return [{"model": patterns}]
    if key.startswith("metadata."):
        name = f"{HEADER}{slug(key.removeprefix('metadata.'))}"
        draft.note("changed", path, f"metadata is read from a header of its own: {name}",
                   f"Send {name} beside x-portkey-metadata (default_headers of the SDKs)")  # fmt: skip
        return [{"header": {name: pattern}} for pattern in patterns]
    return None


def _patterns(value: object) -> list[str] | None:
    """Return the patterns that a comparison means, any of which fits; None for what is no such comparison."""
    if not isinstance(value, dict):
        return [literal(value)]
    if len(value) != 1:
        return None
    operator, wanted = next(iter(value.items()))
    if operator == "$eq":
        return [literal(wanted)]
    if operator == "$in" and isinstance(wanted, list) and wanted:
        return [literal(w) for w in wanted]
    if operator == "$regex" and (found := _SIMPLE.fullmatch(str(wanted))) is not None:
        body = found[2].replace("\\", "")
        before = "" if found[1] else "*"
        after = "" if found[3] == "$" else "*"
        return [f"{before}{literal(body)}{after}"]
    return None
