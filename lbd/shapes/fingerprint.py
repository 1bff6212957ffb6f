"""``system_fingerprint``: which build of a model answered, as OpenAI and its kin tell it in every answer or event.

https://platform.openai.com/docs/api-reference/chat/object
"""

from __future__ import annotations

import re

# Inside a JSON string the quotes would be escaped, so no text of a model can look like this.
_NAME = b'"system_fingerprint"'
_VALUE = re.compile(rb'\s*:\s*"([ -!#-\[\]-~]{1,128})"')


def fingerprint(data: bytes) -> str | None:
    """Return it out of an answer's or a stream's bytes, None where none is told."""
    at = data.find(_NAME)
    if at < 0:
        return None
    found = _VALUE.match(data, at + len(_NAME))
    return None if found is None else found[1].decode("ascii")
