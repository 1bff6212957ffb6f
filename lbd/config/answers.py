"""What a configuration says of answers and prompts: checked, and as the specs that requests are served by."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import orjson

from lbd.config.callers import ValidateConfig
from lbd.model.provider import PromptSpec
from lbd.model.validation import Validation
from lbd.shapes.providers import PromptConfig
from lbd.shapes.validate import pattern, schemas

VERSION = 12  # hexadecimal digits of a prompt's hash


def validation(given: ValidateConfig | None, error: Callable[[str | None, str], None]) -> Validation | None:
    """Return what a surface holds answers to; ``error`` is told each key (None: all of them) and what is wrong."""
    if given is None:
        return None
    schema = orjson.dumps(given.json_schema) if isinstance(given.json_schema, dict) else None
    if schema is not None and (why := schemas.problem(schema)) is not None:
        error("json_schema", why)
    if given.json_schema is True and (why := schemas.problem(b"{}")) is not None:
        error("json_schema", why)
    if given.regex is not None:
        try:
            pattern.compiled(given.regex)
        except ValueError as e:
            error("regex", str(e))
    if given.min_chars is not None and given.max_chars is not None and given.min_chars > given.max_chars:
        error("max_chars", f"is less than min_chars, which is {given.min_chars}")
    wanted = Validation(
        schema,
        given.json_schema is True,
        given.regex,
        given.min_chars,
        given.max_chars,
        given.refusal is not None,
        given.language,
        given.on_failure == "pass",
    )
    if not wanted.checks:
        error(None, "names no check: json_schema, regex, min_chars, max_chars, refusal or language")
    return wanted


def prompt(given: PromptConfig | None) -> PromptSpec | None:
    """Return what a deployment adds to prompts with the hash that stands for it, None where that is nothing."""
    if given is None or not (given.system or given.prefix or given.suffix):
        return None
    texts = orjson.dumps([given.system, given.prefix, given.suffix])
    return PromptSpec(given.system, given.prefix, given.suffix, hashlib.sha256(texts).hexdigest()[:VERSION])
