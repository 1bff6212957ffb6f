"""Every registered client shape against what the core expects of one."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd import plugins
from lbd.model.failure import TABLE, Failure, FailureKind
from lbd.model.request import Head
from lbd.shapes import bridge, sse
from lbd.shapes.clients import ClientShape
from lbd.shapes.providers import Service
from tests.unit.shapes.streams import spec_events

SHAPES = dict(plugins.load().clients)

every_shape = pytest.mark.parametrize("shape", list(SHAPES.values()), ids=list(SHAPES))

texts = st.text(max_size=40)
failures = st.builds(
    Failure,
    st.sampled_from(list(FailureKind)),
    texts,
    status=st.none() | st.integers(100, 599),
    retry_after_s=st.none() | st.floats(0, 100),
    body=st.none() | st.binary(max_size=20),
    code=st.none() | texts,
    param=st.none() | texts,
)


# what clients of each shape send in common: a model, a few words, a bound, a wish for a stream
SMALL: dict[str, dict[str, Any]] = {
    "openai.chat": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5, "stream": True},
    "openai.completions": {"prompt": "hi", "max_tokens": 5, "stream": True},
    "openai.responses": {"input": "hi", "max_output_tokens": 5, "stream": True},
    "openai.input_tokens": {"input": "hi"},
    "openai.embeddings": {"input": "hi"},
    "openai.moderations": {"input": "hi"},
    "openai.images": {"prompt": "hi"},
    "openai.speech": {"input": "hi", "voice": "x"},
    "openai.transcriptions": {},
    "openai.translations": {},
    "openai.image_edits": {},
    "anthropic.messages": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5, "stream": True},
    "anthropic.count_tokens": {"messages": [{"role": "user", "content": "hi"}]},
}
FORM = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n--x--\r\n'
PING = "ping"
SERVICES = get_args(Service)


def error_of(shape: ClientShape, body: bytes) -> dict[str, Any]:
    """Return the error object of a body, which must hold nothing else, in the envelope that its clients know."""
    data = json.loads(body)
    error: dict[str, Any] = data["error"]
    assert isinstance(error["message"], str)
    assert isinstance(error["type"], str)
    if shape.name.startswith("anthropic."):
        assert data.keys() == {"type", "error"} and data["type"] == "error"
        assert error.keys() == {"type", "message"}
        return error
    assert data.keys() == {"error"}
    assert error.keys() == {"message", "type", "param", "code"}
    assert isinstance(error["code"], str)
    assert error["param"] is None or isinstance(error["param"], str)
    return error


@every_shape
def test_a_shape_is_registered_under_its_own_name(shape: ClientShape) -> None:
    """And some provider can be asked in it, as it is or translated, or lbd answers by itself."""
    assert SHAPES[shape.name] is shape
    assert shape.estimate is not None or any(
        shape.name in bridge.wires(provider, "m", SERVICES) for provider in plugins.load().shapes.values()
    )


@every_shape
@pytest.mark.parametrize("kind", list(FailureKind))
def test_a_failure_of_every_kind_has_a_body(shape: ClientShape, kind: FailureKind) -> None:
    """In the client's own envelope, whoever failed."""
    error = error_of(shape, shape.error_body(Failure(kind, "why")))
    assert error["message"] == "why"
    assert 400 <= shape.status(Failure(kind, "why")) < 600
    if "code" in error:
        assert (error["type"], error["param"]) == (TABLE[kind].type, None)
        assert error["code"]


@every_shape
@given(failures)
def test_an_error_body_says_what_the_failure_says(shape: ClientShape, failure: Failure) -> None:
    """Quotes, line ends and any letter included; the shape takes its own words back."""
    body = shape.error_body(failure)
    error = error_of(shape, body)
    assert failure.message in error["message"]
    if "code" in error:
        assert error["param"] == failure.param
        # but for the code that every application goes by, whatever a provider calls it, and what is not its concern
        own = (FailureKind.CONTEXT, FailureKind.AUTH, FailureKind.MONEY)
        assert not failure.code or error["code"] == failure.code or failure.kind in own
    assert shape.passes(body)


