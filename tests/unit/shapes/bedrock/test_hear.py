"""Answers of Converse and ConverseStream: the same pieces however they come, and nothing broken taken for an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.messages import (
    Answer,
    Argued,
    Begin,
    Call,
    Calling,
    Choice,
    Finished,
    Piece,
    Reason,
    Said,
    Text,
    Thinking,
    Thought,
    Token,
    Used,
)
from lbd.model.outcome import Usage
from lbd.shapes.bedrock.hear import ConverseListener, read, usage_of
from lbd.shapes.gather import gather
from tests.unit.shapes.amazon import (
    BEGIN,
    CLAUDE,
    METADATA,
    NOVA,
    USAGE,
    decoded,
    delta,
    ended,
    event,
    exception,
    framed,
    header,
    service,
    start,
    stop,
)
from tests.unit.shapes.conversations import DEEP
from tests.unit.shapes.streams import cuts, pieces

K = FailureKind
COUNTED = Usage(36, 7, 12, written=4)  # 20 fresh, 12 read from the cache and 4 written to it
THOUGHT = [
    delta(0, reasoningContent={"text": "let me "}),
    delta(0, reasoningContent={"text": "see"}),
    delta(0, reasoningContent={"signature": "SIG=="}),
    stop(0),
    delta(1, reasoningContent={"redactedContent": "UkVE"}),
    stop(1),
]
TOLD = [delta(2, text="It is "), delta(2, text="wärm 🌍."), stop(2)]
CALLED = [
    start(3, toolUse={"toolUseId": "tooluse_1", "name": "get"}),
    delta(3, toolUse={"input": ""}),
    delta(3, toolUse={"input": '{"city":'}),
    delta(3, toolUse={"input": '"Bonn"}'}),
    stop(3),
    start(4, toolUse={"toolUseId": "tooluse_2", "name": "put"}),
    stop(4),
]
STREAM = b"".join([BEGIN, *THOUGHT, *TOLD, *CALLED, ended("tool_use"), METADATA])
CONTENT: list[dict[str, Any]] = [
    {"reasoningContent": {"reasoningText": {"text": "let me see", "signature": "SIG=="}}},
    {"reasoningContent": {"redactedContent": "UkVE"}},
    {"text": "It is wärm 🌍."},
    {"toolUse": {"toolUseId": "tooluse_1", "name": "get", "input": {"city": "Bonn"}}},
    {"toolUse": {"toolUseId": "tooluse_2", "name": "put", "input": {}}},
]


def unary(content: Any = CONTENT, reason: str = "tool_use", **more: Any) -> bytes:
    message = {"message": {"role": "assistant", "content": content}}
    told = {"output": message, "stopReason": reason, "usage": USAGE, "metrics": {"latencyMs": 1}, **more}
    return json.dumps(told).encode()


def hear(parts: list[bytes], model: str = CLAUDE) -> tuple[list[Piece], Failure | None, ConverseListener]:
    """Hear a stream to its end."""
    listener = ConverseListener(model, 1)
    out = [piece for part in parts for piece in listener.feed(part)]
    more, failure = listener.end()
    return [*out, *more], failure, listener


def test_a_stream_piece_by_piece() -> None:
    """Thoughts with their tokens, words, calls numbered among themselves, the end, and the usage."""
    found, failure, listener = hear([STREAM])
    assert failure is None and listener.done and listener.whole and listener.usage == COUNTED
    assert found == [
        Begin("", ""),
        Thought("let me "),
        Thought("see"),
        Thought(token=Token("anthropic", "SIG==")),
        Thought(token=Token("anthropic", "UkVE"), redacted=True),
        Said("It is "),
        Said("wärm 🌍."),
        Calling(0, "tooluse_1", "get"),
        Argued(0, '{"city":'),
        Argued(0, '"Bonn"}'),
        Calling(1, "tooluse_2", "put"),
        Finished(Reason.CALLS),
        Used(COUNTED),
    ]


def test_the_stream_is_one_that_the_service_model_and_its_decoder_know() -> None:
    """The transcript above is not lbd's own invention: every event and member is in the model."""
    output = service().operation_model("ConverseStream").output_shape.members["stream"]
    for headers, payload in decoded(STREAM):
        _known(json.loads(payload), output.members[headers[":event-type"]])
    _known(json.loads(unary()), service().operation_model("Converse").output_shape)


def _known(told: Any, shape: Any) -> None:
    if shape.type_name == "list":
        for item in told:
            _known(item, shape.member)
    elif shape.type_name == "structure" and not shape.metadata.get("document"):
        for name, value in told.items():
            if name != "p":  # padding, which every event has and no client reads
                _known(value, shape.members[name])


