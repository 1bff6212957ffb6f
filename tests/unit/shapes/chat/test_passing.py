"""Chat completions, provider side: what goes out, and what is read of a whole answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import Failure, FailureKind
from lbd.model.outcome import QuotaReading, Usage
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body, Head
from lbd.shapes.chat import passing
from lbd.shapes.clients import openai
from tests.unit.shapes.streams import HEAD, USAGE


def row(upstream: str = "up") -> DeploymentSpec:
    return DeploymentSpec("p/m", "p", "m", upstream, "primary")


def asked(raw: bytes) -> Body:
    """Read a request as the daemon does."""
    head = openai.read(raw)
    assert isinstance(head, Head), head
    return Body("chat", raw, head)


def sent(raw: bytes, upstream: str = "up", *, stream: bool = False, ask_usage: bool = False) -> bytes:
    return passing.encode(asked(raw), row(upstream), stream, ask_usage)


RAW = (
    b'{ "model" : "m", "messages":[{"role":"user","content":"a \\"model\\": 1"}], "n":18446744073709551616, "x":1.00 }'
)
STREAM = RAW.replace(b'"x"', b'"stream": true, "x"')


def test_nothing_changes_where_nothing_must() -> None:
    """The client's bytes are the best form of the client's request."""
    assert sent(RAW, "m") == RAW
    assert sent(STREAM, "m", stream=True) == STREAM


def test_the_upstreams_name_replaces_the_model() -> None:
    """Deployments of one model have names of their own."""
    assert sent(RAW) == RAW.replace(b'"m"', b'"up"', 1)
    assert sent(STREAM, stream=True) == STREAM.replace(b'"m"', b'"up"', 1)


def test_a_unary_request_can_be_sent_as_a_stream() -> None:
    """Where abandoned unary work would run on."""
    assert sent(RAW, "m", stream=True) == b'{"stream":true,' + RAW[1:]
    explicit = RAW.replace(b'"x":1.00', b'"stream": false')
    assert sent(explicit, "m", stream=True) == explicit.replace(b"false", b"true")
    null = RAW.replace(b'"x":1.00', b'"stream": null')
    assert json.loads(sent(null, stream=True)) == {**json.loads(null), "model": "up", "stream": True}


@pytest.mark.parametrize(
    ("option", "out"),
    [
        ("", '"stream_options":{"include_usage":true}'),
        ('"stream_options":null', '"stream_options":{"include_usage":true}'),
        ('"stream_options": {}', '"stream_options": {"include_usage":true}'),
        ('"stream_options":{"include_usage":false}', '"stream_options":{"include_usage":true}'),
        ('"stream_options":{"include_usage":null,"x":1.0}', '"stream_options":{"include_usage":true,"x":1.0}'),
        (
            '"stream_options":{"include_obfuscation": false, "big":18446744073709551616}',
            '"stream_options":{"include_usage":true,"include_obfuscation": false, "big":18446744073709551616}',
        ),
        ('"stream_options":{"include_usage": true }', '"stream_options":{"include_usage": true }'),
    ],
)
def test_usage_is_asked_for_beside_the_clients_own_options(option: str, out: str) -> None:
    """What a stream costs is known only if it is asked for; the client's other wishes stay."""
    comma = "," if option else ""
    raw = f'{{"model":"m","stream":true{comma}{option}}}'.encode()
    found = sent(raw, "m", stream=True, ask_usage=True).decode()
    assert out in found
    assert json.loads(found)["stream_options"]["include_usage"] is True
    assert sent(raw, "m", stream=True, ask_usage=False) == raw


def test_usage_is_not_asked_for_in_a_unary_request() -> None:
    """OpenAI refuses stream_options without stream."""
    assert sent(RAW, "m", ask_usage=True) == RAW


def test_stream_options_in_the_text_are_text() -> None:
    """The quick look for the word must not be the last."""
    raw = b'{"model":"m","stream":true,"messages":[{"content":"stream_options"},{"stream_options":{"a":1}}]}'
    found = json.loads(sent(raw, stream=True, ask_usage=True))
    assert found == {**json.loads(raw), "model": "up", "stream_options": {"include_usage": True}}


members = st.dictionaries(
    st.sampled_from(["temperature", "tools", "x", "é", "model_", "user"]),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)


@given(
    members,
    st.sampled_from([None, True, False]),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["m", "up", 'q"\\é']),
    st.data(),
)
def test_all_that_is_not_lbds_own_is_kept(
    more: dict[str, Any], streams: bool | None, as_stream: bool, ask_usage: bool, upstream: str, data: st.DataObject
) -> None:
    """Unknown fields go on: a provider's extras work through lbd without lbd knowing them."""
    request = {"model": "m", "messages": [{"role": "user", "content": "model"}], **more}
    if streams is not None:
        request["stream"] = streams
    request = dict(data.draw(st.permutations(list(request.items()))))
    as_stream = as_stream or streams is True
    raw = json.dumps(request, ensure_ascii=data.draw(st.booleans())).encode()
    wanted: dict[str, Any] = {**request, "model": upstream}
    if as_stream:
        wanted["stream"] = True
        if ask_usage:
            wanted["stream_options"] = {"include_usage": True}
    assert json.loads(sent(raw, upstream, stream=as_stream, ask_usage=ask_usage)) == wanted


