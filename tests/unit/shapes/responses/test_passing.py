"""Requests and answers of the Responses API that pass through."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import FailureKind, LbdError
from lbd.model.outcome import Usage
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body, Head
from lbd.shapes.clients import responses
from lbd.shapes.gather import gather
from lbd.shapes.responses import passing
from lbd.shapes.responses.speak import whole
from lbd.shapes.wire import Facts
from tests.unit.shapes.responses.answers import ANSWERS, FINAL, USAGE

RAW = b'{ "model" : "m", "input":"a \\"model\\": 1", "n":18446744073709551616, "x":1.00 }'


def sent(raw: bytes, upstream: str = "up", *, stream: bool = False) -> bytes:
    head = responses.read(raw)
    assert isinstance(head, Head), head
    row = DeploymentSpec("p/m", "p", "m", upstream, "primary")
    return passing.encode(Body("openai.responses", raw, head), row, stream, False)


def test_only_the_model_and_the_wish_for_a_stream_change() -> None:
    """All else is the client's, byte for byte."""
    assert sent(RAW, "m") == RAW
    assert sent(RAW) == RAW.replace(b'"m"', b'"up"', 1)
    assert sent(RAW, "m", stream=True) == b'{"stream":true,' + RAW[1:]
    assert sent(RAW, stream=True) == b'{"stream":true,' + RAW[1:].replace(b'"m"', b'"up"', 1)
    asked = RAW.replace(b'"x"', b'"stream":true,"x"')
    assert sent(asked, "m", stream=True) == asked


def items(*found: Any) -> list[Any]:
    raw = json.dumps({"model": "m", "input": list(found), "x": 1}).encode()
    out = json.loads(sent(raw, "m"))
    assert out.keys() == {"model", "input", "x"}
    kept: list[Any] = out["input"]
    return kept


def test_reasoning_that_the_provider_cannot_read_stays_behind() -> None:
    """Another's, and what lbd wrote of a model that signs nothing; its own goes without the tag, or as it is."""
    user = {"role": "user", "content": "lbd."}
    own = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "lbd.openai.E"}
    untagged = {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "E"}
    stored = {"type": "reasoning", "id": "rs_3", "summary": []}
    foreign = {"type": "reasoning", "id": "rs_lbd_1_0", "summary": [], "encrypted_content": "lbd.anthropic.c"}
    unsigned = {"type": "reasoning", "id": "rs_lbd_1_1", "summary": []}
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    signed = {**call, "thought_signature": "lbd.gemini.x"}
    assert items(user, own, untagged, stored, foreign, unsigned, signed) == [
        user,
        {**own, "encrypted_content": "E"},
        untagged,
        stored,
        call,
    ]


def test_items_that_lbd_wrote_go_without_their_ids() -> None:
    """Their provider knows none of them, and would look for them; the call's id for its result stays."""
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]}
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    thought = {"type": "reasoning", "summary": [], "encrypted_content": "E"}
    own = {**said, "id": "msg_1"}
    written = [{**said, "id": "msg_lbd_1_0"}, {**call, "id": "fc_lbd_1_1"}, {**thought, "id": "rs_lbd_1_2"}]
    assert items(own, *written) == [own, said, call, thought]


def test_what_only_looks_like_a_tag_changes_nothing() -> None:
    """A prompt may say what it likes."""
    for said in ("x", ["lbd.anthropic.x"], [{"role": "user", "content": "lbd.x"}], {"a": "rs_lbd_1"}, "msg_lbd_1"):
        raw = json.dumps({"model": "m", "input": said}, indent=1).encode()
        assert sent(raw, "m") == raw


@pytest.mark.parametrize("name", list(ANSWERS))
def test_whole_answers_are_read(name: str) -> None:
    """Usage and model; an incomplete answer is one."""
    begun = name != "no beginning"
    assert passing.facts(whole(gather(ANSWERS[name]))) == Facts(USAGE if begun else Usage(), "m-2025" if begun else "")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({**FINAL, "status": "failed", "error": {"code": "server_error", "message": "oh"}}, FailureKind.STREAM_ERROR),
        ({**FINAL, "status": "failed"}, FailureKind.STREAM_ERROR),
        ({**FINAL, "status": "cancelled"}, FailureKind.STREAM_ERROR),
        ({**FINAL, "error": {"code": "rate_limit_exceeded", "message": "later"}}, FailureKind.RATE),
        ({"error": {"message": "oh"}}, FailureKind.STREAM_ERROR),
        ({"type": "error", "message": "oh"}, FailureKind.STREAM_ERROR),
        ({**FINAL, "status": "queued"}, FailureKind.BAD_BODY),
        ({**FINAL, "output": None}, FailureKind.BAD_BODY),
        ({**FINAL, "output": [], "status": None}, FailureKind.BAD_BODY),
        ({"choices": []}, FailureKind.BAD_BODY),
        ([], FailureKind.BAD_BODY),
        ("x", FailureKind.BAD_BODY),
    ],
)
def test_what_is_no_answer_is_a_failure_in_spite_of_its_200(body: Any, kind: FailureKind) -> None:
    """Told, never raised."""
    failure = passing.facts(json.dumps(body).encode()).failure
    assert failure is not None and failure.kind is kind


_NAMES = st.sampled_from(["object", "status", "model", "output", "usage", "error", "type"])


@given(
    st.binary(max_size=60)
    | st.dictionaries(
        _NAMES, st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
    ).map(lambda found: json.dumps(found).encode())
)
def test_junk_raises_nothing(body: bytes) -> None:
    """Whatever a provider sends."""
    facts = passing.facts(body)
    assert facts.answer is None


def test_what_is_nested_too_deep_to_be_written_again_is_the_clients_fault() -> None:
    """Only where it must be written again."""
    deep = "[" * 500 + "]" * 500
    raw = b'{"model":"m","input":[{"type":"reasoning","encrypted_content":"lbd.x.y"},' + deep.encode() + b"]}"
    with pytest.raises(LbdError) as caught:
        sent(raw)
    assert caught.value.failure.kind is FailureKind.BAD_REQUEST