def test_the_whole_of_it() -> None:
    """Stream and unary answer are one answer."""
    parts = (
        Thinking("let me see", Token("anthropic", "SIG==")),
        Thinking("", Token("anthropic", "UkVE"), redacted=True),
        Text("It is wärm 🌍."),
        Call("tooluse_1", "get", '{"city":"Bonn"}'),
        Call("tooluse_2", "put", "{}"),  # no arguments are an object of nothing
    )
    answer = Answer("", "", (Choice(parts, Reason.CALLS),), COUNTED)
    assert gather(hear([STREAM])[0]) == gather(read(unary(), CLAUDE)) == answer


@given(cuts(STREAM))
def test_where_the_bytes_are_cut_makes_no_difference(parts: list[bytes]) -> None:
    """The same pieces, end and usage."""
    found, failure, listener = hear(parts)
    assert found == hear([STREAM])[0] and failure is None and listener.usage == COUNTED
    assert gather(found) == gather(read(unary(), CLAUDE))


def test_single_bytes_are_taken() -> None:
    """The worst network."""
    assert hear(pieces(STREAM, range(len(STREAM))))[0] == hear([STREAM])[0]


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
blocks = st.lists(
    st.one_of(
        st.tuples(st.just("text"), st.lists(words, min_size=1, max_size=3)),
        st.tuples(st.just("thought"), st.lists(words, min_size=1, max_size=3)),
        st.tuples(st.just("call"), st.lists(words, min_size=1, max_size=3)),
    ),
    max_size=4,
)


@given(blocks, st.sampled_from(["end_turn", "max_tokens", "guardrail_intervened"]), st.data())
def test_any_answer_is_the_same_streamed_or_whole(
    told: list[tuple[str, list[str]]], reason: str, data: st.DataObject
) -> None:
    """Blocks of any kind in any order, in any pieces."""
    stream, content = [BEGIN], list[dict[str, Any]]()
    for index, (kind, said) in enumerate(told):
        text = "".join(said)
        if kind == "text":
            stream += [delta(index, text=t) for t in said]
            content.append({"text": text})
        elif kind == "thought":
            stream += [delta(index, reasoningContent={"text": t}) for t in said]
            stream.append(delta(index, reasoningContent={"signature": text}))
            content.append({"reasoningContent": {"reasoningText": {"text": text, "signature": text}}})
        else:
            stream.append(start(index, toolUse={"toolUseId": text, "name": "get"}))
            given_ = json.dumps({"a": text}, ensure_ascii=False, separators=(",", ":"))
            stream += [delta(index, toolUse={"input": t}) for t in (given_[:5], given_[5:])]
            content.append({"toolUse": {"toolUseId": text, "name": "get", "input": {"a": text}}})
        stream.append(stop(index))
    whole = b"".join([*stream, ended(reason), METADATA])
    found, failure, _ = hear(data.draw(cuts(whole)))
    one, other = gather(found), gather(read(unary(content, reason), CLAUDE))
    assert failure is None
    assert [_plain(p) for p in one.choices[0].parts] == [_plain(p) for p in other.choices[0].parts]
    assert (one.usage, one.choices[0].reason) == (other.usage, other.choices[0].reason)


def _plain(part: Any) -> Any:
    """Arguments as what they mean: how a number or a sign is written is the writer's own."""
    return (part.id, part.name, json.loads(part.arguments)) if isinstance(part, Call) else part


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", Reason.STOP),
        ("max_tokens", Reason.LENGTH),
        ("model_context_window_exceeded", Reason.LENGTH),
        ("stop_sequence", Reason.STOP_SEQUENCE),
        ("tool_use", Reason.CALLS),
        ("guardrail_intervened", Reason.FILTER),
        ("content_filtered", Reason.FILTER),
        ("a_later_word", Reason.STOP),
    ],
)
def test_why_it_ended(word: str, reason: Reason) -> None:
    """Every word of the service's model has its meaning."""
    assert gather(hear([BEGIN + ended(word) + METADATA])[0]).choices[0].reason is reason
    assert gather(read(unary([{"text": "x"}], word), CLAUDE)).choices[0].reason is reason


def test_every_reason_of_the_service_is_known() -> None:
    """A word more in a later model of it is one to think about."""
    from lbd.shapes.bedrock.hear import MALFORMED, REASONS

    known = service().shape_for("StopReason").enum
    assert set(known) <= REASONS.keys() | MALFORMED