@every_shape
@given(failures)
def test_an_error_event_is_one_whole_event(shape: ClientShape, failure: Failure) -> None:
    """It is the last thing that a client of a broken stream reads, and no end mark follows it."""
    raw = shape.error_event(failure)
    assert sse.Framer().feed(raw) == raw
    [(kind, data)] = spec_events(raw)
    assert data != "[DONE]"
    told = json.loads(data)
    assert kind in ("", "error")
    assert failure.message in (told.get("message") or told["error"]["message"])


@every_shape
def test_a_keep_alive_is_whole_and_reaches_no_application(shape: ClientShape) -> None:
    """It may stand before, between and after events and changes none."""
    frame = shape.keep_alive
    assert sse.Framer().feed(frame) == frame
    assert [kind for kind, _ in spec_events(frame)] in ([], [PING])
    told = [e for e in spec_events(frame + sse.encode(b"x") + frame + sse.encode(b"y") + frame) if e[0] != PING]
    assert told == [("", "x"), ("", "y")]


@every_shape
def test_a_small_request_is_read(shape: ClientShape) -> None:
    """The model, whether a stream is wanted, the bound, and how much text there is."""
    asked = SMALL[shape.name]
    head = shape.read(json.dumps({"model": "m", **asked}).encode() if shape.named is None else FORM)
    assert isinstance(head, Head)
    assert (head.model, head.stream) == ("m", asked.get("stream", False))
    assert head.max_output_tokens == (5 if 5 in asked.values() else None)
    assert head.text_bytes > 0


@every_shape
def test_what_providers_may_read_otherwise_is_refused(shape: ClientShape) -> None:
    """A model that is named twice, or once more in other letters, is another one to some of them."""
    if shape.named is not None:
        return
    small = json.dumps(SMALL[shape.name])[1:]
    for names in ('"model":"n","model":"m",', '"model":"m","Model":"n",', '"mode\\u006c":"n","model":"m",'):
        found = shape.read(f"{{{names}{small}".encode())
        assert isinstance(found, Failure)
        assert (found.kind, found.code) == (FailureKind.BAD_REQUEST, "ambiguous_member")


members = st.sampled_from(
    [
        "model",
        "messages",
        "stream",
        "max_tokens",
        "n",
        "tools",
        "metadata",
        "stream_options",
        "response_format",
        "type",
        "x",
    ]
)
requests = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.sampled_from(["m", "file"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(members, inner, max_size=5),
    max_leaves=10,
)
junk = st.one_of(
    st.binary(max_size=100),
    st.text('{}[]":,\\ model1tru', max_size=60).map(str.encode),
    requests.map(lambda r: json.dumps(r).encode()),
    st.dictionaries(members, requests, max_size=5).map(lambda r: json.dumps({"model": "m", **r}).encode()),
)


@every_shape
@given(junk)
def test_junk_is_read_or_refused_and_raises_nothing(shape: ClientShape, raw: bytes) -> None:
    """A refusal is the client's fault, and it is told in the client's own shape."""
    found = shape.read(raw)
    if isinstance(found, Failure):
        assert found.kind is FailureKind.BAD_REQUEST
        error_of(shape, shape.error_body(found))
    else:
        assert isinstance(found, Head)
        assert found.model


@every_shape
@given(st.binary(max_size=80) | requests.map(lambda r: json.dumps(r).encode()))
def test_whether_a_body_may_pass_can_be_asked_of_anything(shape: ClientShape, body: bytes) -> None:
    """It is asked of whatever a provider sent with an error."""
    assert shape.passes(body) in (True, False)


@every_shape
def test_hostile_nesting_is_refused(shape: ClientShape) -> None:
    """Brackets to the end are no request."""
    for raw in (b"[" * 100_000, b'{"model":"m","x":' + b"[" * 100_000, b'{"model":"m","metadata":{"x":' + b"[" * 5000):
        assert isinstance(shape.read(raw), Failure)
        assert not shape.passes(raw)
