"""What one request wants its own answer held to: the words of ``x-lbd-validate``.

``json_schema, refusal, language=de, min_chars=1, max_chars=500, on_failure=pass``, in any order. Expressions, and
schemas of other origin, stand in the configuration only: a request's
schema is the one that it names for its answer anyway.
"""

from __future__ import annotations

from typing import Any

from lbd.model.validation import LANGUAGES, Validation
from lbd.shapes.validate import schemas

WORDS = ("json_schema", "refusal", "language=<code>", "min_chars=<n>", "max_chars=<n>", "on_failure=pass")
_FLAGS = {"json_schema": "own_schema", "refusal": "refusal", "on_failure=pass": "serve_last"}
_MOST = 10  # digits


def read(text: str) -> Validation:
    """Return what is wanted. Raises ValueError with the reason."""
    found: dict[str, Any] = {}
    for word in (w.strip() for w in text.split(",")):
        name, _, value = word.partition("=")
        if word in _FLAGS:
            found[_FLAGS[word]] = True
        elif name == "language" and value in LANGUAGES:
            found[name] = value
        elif name == "language":
            raise ValueError(f"names no language that can be told: {', '.join(LANGUAGES)}")
        elif name in ("min_chars", "max_chars") and value.isascii() and value.isdigit() and len(value) <= _MOST:
            found[name] = int(value)
        else:
            raise ValueError(f"is not understood at {word[:40]!r}. Known: {', '.join(WORDS)}")
    wanted = Validation(**found)
    if not wanted.checks:
        raise ValueError(f"names no check. Known: {', '.join(WORDS)}")
    if wanted.min_chars is not None and wanted.max_chars is not None and wanted.min_chars > wanted.max_chars:
        raise ValueError(f"asks for at most {wanted.max_chars} characters and for at least {wanted.min_chars}")
    if wanted.own_schema and not schemas.available():
        raise ValueError(f"cannot ask for json_schema: it {schemas.MISSING}")
    return wanted