@pytest.mark.parametrize("word", ["malformed_model_output", "malformed_tool_use"])
def test_what_the_model_garbled_is_no_answer(word: str) -> None:
    """Another try may do better."""
    _, failure, listener = hear([BEGIN + ended(word) + METADATA])
    assert failure is not None and failure.kind is K.BAD_BODY and not listener.done
    with pytest.raises(LbdError) as e:
        read(unary(reason=word), CLAUDE)
    assert e.value.failure.kind is K.BAD_BODY


def test_which_sequence_stopped_it() -> None:
    """Where it was asked for, it is told beside."""
    more = {"additionalModelResponseFields": {"stop_sequence": "END"}}
    assert gather(hear([BEGIN + ended("stop_sequence", **more) + METADATA])[0]).choices[0].stop == "END"
    assert gather(read(unary([{"text": "x"}], "stop_sequence", **more), CLAUDE)).choices[0].stop == "END"


def test_tokens_are_of_who_made_the_model() -> None:
    """Claude's are Anthropic's, others Bedrock's alone."""
    stream = BEGIN + delta(0, reasoningContent={"text": "x"}) + delta(0, reasoningContent={"signature": "S"})
    assert hear([stream], NOVA)[0][-1] == Thought(token=Token("bedrock", "S"))


def test_words_with_citations_are_words() -> None:
    """They come where a document was asked to be cited; what they cite has no place in an answer."""
    block = {"citationsContent": {"content": [{"text": "a"}, {"text": "b"}], "citations": []}}
    assert gather(read(unary([block]), CLAUDE)).choices[0].parts == (Text("ab"),)


def test_what_a_tool_of_the_provider_did_is_no_call() -> None:
    """Nobody but the provider could answer it."""
    use = {"toolUseId": "s1", "name": "web", "type": "server_tool_use"}
    stream = BEGIN + start(0, toolUse=use) + delta(0, toolUse={"input": "{}"}) + delta(1, text="x")
    assert hear([stream])[0] == [Begin("", ""), Said("x")]
    assert read(unary([{"toolUse": {**use, "input": {"a": 1}}}], "end_turn"), CLAUDE)[1:-1] == [Finished(Reason.STOP)]


def test_arguments_that_are_nested_too_deep_are_a_failure() -> None:
    """Not an exception of the JSON library."""
    with pytest.raises(LbdError) as raised:
        read(unary([{"toolUse": {"toolUseId": "c", "name": "f", "input": {"a": DEEP}}}]), CLAUDE)
    assert raised.value.failure.kind is FailureKind.BAD_BODY


# --- ends ------------------------------------------------------------------------------------------------


def test_the_end_of_the_message_makes_it_whole_though_its_usage_never_came() -> None:
    """What is missing is only the count."""
    found, failure, listener = hear([BEGIN + TOLD[0] + ended("end_turn")])
    assert failure is None and not listener.done and not listener.whole and listener.usage is None
    assert found[-1] == Finished(Reason.STOP)
    assert hear([BEGIN + ended("end_turn") + METADATA[:-1]])[1] is None


def test_metadata_without_usage_end_it_too() -> None:
    """A count that cannot be read is not known, no more."""
    _, failure, listener = hear([BEGIN + ended("end_turn") + event("metadata", {"usage": {"inputTokens": "?"}})])
    assert failure is None and listener.done and listener.usage is None


@pytest.mark.parametrize("cut", [b"", BEGIN, BEGIN + TOLD[0], BEGIN + TOLD[0] + TOLD[1][:20], BEGIN[:5]])
def test_a_stream_that_ends_before_is_broken(cut: bytes) -> None:
    """Between two events or in the middle of one."""
    _, failure, listener = hear([cut])
    assert failure is not None and failure.kind is K.BROKEN_STREAM
    assert not listener.done and not listener.whole


def test_nothing_is_heard_after_the_end() -> None:
    """Whatever comes."""
    found, failure, listener = hear([STREAM + TOLD[0] + b"junk", TOLD[0]])
    assert found == hear([STREAM])[0] and failure is None and listener.failure is None


