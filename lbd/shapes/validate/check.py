"""Holding a whole answer to what was asked of it: the answer's text, choice by choice, against each check in turn.

The reason names the check and what it found in the words of the configuration. It never repeats the answer: reasons are
kept in the record of the request, and answers are not.
"""

from __future__ import annotations

from lbd.model.failure import Failure, FailureKind
from lbd.model.request import Body
from lbd.model.validation import Validation
from lbd.shapes.validate import pattern, schemas
from lbd.shapes.validate.language import speaks_other
from lbd.shapes.validate.refusal import refuses
from lbd.shapes.validate.texts import READERS, Said, own_schema, said


def applies(shape: str, *, stream: bool) -> bool:
    """Tell whether answers to such a request can be held to anything: whole ones, that say something."""
    return not stream and shape in READERS


def judged(wanted: Validation, body: Body, answer: bytes) -> Failure | None:
    """Return why an answer is not good enough, None where it is, or where that cannot be told."""
    own = own_schema(body.shape, body.raw) if wanted.own_schema else None
    for number, one in enumerate(said(body.shape, answer)):
        why = _fault(wanted, own, one)
        if why is not None:
            which = f" (choice {number})" if number else ""
            return Failure(FailureKind.INVALID_ANSWER, f"the answer is not valid: {why}{which}")
    return None


def _fault(wanted: Validation, own: bytes | None, one: Said) -> str | None:
    text = one.text
    if wanted.refusal and (one.refused or refuses(text)):
        return "refusal: the model refuses" if one.refused else "refusal: it begins like a refusal"
    if one.calls:  # the conversation goes on; what is asked of the answer is asked of its last word
        return None
    if wanted.min_chars is not None and len(text) < wanted.min_chars:
        return f"min_chars: {len(text)} characters, at least {wanted.min_chars} were asked for"
    if wanted.max_chars is not None and len(text) > wanted.max_chars:
        return f"max_chars: {len(text)} characters, at most {wanted.max_chars} were asked for"
    if wanted.regex is not None and not _matches(wanted.regex, text):
        return "regex: the expression is not found in it"
    # the request's own schema is narrower than the surface's; without one the surface's holds
    schema = wanted.schema if own is None else own
    if schema is not None and (broken := _breaks(schema, text, own is not None)) is not None:
        return f"json_schema: {broken}"
    if wanted.language is not None and (other := speaks_other(text, wanted.language)) is not None:
        return f"language: {other} instead of {wanted.language}"
    return None


def _matches(expression: str, text: str) -> bool:
    found, window = pattern.compiled(expression)
    return len(text) > window or found.search(text) is not None


def _breaks(schema: bytes, text: str, of_request: bool) -> str | None:
    try:
        checker = schemas.compiled(schema, schemas.MOST_NODES if of_request else None)
    except ValueError:  # of a request: its own business, and its provider's
        return None
    return checker.fault(text)
