"""What the Responses API keeps between requests, and lbd does not.

A response that is kept at one provider is unknown at every other, so what leans on one is refused by name, with what to
send in its place. ``store`` is true at OpenAI where it is left out; here it is false, and an application that asks for
it explicitly means to come back for the response, which would fail later and say less.
"""

from __future__ import annotations

import re

from lbd.model.failure import Failure, FailureKind

_INSTEAD = "send the earlier items, outputs included, in input"
_REMEDIES = {
    "previous_response_id": f"lbd keeps no responses; {_INSTEAD}, and set store to false",
    "conversation": f"lbd keeps no conversations; {_INSTEAD}",
    "background": "lbd answers in the background what is asked at /v1/responses by itself, without a stream",
    "store": "lbd keeps no responses to come back for; set it to false",
}
_WHERE = "clients that would send references do so where store is false"
_REFERENCE = f"lbd has no such item to refer to; {_INSTEAD}: {_WHERE}"
# A quote in a prompt is escaped, so these bytes can only be JSON structure.
_REFERS = re.compile(rb'"type"\s*:\s*"item_reference"')


def refusal(name: str, why: str, at: str | None = None) -> Failure:
    """Return the failure of what lbd cannot do for anybody."""
    return Failure(FailureKind.BAD_REQUEST, f"{at or name}: {why}", param=at or name, code="unsupported_parameter")


def kept(previous_response_id: object, conversation: object, background: object, store: object) -> Failure | None:
    """Return the failure where a request leans on what was kept, or wants something to be."""
    asked = {
        "previous_response_id": previous_response_id is not None,
        "conversation": conversation is not None,
        "background": background is True,
        "store": store is True,
    }
    return next((refusal(name, _REMEDIES[name]) for name, wanted in asked.items() if wanted), None)


def refers(items: memoryview | bytes) -> bool:
    """Tell whether one of these items (JSON) is only a reference to a kept one."""
    return _REFERS.search(items) is not None


def forgotten(id_: str) -> Failure:
    """Return the failure of a reference to an item that is not, or no longer, kept for this client."""
    return refusal("input", f"lbd has no item {id_[:80]!r}, or no longer; {_INSTEAD}: {_WHERE}")


def ambiguous(id_: str) -> Failure:
    """Return the failure of a reference by an id that this client was told of more than one item."""
    return refusal("input", f"more than one item bears the id {id_[:80]!r}; {_INSTEAD}: {_WHERE}")


def reference(at: str = "input") -> Failure:
    """Return the failure of a reference to a kept item."""
    return refusal("input", _REFERENCE, at)