# --- what goes wrong -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "words", "found"),
    [
        ("throttlingException", "Too many tokens, please wait before trying again.", K.RATE),
        ("serviceUnavailableException", "Bedrock is unable to process your request.", K.OVERLOADED),
        ("modelStreamErrorException", "The model stream was interrupted.", K.STREAM_ERROR),
        ("internalServerException", "The system encountered an unexpected error.", K.STREAM_ERROR),
        ("validationException", "Input is too long for requested model.", K.CONTEXT),
        ("validationException", "Malformed request.", K.BAD_REQUEST),
        ("modelTimeoutException", "Model has timed out.", K.PROVIDER_TIMEOUT),
        ("aLaterException", "Something.", K.STREAM_ERROR),
    ],
)
def test_an_exception_ends_the_stream(kind: str, words: str, found: FailureKind) -> None:
    """What came before it in the same read stands."""
    told, failure, listener = hear([BEGIN + TOLD[0] + exception(kind, words) + TOLD[1]])
    assert told == [Begin("", ""), Said("It is ")]
    assert failure is not None and failure is listener.failure
    assert (failure.kind, failure.message, failure.status) == (found, words, 200)


def test_an_error_of_the_framing_ends_it_too() -> None:
    """The encoding's other way to say so: code and words in headers."""
    headers = header(":message-type", "error") + header(":error-code", "Oops") + header(":error-message", "it broke")
    _, failure, _ = hear([framed(headers, b"")])
    assert failure is not None and (failure.kind, failure.message) == (K.STREAM_ERROR, "it broke")


@given(st.binary(min_size=16, max_size=200), st.data())
def test_junk_is_a_failure_however_it_is_cut(junk: bytes, data: st.DataObject) -> None:
    """Never another exception, and never an answer."""
    found, failure, _ = hear(data.draw(cuts(junk)))
    assert found == [] and failure is not None and failure.kind is K.BAD_BODY


@given(st.integers(0, len(STREAM) - 1), st.integers(0, 7), st.data())
def test_a_flipped_bit_is_a_failure(at: int, bit: int, data: st.DataObject) -> None:
    """What was heard before it is the beginning of the answer."""
    stream = bytearray(STREAM)
    stream[at] ^= 1 << bit
    found, failure, _ = hear(data.draw(cuts(bytes(stream))))
    whole = hear([STREAM])[0]
    assert found == whole[: len(found)]
    if at < len(STREAM) - len(METADATA):
        assert failure is not None and failure.kind is K.BAD_BODY
    else:
        assert failure is not None and Used(COUNTED) not in found


NAMES = [
    "delta",
    "text",
    "toolUse",
    "input",
    "reasoningContent",
    "start",
    "usage",
    "inputTokens",
    "stopReason",
    "contentBlockIndex",
    "reasoningText",
    "signature",
    "output",
    "message",
    "content",
    "citationsContent",
]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=10,
)
kinds = st.sampled_from(
    ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata", "x"]
)


@given(st.lists(st.tuples(kinds, values | st.binary(max_size=10)), max_size=6), st.data())
def test_events_of_any_content_raise_nothing(told: list[tuple[str, Any]], data: st.DataObject) -> None:
    """Members of any type, and payloads that are no JSON."""
    stream = b"".join(event(kind, value) for kind, value in told)
    found, failure, listener = hear(data.draw(cuts(stream)))
    assert failure is not None or Reason in {type(p.reason) for p in found if isinstance(p, Finished)}
    assert hear([stream] if stream else [])[:2] == (found, failure)
    gather(found)
    assert listener.usage is None or isinstance(listener.usage, Usage)


@given(values.map(lambda v: json.dumps(v).encode()) | st.binary(max_size=60) | values.map(unary))
def test_a_whole_answer_of_any_content_is_pieces_or_a_failure(body: bytes) -> None:
    """A 200 with a web page too."""
    try:
        gather(read(body, CLAUDE))
    except LbdError as e:
        assert e.failure.message


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>", K.BAD_BODY),
        (b"{}", K.BAD_BODY),
        (b"[" * 100_000, K.BAD_BODY),
        (b'{"__type": "ThrottlingException", "message": "slow"}', K.RATE),
        (b'{"message": "odd"}', K.STREAM_ERROR),
    ],
)
def test_what_is_no_answer_in_spite_of_its_200(body: bytes, kind: FailureKind) -> None:
    """Gateways in between do such things."""
    with pytest.raises(LbdError) as e:
        read(body, CLAUDE)
    assert e.value.failure.kind is kind


def test_counts_hold_what_the_cache_gave_and_took() -> None:
    """``inputTokens`` are neither; lbd's own count of a prompt is of all of it."""
    assert usage_of(USAGE) == COUNTED
    assert usage_of({"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}) == Usage(3, 2)
    assert usage_of({"outputTokens": 2}) == Usage(0, 2)
    assert usage_of({}) is usage_of(None) is usage_of([]) is None
