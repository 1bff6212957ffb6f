"""Work on files: sound to be written down, images to be changed. A form goes to who declares it, as it came.

Only the model's name is another where the provider has another. The form's own first line says what delimits it;
whose Content-Type says something else is refused, since the provider would read another form than lbd.
"""

from __future__ import annotations

import re
from functools import partial

from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body, Head
from lbd.model.units import WallTime
from lbd.shapes import multipart, plain
from lbd.shapes.wire import Facts, Wire

_JSON = re.compile(rb'\s*\{\s*"')
_LONGEST = 72  # of a delimiter: two hyphens and a boundary (RFC 2046 5.1.1)


def _delimiter(raw: bytes) -> bytes:
    line = raw[: _LONGEST + 2].partition(b"\r\n")
    if not raw.startswith(b"--") or not line[1]:
        raise ValueError("the form must begin with its boundary")
    return line[0].rstrip(b" \t")


def agrees(content_type: str, raw: bytes) -> bool:
    """Tell whether a form is delimited as its Content-Type says."""
    try:
        return _delimiter(raw) == b"--" + multipart.boundary(content_type)
    except ValueError:
        return False


def fields(raw: bytes) -> dict[str, tuple[int, int]]:
    """Return where the contents of a form's fields are; of several of one name the last. Raises ValueError.

    Who names the model twice means one thing to lbd and another to the provider.
    """
    out: dict[str, tuple[int, int]] = {}
    for at, stop in multipart.spans(_delimiter(raw), raw):
        name, _, start = multipart.head(raw, at, stop)
        if name == "model" and name in out:
            raise ValueError("it names its model twice")
        out[name] = (start, stop)
    return out


def read(raw: bytes) -> Head:
    """Read what routing needs. Raises ValueError."""
    found = fields(raw)
    at, stop = found.get("model", (0, 0))
    begin, end = found.get("prompt", (0, 0))
    return Head(model=raw[at:stop].decode(), text_bytes=max(1, end - begin))


def with_model(raw: bytes, model: str) -> bytes:
    """Return the form with another model's name. Raises ValueError."""
    span = fields(raw).get("model")
    if span is None:
        own = b'\r\nContent-Disposition: form-data; name="model"\r\n\r\n%b\r\n' % model.encode()
        return _delimiter(raw) + own + raw
    return raw[: span[0]] + model.encode() + raw[span[1] :]


def encode(body: Body, row: DeploymentSpec, _stream: bool, _ask_usage: bool) -> bytes:
    """Return the client's own form with the upstream model's name."""
    model = row.upstream_model
    return body.raw if model == body.head.model else with_model(body.raw, model)


def facts(body: bytes, wall: WallTime = 0.0) -> Facts:
    """Read what was heard: JSON as any other answer; words and subtitles are whatever they are."""
    if _JSON.match(body) is None:  # silence is an empty text
        return Facts()
    return plain.facts(None, body, wall)


def _heard(path: str) -> Wire:
    return Wire(path=path, carries=frozenset(), encode=encode, facts=facts, serves="transcriptions")


FORMS = {
    "openai.transcriptions": _heard("/audio/transcriptions"),
    "openai.translations": _heard("/audio/translations"),
    "openai.image_edits": Wire(
        path="/images/edits",
        carries=frozenset(),
        encode=encode,
        facts=partial(plain.facts, "data"),
        serves="images",
    ),
}
