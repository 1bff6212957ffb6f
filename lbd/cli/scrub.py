"""Take secrets out of what is handed to others: by the names they stand under, by how they look, and by what they are.

Each alone misses some: a name may be new, a key may look like a word, and a reference may lead nowhere from here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from lbd.config.secrets import SecretError, resolve
from lbd.model.secret import SecretRef

MASK = "***"
SHORTEST = 6  # characters: a shorter secret is in half of all words, and replacing it would tell what it is
_REFERENCE = frozenset({"env", "file", "credential"})
_NAME = re.compile(
    r"(?:^|_|-)(?:key|token|secret|password|passwd|authorization|cookie|webhook|slack|alertmanager|credentials?|dsn)(?:$|_|-)",
    re.IGNORECASE,
)
_NO_SECRET = frozenset({"token_per_min", "key_id"})
_LOOKS = (
    re.compile(r"(?<=://)[^/@\s\"']+@"),
    re.compile(r"\b(?:sk|pk|rk|gsk|hf|ghp|xai|whsec|xox[abp])[-_][A-Za-z0-9_-]{8,}"),
    re.compile(r"\b(?:AKIA|ASIA|AIza)[A-Za-z0-9_-]{12,}"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]+){0,2}"),
    re.compile(r"(?i)\b(?:bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
)


def masked(value: Any, name: str = "") -> Any:
    """Return a document without the texts that stand under a secret's name; references stay, since they are none."""
    if isinstance(value, dict):
        if name == "headers":  # any of them may carry a credential
            return dict.fromkeys(value, MASK)
        return {k: masked(v, str(k)) for k, v in value.items()}
    if isinstance(value, list):
        return [masked(v, name) for v in value]
    if isinstance(value, str) and _NAME.search(name) and name not in _NO_SECRET:
        return MASK
    return value


def known(tree: Any, environ: Mapping[str, str]) -> set[str]:
    """Return the secrets that a configuration names, as far as they can be followed from here."""
    found: set[str] = set()
    for ref in _references(tree):
        try:
            found.add(resolve(ref, inline=True, environ=environ, words=True).reveal())
        except SecretError:  # it is not readable here, or nowhere
            continue
    return found


def _references(value: Any, name: str = "") -> Iterator[SecretRef | str]:
    if isinstance(value, dict):
        if len(value) == 1 and _REFERENCE.issuperset(value) and isinstance(next(iter(value.values())), str):
            yield SecretRef(**value)
        elif name == "headers":
            yield from (v for v in value.values() if isinstance(v, str) and v)
        else:
            for key, inner in value.items():
                yield from _references(inner, str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner, name)
    elif isinstance(value, str) and value and _NAME.search(name) and name not in _NO_SECRET:
        yield value


def scrubbed(text: str, secrets: Collection[str] = ()) -> str:
    """Return a text without anything that looks like a secret, or is one of these."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SHORTEST:
            text = text.replace(secret, MASK)
    for pattern in _LOOKS:
        text = pattern.sub(f"{MASK}@" if pattern is _LOOKS[0] else MASK, text)
    return text
