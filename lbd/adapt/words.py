"""Words and numbers of other gateways, as ours are written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

REFERENCE = re.compile(r"(?:os\.environ/|env\.|env:|\$\{\{? ?|\$|\{\{ ?)([A-Za-z_][A-Za-z0-9_]*)(?: ?\}\}?)?\Z")
_NOT_SLUG = re.compile(r"[^a-z0-9._-]+")
_NOT_ENV = re.compile(r"[^A-Z0-9]+")


def slug(text: str) -> str:
    """Return a text as a name of ours: letters a-z, digits, dots, dashes, underscores."""
    return _NOT_SLUG.sub("-", text.lower()).strip("-.") or "unnamed"


def variable(text: str) -> str:
    """Return a text as the name of an environment variable."""
    name = _NOT_ENV.sub("_", text.upper()).strip("_") or "KEY"
    return f"KEY_{name}" if name[0].isdigit() else name


def literal(value: object) -> str:
    """Return a pattern that fits this value alone, written as JSON writes it."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return re.sub(r"([*?\[])", r"[\1]", text)


def snake(given: dict[str, Any]) -> dict[str, Any]:
    """Return a map with its keys in snake case: SDKs and charts write them in camel case, too."""
    return {"".join(f"_{c.lower()}" if c.isupper() else c for c in str(key)): value for key, value in given.items()}


def number(value: object) -> float | None:
    """Return a number, also one that is written as a text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def whole(value: object) -> int | None:
    """Return a count of at least 1, None for anything else."""
    found = number(value)
    return int(found) if found is not None and found >= 1 else None


def per_mtok(usd_per_token: object) -> float | None:
    """Return USD per million tokens, None for what is no price: ours are at most a dollar for a token."""
    found = number(usd_per_token)
    return None if found is None or not 0 <= found <= 1 else round(found * 1e6, 6)


def budget(usd: object, period: object) -> dict[str, float] | None:
    """Return a budget for one of our periods, None where it has none of them: ours are of the calendar, in UTC."""
    limit = number(usd)
    key = {
        "1h": "usd_per_hour", "60m": "usd_per_hour", "hourly": "usd_per_hour",
        "1d": "usd_per_day", "24h": "usd_per_day", "daily": "usd_per_day",
        "1mo": "usd_per_month", "1M": "usd_per_month", "30d": "usd_per_month", "31d": "usd_per_month",
        "monthly": "usd_per_month",
    }.get(str(period))  # fmt: skip
    return None if limit is None or limit < 0 or key is None else {key: limit}


def free(name: str, taken: Iterable[str], joint: str) -> str:
    """Return the name, or the first with a number behind it that is not taken."""
    taken = set(taken)
    found, n = name, 1
    while found in taken:
        n += 1
        found = f"{name}{joint}{n}"
    return found


def maps(value: object) -> list[dict[str, Any]]:
    """Return the maps of a list; none of what is no list."""
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def texts(value: object) -> list[str]:
    """Return the texts of a list; none of what is no list."""
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []


def mapping(value: object) -> dict[str, Any]:
    """Return a map, an empty one for what is none."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> list[Any]:
    """Return a list, an empty one for what is none."""
    return value if isinstance(value, list) else []


def references(value: object) -> set[str]:
    """Return the environment variables that a value speaks of."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return set().union(*map(references, inner)) if inner else set()
    found = REFERENCE.match(value.strip()) if isinstance(value, str) else None
    return set() if found is None else {found[1]}