def test_the_key_is_a_bearer_token_and_absent_without_one() -> None:
    """A local server needs none."""
    assert passing.bearer("k") == (("authorization", "Bearer k"),)
    assert passing.bearer(None) == ()


def answer(**more: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop", "logprobs": None}
    return json.dumps({**HEAD, "object": "passing.completion", "choices": [choice], **more}).encode()


def test_usage_and_model_of_an_answer_are_read() -> None:
    """They are billed and shown."""
    found = passing.facts(answer(usage=USAGE))
    assert found == passing.Facts(Usage(20, 7, 16, 3), "m-2025")
    assert passing.facts(answer()) == passing.Facts(None, "m-2025")
    assert passing.facts(answer(usage=None, model=None, error=None)) == passing.Facts()


@pytest.mark.parametrize(
    ("usage", "seen"),
    [
        ({"prompt_tokens": 12.0, "completion_tokens": "7"}, Usage(12, 7)),
        ({"prompt_tokens": 12, "completion_tokens": None, "prompt_tokens_details": []}, Usage(12)),
        ({"prompt_tokens": -1, "completion_tokens": 10**30}, None),
        ({}, None),
        ([], None),
        ("12", None),
    ],
)
def test_an_answer_is_good_whatever_its_provider_makes_of_counting(usage: object, seen: Usage | None) -> None:
    """What cannot be read is not known; the text is what was asked for."""
    assert passing.facts(answer(usage=usage)) == passing.Facts(seen, "m-2025")
    failed = passing.facts(answer(usage=usage, choices=[], error={"message": "Rate limited", "code": 429})).failure
    assert failed is not None and failed.kind is FailureKind.RATE


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"error":{"message":"Provider returned error","code":502}}', FailureKind.STREAM_ERROR),
        (b'{"error":{"message":"Rate limited","code":429},"choices":[]}', FailureKind.RATE),
        (b'{"error":"overloaded","choices":null}', FailureKind.STREAM_ERROR),
        (b'{"choices":[{"finish_reason":"error"}]}', FailureKind.STREAM_ERROR),
        (b'{"choices":[{"finish_reason":"stop"},{"error":{"code":503,"message":"x"}}]}', FailureKind.OVERLOADED),
        (b'{"error":"Model is overloaded","error_type":"overloaded"}', FailureKind.OVERLOADED),
        (b'{"choices":[{"message":{},"finish_reason":"abort"}]}', FailureKind.STREAM_ERROR),
        (b'{"choices":[{"message":{},"finish_reason":"insufficient_system_resource"}]}', FailureKind.OVERLOADED),
        (b'{"choices":[]}', FailureKind.BAD_BODY),
        (b'{"choices":[{}]}', FailureKind.BAD_BODY),
        (b'{"choices":[{"message":{}},{"finish_reason":"stop"}]}', FailureKind.BAD_BODY),
        (b'{"choices":[{"message":"x"}]}', FailureKind.BAD_BODY),
        (b'{"choices":[{"text":null}]}', FailureKind.BAD_BODY),
        (b'{"choices":[{"text":"","finish_reason":null}]}', FailureKind.BAD_BODY),
        (b'{"choices":[{"message":{}}]}', FailureKind.BAD_BODY),
        (
            b'{"choices":[{"message":{"content":null,"tool_calls":[]},"finish_reason":null}],"usage":{}}',
            FailureKind.BAD_BODY,
        ),
        (b'{"choices":[{"message":{"content":""},"finish_reason":""}],"usage":[]}', FailureKind.BAD_BODY),
        (rb'{"choices":[{"message":null}],"model":"m\ud83d"}', FailureKind.BAD_BODY),
        (b"{}", FailureKind.BAD_BODY),
        (b'{"object":"error","message":"x","code":400}', FailureKind.STREAM_ERROR),
        (b'{"object":"error","message":"x","type":"y","code":503,"choices":[]}', FailureKind.OVERLOADED),
        (b'{"message":"slow","code":429}', FailureKind.RATE),
        (b'\xef\xbb\xbf{"error":{"message":"slow","code":429}}', FailureKind.RATE),
        (b'\xef\xbb\xbf{"object":"error","message":"slow","code":429}', FailureKind.RATE),
        (b"", FailureKind.BAD_BODY),
        (b"null", FailureKind.BAD_BODY),
        (b"[]", FailureKind.BAD_BODY),
        (b"<html>Sign in</html>", FailureKind.BAD_BODY),
        (b'{"choices":[{"message":{"content":"cut', FailureKind.BAD_BODY),
        (b'{"choices":[{"finish_reason":"x\x01"}]}', FailureKind.BAD_BODY),
        (b'{"choices":[{"finish_reason":NULL}]}', FailureKind.BAD_BODY),
        (b'{"x":' + b"[" * 100_000, FailureKind.BAD_BODY),
        (b'{"choices":[1]}', FailureKind.BAD_BODY),
        (b'{"choices":[1],"usage":[]}', FailureKind.BAD_BODY),
    ],
)
def test_a_200_that_is_no_answer_is_a_failure(body: bytes, kind: FailureKind) -> None:
    """A captive portal and an error with a good status must not count as health."""
    found = passing.facts(body)
    assert found.failure is not None
    assert found.failure.kind is kind
    assert found.failure.status == 200
    assert found.usage is None


@pytest.mark.parametrize(
    "odd",
    [
        rb'"half \ud83d"',
        rb'"whole \ud83d\ude00, turned \ude00\ud83d"',
        rb'"an escape of an escape \\ud83d"',
        b'"\xff"',
        b"[NaN, Infinity, -Infinity, 1e999]",
        b"9" * 5000,
    ],
)
def test_an_answer_with_something_odd_in_it_is_an_answer(odd: bytes) -> None:
    """What the strict decoder refuses, applications' own parsers read; usage and all."""
    found = answer(usage=USAGE).replace(b'"content": "x"', b'"content": ' + odd)
    assert odd in found
    assert passing.facts(found) == passing.Facts(Usage(20, 7, 16, 3), "m-2025")
    beside = answer(usage=USAGE).replace(b'"finish_reason": "stop"', b'"finish_reason": ' + odd)
    assert passing.facts(beside).failure is None


def test_what_is_read_of_an_odd_answer_can_be_written() -> None:
    """The model's name goes into records, an error's message to the client."""
    assert passing.facts(rb'{"choices":[{"message":{"content":"x"}}],"model":"m\ud83d"}').model == "m\ufffd"
    failure = passing.facts(rb'{"error":{"message":"no \ude00"}}').failure
    assert failure is not None and failure.message == "no \ufffd"


def test_a_byte_order_mark_before_an_answer_is_none_of_it() -> None:
    """Servers on Windows write one."""
    assert passing.facts(b"\xef\xbb\xbf" + answer(usage=USAGE)) == passing.Facts(Usage(20, 7, 16, 3), "m-2025")


@pytest.mark.parametrize(
    "choices",
    [
        b'{"message":{"content":""},"finish_reason":"stop"}',
        b'{"text":"","finish_reason":"length"}',
        b'{"message":{"content":"x"}}',
        b'{"message":{"content":null,"reasoning":"x"},"finish_reason":null}',
        b'{"message":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":""}}]}}',
        b'{"text":"x"}',
        rb'{"message":{"content":"\ud83d"}}',
        b'{"message":{}},{"message":{"content":"x"}}',
    ],
)
@pytest.mark.parametrize("more", [b"", b',"usage":[]'])
def test_an_answer_that_says_something_or_why_it_ended_is_one(choices: bytes, more: bytes) -> None:
    """A model may have nothing to say, and some servers tell no reason."""
    assert passing.facts(b'{"choices":[' + choices + b"]" + more + b"}").failure is None


@pytest.mark.parametrize("nothing", [{}, None, "", []])
def test_an_error_of_nothing_beside_a_good_choice_is_none(nothing: object) -> None:
    """Some servers always write the field."""
    found = answer(error=nothing).replace(b'"index"', b'"error": ' + json.dumps(nothing).encode() + b', "index"')
    assert passing.facts(found) == passing.Facts(None, "m-2025")


@given(st.binary(max_size=80) | members.map(lambda m: json.dumps({"choices": [m], **m}).encode()))
def test_facts_of_junk_raise_nothing(body: bytes) -> None:
    """Whatever came with a 200."""
    failure = passing.facts(body).failure
    assert failure is None or isinstance(failure, Failure)


def test_limits_are_read_from_the_answers_headers() -> None:
    """Steering away before the first 429 needs them."""
    headers = {
        "x-ratelimit-remaining-requests": "9",
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-reset-requests": "1s",
    }
    assert passing.quota(headers, 0.0) == (QuotaReading("requests", 10, 9, 1.0),)


@pytest.mark.parametrize(
    ("body", "models"),
    [
        (b'{"object":"list","data":[{"id":"a","object":"model","owned_by":"x"},{"id":"b"}]}', {"a", "b"}),
        (b'{"data":[]}', set()),
        (b"{}", None),
        (b'{"error":{"message":"x"}}', None),
        (b'{"data":null}', None),
        (b'{"data":[{"name":"a"}]}', None),
        (b'[{"id":"a"}]', None),
        (b"<html>", None),
        (b"", None),
        (b'{"data":[{"id":"\xff"}]}', None),
        (b'{"x":' + b"[" * 100_000, None),
    ],
)
def test_a_model_list_is_read_or_none(body: bytes, models: set[str] | None) -> None:
    """None says nothing; an empty list would say that no model is served."""
    assert passing.read_models(body) == models
