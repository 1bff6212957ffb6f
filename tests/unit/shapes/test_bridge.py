"""From a client's shape to a provider's where they differ."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.model.failure import Failure, FailureKind
from lbd.model.messages import Argued, Begin, Calling, Finished, Piece, Reason, Said, Thought, Token
from lbd.model.outcome import Usage
from lbd.model.provider import DeploymentSpec, PromptSpec
from lbd.model.request import Body, Head
from lbd.shapes.bridge import BridgeWatch, wires
from lbd.shapes.chat.fold import ChatFold
from lbd.shapes.chat.voice import DIALECT as CHAT
from lbd.shapes.chat.voice import VOICE as OPENAI_CLIENT
from lbd.shapes.clients import CLIENTS
from lbd.shapes.dialect import Dialect, Voice
from lbd.shapes.gather import gather
from lbd.shapes.messages.voice import DIALECT as MESSAGES
from lbd.shapes.messages.voice import VOICE as ANTHROPIC_CLIENT
from lbd.shapes.providers import PROVIDERS
from lbd.shapes.wire import Wire
from tests.unit.shapes import streams
from tests.unit.shapes.chat.test_speak import accumulated as chat_of
from tests.unit.shapes.chat.test_speak import chunks
from tests.unit.shapes.conversations import DEEP, is_anthropic, is_openai, spoiled
from tests.unit.shapes.messages import transcripts
from tests.unit.shapes.messages.test_speak import accumulated as message_of
from tests.unit.shapes.messages.test_speak import events
from tests.unit.shapes.streams import choices_of, cuts, pieces, run, spec_events

WALL = 1_700_000_000.0
ROW = DeploymentSpec("p/m", "p", "m", "up", "primary")
TO_ANTHROPIC = wires(PROVIDERS.load()["anthropic"], "up")["openai.chat"]
TO_OPENAI = wires(PROVIDERS.load()["openai"], "up")["anthropic.messages"]
WIRES = {"to anthropic": TO_ANTHROPIC, "to openai": TO_OPENAI}
# Every transcript with the wire that it comes back over, and how many choices it has.
GOOD: dict[str, tuple[Wire, bytes, int]] = {
    **{f"anthropic {n}": (TO_ANTHROPIC, t, 1) for n, t in transcripts.TRANSCRIPTS.items()},
    **{f"openai {n}": (TO_OPENAI, t, choices_of(n)) for n, t in streams.TRANSCRIPTS.items()},
}
HELLO = streams.ROLE + streams.says("Hello")
ENDED: dict[str, tuple[Wire, bytes, str]] = {
    **{f"anthropic {n}": (TO_ANTHROPIC, *t) for n, t in transcripts.ENDED.items()},
    "openai error at once": (TO_OPENAI, streams.event({"error": {"message": "m"}}), "error_in_stream"),
    "openai error later": (TO_OPENAI, HELLO + streams.event({"error": {"message": "m"}}), "error_in_stream"),
    "openai cut": (TO_OPENAI, HELLO, "broken_stream"),
    "openai cut in an event": (TO_OPENAI, HELLO + streams.says("x")[:50], "broken_stream"),
    "openai nothing": (TO_OPENAI, streams.ROLE + streams.DONE, "bad_body"),
    "openai no event": (TO_OPENAI, HELLO + b"data: {\n\n", "bad_body"),
    "openai more behind a call's end": (
        TO_OPENAI,
        HELLO
        + streams.chunk({"tool_calls": [{"index": 0, "id": "0", "function": {"name": "f", "arguments": "{}"}}]})
        + streams.chunk({"tool_calls": [{"index": 1, "id": "1", "function": {"name": "f"}}]})
        + streams.calls(0, arguments="{}"),
        "bad_body",
    ),
}


def watched(wire: Wire, choices: int = 1, *, usage: bool = True) -> BridgeWatch:
    assert wire.watch is not None
    watch = wire.watch(choices, False, wants_usage=usage, wall=WALL)
    assert isinstance(watch, BridgeWatch)
    return watch


def state(watch: BridgeWatch) -> tuple[object, ...]:
    return (watch.committed, watch.done, watch.whole, watch.usage, watch.failure, watch.contents)


# --- requests --------------------------------------------------------------------------------------------


def test_a_shape_is_reached_natively_where_that_can_be() -> None:
    """Every client that can be understood reaches every provider that can be asked."""
    spoken = {name for name, client in CLIENTS.load().items() if client.voice is not None}
    assert {"openai.chat", "anthropic.messages"} <= spoken
    for shape in PROVIDERS.load().values():
        found = wires(shape, "up")
        if shape.dialect is not None:
            assert spoken <= set(found)
        for name, wire in found.items():
            own = shape.speaks.get(name)
            assert wire.native is (own is not None and own.serves == "chat" and own.native)
    assert wires(PROVIDERS.load()["anthropic"], "claude-opus-4-7")["openai.chat"].carries < TO_ANTHROPIC.carries
    assert TO_ANTHROPIC.path == "/messages" and TO_OPENAI.path == "/chat/completions"


def test_a_deployment_that_is_for_something_else_is_not_asked_to_chat() -> None:
    """There is nothing to translate."""
    assert "anthropic.messages" not in wires(PROVIDERS.load()["openai"], "up", {"embeddings"})


def test_a_model_may_be_reached_by_a_way_of_its_own() -> None:
    """Where not all of a provider's are asked alike."""
    shape = PROVIDERS.load()["vertex"]
    paths = {m: wires(shape, m, {"embeddings"})["openai.embeddings"].path for m in ("text-embedding-005", "gemini-9")}
    assert paths == {"text-embedding-005": "/models/{model}:predict", "gemini-9": "/models/{model}:embedContent"}


@pytest.mark.parametrize("client", ["anthropic.messages", "openai.chat"])
def test_what_a_deployment_ignores_is_left_out(client: str) -> None:
    """Natively and translated."""
    row = DeploymentSpec("p/m", "p", "m", "up", "primary", ignores=frozenset({"sampling"}))
    wire = wires(PROVIDERS.load()["anthropic"], "up", ignores=row.ignores)[client]
    raw = b'{"model":"m","max_tokens":5,"temperature":0.5,"messages":[{"role":"user","content":"hi"}]}'
    sent = wire.encode(Body(client, raw, Head("m")), row, False, False)
    assert b"temperature" not in sent and b"hi" in sent


@pytest.mark.parametrize("provider", sorted(PROVIDERS.load()))
def test_every_way_to_a_deployment_adds_its_own_prompt(provider: str) -> None:
    """Natively and translated, for every client and every provider; another deployment's requests stay as they are."""
    added = PromptSpec("SYSTEM-OWN", "PREFIX-OWN ", " SUFFIX-OWN")
    row = DeploymentSpec("p/m", "p", "m", "up", "primary", prompt=added)
    bodies = {
        "openai.chat": b'{"model":"m","messages":[{"role":"user","content":"the question"}]}',
        "openai.completions": b'{"model":"m","prompt":"the question"}',
        "openai.responses": b'{"model":"m","input":"the question"}',
        "anthropic.messages": b'{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"the question"}]}',
    }
    services = frozenset({"chat", "completions", "responses"})
    ways = wires(PROVIDERS.load()[provider], "up", services, prompted=True)
    plain = wires(PROVIDERS.load()[provider], "up", services)
    for name, raw in bodies.items():
        body = Body(name, raw, Head("m"))
        sent = ways[name].encode(body, row, False, False)
        assert b"PREFIX-OWN the question SUFFIX-OWN" in sent and sent.count(b"SYSTEM-OWN") == 1, name
        assert b"-OWN" not in plain[name].encode(body, replace(row, prompt=None), False, False), name


def test_requests_are_put_in_the_provider_s_shape() -> None:
    """Valid by its own SDK."""
    chat = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": 0.5}).encode()
    told = is_anthropic(TO_ANTHROPIC.encode(Body("openai.chat", chat, Head("m")), ROW, True, True), samples=True)
    assert told["model"] == "up" and told["stream"] is True and told["temperature"] == 0.5
    asked = json.dumps({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}).encode()
    told = is_openai(TO_OPENAI.encode(Body("anthropic.messages", asked, Head("m")), ROW, True, True))
    assert told["max_tokens"] == 5 and told["stream_options"] == {"include_usage": True}


# --- streams ---------------------------------------------------------------------------------------------


@given(st.sampled_from(sorted(GOOD)), st.booleans(), st.data())
def test_every_split_of_a_transcript_comes_out_alike(name: str, usage: bool, data: st.DataObject) -> None:
    """The client's stream does not depend on how the network cut the provider's."""
    wire, stream, choices = GOOD[name]
    whole, cut = watched(wire, choices, usage=usage), watched(wire, choices, usage=usage)
    assert run(cut, data.draw(cuts(stream))) == run(whole, [stream])
    assert state(cut) == state(whole)
    assert whole.failure is None and whole.committed and whole.done


@pytest.mark.parametrize("name", [*GOOD, *ENDED])
def test_nothing_comes_out_before_the_first_content(name: str) -> None:
    """Until then the answer can still be another provider's. Single bytes: the worst split of all."""
    wire, stream, choices = {**GOOD, **{n: (w, s, 1) for n, (w, s, _) in ENDED.items()}}[name]
    watch, whole, out = watched(wire, choices), watched(wire, choices), b""
    expected = run(whole, [stream])
    for part in pieces(stream, range(len(stream))):
        more = watch.feed(part)
        assert not more or watch.committed
        out += more
    more, failure = watch.end()
    assert (out + more, failure) == expected
    assert state(watch) == state(whole)


@pytest.mark.parametrize("name", GOOD)
def test_the_official_clients_read_what_comes_out(name: str) -> None:
    """Text, calls and all, as the provider's own unary answer would say it."""
    wire, stream, choices = GOOD[name]
    out, failure = run(watched(wire, choices), [stream])
    assert failure is None
    answer = json.loads(_unary(wire, name))
    if wire is TO_ANTHROPIC:
        found = chat_of(out)
        message, known = found.choices[0].message, answer["choices"][0]
        assert (message.content or None) == known["message"]["content"]
        assert [c.function.name for c in message.tool_calls or ()] == [
            c["function"]["name"] for c in known["message"].get("tool_calls", ())
        ]
        assert found.choices[0].finish_reason == known["finish_reason"]
        assert {c["id"] for c in chunks(out)} == {answer["id"]}
    else:
        events(out)
        message = message_of(out)
        assert [b["type"] for b in message["content"]] == [b["type"] for b in answer["content"]]
        assert message["stop_reason"] == answer["stop_reason"]
        assert message["id"] == answer["id"]


def _unary(wire: Wire, name: str) -> bytes:
    """Return the client's answer to the unary answer that a stream stands for."""
    if wire is TO_ANTHROPIC:
        raw = json.dumps(transcripts.UNARY[name.removeprefix("anthropic ")]).encode()
    else:
        fold = ChatFold()
        fold.feed(streams.TRANSCRIPTS[name.removeprefix("openai ")])
        raw = fold.result()
    facts = wire.facts(raw, WALL)
    assert facts.failure is None and facts.answer is not None
    return facts.answer


@given(st.sampled_from(sorted(GOOD)), st.data())
def test_what_is_gathered_is_the_unary_answer(name: str, data: st.DataObject) -> None:
    """For a client that wants it whole from a provider whose abandoned work only a stream can stop."""
    wire, stream, choices = GOOD[name]
    watch = watched(wire, choices)
    assert wire.fold is not None
    fold = wire.fold(watch)
    for part in data.draw(cuts(stream)):
        fold.feed(watch.feed(part))
    _, failure = watch.end()
    assert failure is None
    found, known = _even(json.loads(fold.result())), _even(json.loads(_unary(wire, name)))
    if watch.usage is None or watch.usage.estimated:  # nobody told it
        found.pop("usage"), known.pop("usage")
    assert found == known


def _even(answer: Any) -> Any:
    """Return an answer whose arguments are written evenly: a unary answer holds them as an object."""
    for choice in answer.get("choices", ()):
        for call in choice["message"].get("tool_calls", ()):
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return answer


@pytest.mark.parametrize("name", ENDED)
def test_what_is_no_whole_answer_is_a_failure(name: str) -> None:
    """An error, an early end, no content, no event, what the client's shape cannot say: after what was good."""
    wire, stream, word = ENDED[name]
    out, failure = run(watched(wire), [stream])
    assert failure is not None and failure.kind == word
    assert b"[DONE]" not in out and b"message_stop" not in out
    assert (b"Hel" in out) is (b"Hel" in stream)
    watch = watched(wire)
    assert wire.fold is not None
    wire.fold(watch)
    if word != "bad_body" or "behind a call" not in name:  # whole, it is what is gathered in the end
        _, failure = run(watch, [stream])
        assert failure is not None and failure.kind == word


@pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)
def test_a_provider_that_closes_after_the_finish_has_ended_the_client_s_stream(wire: Wire) -> None:
    """Only its end mark was lost."""
    name = next(n for n, (w, _, _) in GOOD.items() if w is wire)
    _, stream, _ = GOOD[name]
    end = transcripts.STOP if wire is TO_ANTHROPIC else streams.DONE
    whole, lost = run(watched(wire), [stream]), run(watched(wire), [stream.removesuffix(end)])
    assert lost == whole and whole[1] is None
    if wire is TO_OPENAI:  # nor is the count worth an answer
        out, failure = run(watched(wire), [stream.removesuffix(end).removesuffix(streams.USAGE_EVENT)])
        assert failure is None and b"message_stop" in out


def test_a_whole_answer_whose_count_was_cut_off_is_asked_for_again() -> None:
    """Nobody has read any of it, so it can be another provider's; where none was asked for, nothing is missing."""
    name = next(n for n, (w, _, _) in GOOD.items() if w is TO_OPENAI)
    stream = GOOD[name][1].removesuffix(streams.DONE).removesuffix(streams.USAGE_EVENT)
    for usage, end, kind in (
        (True, b"", FailureKind.BROKEN_STREAM),
        (True, streams.DONE, None),
        (False, b"", None),
    ):
        watch = watched(TO_OPENAI, usage=usage)
        assert TO_OPENAI.fold is not None
        fold = TO_OPENAI.fold(watch)
        _, failure = run(watch, [stream + end])
        assert (failure and failure.kind) == kind
        assert bool(fold.result()) is (kind is None)


@pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)
def test_a_finish_is_the_last_that_a_client_waits_for(wire: Wire) -> None:
    """A connection that breaks behind it, or an error there, has taken nothing from who reads along."""
    name = next(n for n, (w, _, _) in GOOD.items() if w is wire)
    stream, is_openai = GOOD[name][1], wire is TO_OPENAI
    cut = stream.removesuffix(streams.DONE if is_openai else transcripts.STOP).removesuffix(streams.USAGE_EVENT)
    watch = watched(wire)
    watch.feed(cut)
    assert watch.whole and watch.finished and not watch.done
    watch.feed(streams.event({"error": {"message": "x"}}) if is_openai else transcripts.ERROR)
    assert watch.failure is None
    assert watch.end()[1] is None
    if is_openai:
        gathered = watched(wire)
        assert wire.fold is not None
        wire.fold(gathered)
        gathered.feed(cut)
        assert not gathered.whole  # nobody has read any of it, and its count is missing


def test_what_could_not_be_read_is_a_fault_though_a_finish_stands_behind_it() -> None:
    """In the same read: a part of the answer is missing, whatever its end says."""
    deep = json.loads('{"a":' * 300 + "1" + "}" * 300)
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": deep}}
    rest = streams.chunk(finish="tool_calls") + streams.USAGE_EVENT + streams.DONE
    stream = streams.says("So") + streams.chunk({"tool_calls": [call]}) + rest
    for parts in ([stream], [streams.says("So"), stream.removeprefix(streams.says("So"))]):
        watch = watched(TO_OPENAI)
        out, failure = run(watch, parts)
        assert failure is not None and failure.kind is FailureKind.BAD_BODY and not watch.whole
        assert b"message_stop" not in out


@pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)
def test_what_can_be_said_of_nothing_is_no_answer(wire: Wire) -> None:
    """A stream that is only about what the client's shape does not know."""
    if wire is TO_ANTHROPIC:
        server = transcripts.start(0, type="server_tool_use", id="s", name="x", input={})
        stream, kind = transcripts.START + server + transcripts.STOP, FailureKind.BROKEN_STREAM  # nor is it finished
    else:
        stream, kind = streams.chunk({"audio": {"id": "x"}}) + streams.DONE, FailureKind.BAD_BODY
    out, failure = run(watched(wire), [stream])
    assert not out and failure is not None and failure.kind is kind


def test_what_the_provider_does_not_tell_is_told() -> None:
    """An id, the time, the model: official clients want them."""
    stream = streams.event({"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}]}) + b"data: [DONE]\n\n"  # fmt: skip  # noqa: E501
    out, _ = run(watched(TO_OPENAI), [stream])
    assert message_of(out)["id"].startswith("lbd-") and message_of(out)["model"] == "up"
    out, _ = run(watched(TO_ANTHROPIC), [transcripts.TRANSCRIPTS["text"]])
    assert {c["created"] for c in chunks(out)} == {int(WALL)}


def test_usage_is_told_as_the_client_wants_it() -> None:
    """A chat client has to ask for it."""
    quiet, _ = run(watched(TO_ANTHROPIC, usage=False), [transcripts.TRANSCRIPTS["text"]])
    assert all("usage" not in c for c in chunks(quiet))
    watch = watched(TO_ANTHROPIC)
    out, _ = run(watch, [transcripts.TRANSCRIPTS["text"]])
    assert chunks(out)[-1]["usage"]["prompt_tokens"] == 20
    assert watch.usage == Usage(20, 7, 10, written=6)


def test_nothing_follows_the_end() -> None:
    """Neither what a provider sends after its end mark, nor after a failure."""
    watch = watched(TO_OPENAI)
    assert watch.feed(streams.OPENAI) and not watch.feed(HELLO)
    assert watch.end() == (b"", None) == watch.end()
    watch = watched(TO_OPENAI)
    watch.feed(HELLO + b"data: {\n\n")
    assert watch.failure is not None and not watch.feed(HELLO)
    assert watch.end() == (b"", watch.failure)


def test_arguments_that_are_no_json_fail_only_who_wants_an_object() -> None:
    """A stream says them as they come; a whole answer of Anthropic's shape cannot."""
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{oops"}}
    stream = streams.chunk({"tool_calls": [call]}) + streams.chunk(finish="tool_calls") + streams.DONE
    out, failure = run(watched(TO_OPENAI), [stream])
    assert failure is None and b"{oops" in out
    for tail in (b"", streams.DONE):
        watch = watched(TO_OPENAI, usage=False)
        assert TO_OPENAI.fold is not None
        TO_OPENAI.fold(watch)
        _, failure = run(watch, [stream.removesuffix(streams.DONE) + tail])
        assert failure is not None and failure.kind is FailureKind.BAD_BODY
    fold = ChatFold()
    fold.feed(stream)
    found = TO_OPENAI.facts(fold.result(), WALL).failure
    assert found is not None and found.kind is FailureKind.BAD_BODY


# --- junk ------------------------------------------------------------------------------------------------


@given(st.sampled_from(sorted(GOOD)), st.booleans(), st.data())
def test_junk_in_a_stream_is_a_failure_or_left_out(name: str, gathered: bool, data: st.DataObject) -> None:
    """Never another exception; and the client's stream is well-formed as far as it goes."""
    wire, stream, choices = GOOD[name]
    told = [json.loads(payload) for _, payload in spec_events(stream) if payload != "[DONE]"]
    at = data.draw(st.integers(0, len(told) - 1))
    told[at] = data.draw(spoiled(told[at]))
    watch = watched(wire, choices)
    if gathered and wire.fold is not None:
        wire.fold(watch)
    out, failure = run(watch, [b"data: %b\n\n" % json.dumps(e).encode() for e in told])
    assert failure is None or isinstance(failure, Failure)
    if not gathered:
        for _, payload in spec_events(out):
            assert payload == "[DONE]" or isinstance(json.loads(payload), dict)


@given(st.sampled_from(sorted(GOOD)), st.data())
def test_junk_in_an_answer_is_a_failure_or_left_out(name: str, data: st.DataObject) -> None:
    """Never another exception."""
    wire = GOOD[name][0]
    if wire is TO_ANTHROPIC:
        answer = transcripts.UNARY[name.removeprefix("anthropic ")]
    else:
        fold = ChatFold()
        fold.feed(streams.TRANSCRIPTS[name.removeprefix("openai ")])
        answer = json.loads(fold.result())
    facts = wire.facts(json.dumps(data.draw(spoiled(answer))).encode(), WALL)
    assert (facts.answer is None) is (facts.failure is not None)
    if facts.answer is not None:
        json.loads(facts.answer)


@given(st.sampled_from(sorted(WIRES)), st.binary(max_size=80))
def test_any_bytes_are_a_failure_or_an_answer(name: str, body: bytes) -> None:
    """Whatever a server sends."""
    run(watched(WIRES[name]), [body])
    assert WIRES[name].facts(body, WALL).failure is not None


def test_what_is_nested_too_deep_is_a_failure() -> None:
    """In log-probabilities, which go on as they are."""
    choice = {"index": 0, "delta": {"content": "b"}, "logprobs": {"content": DEEP}, "finish_reason": None}
    watch = BridgeWatch(OPENAI_CLIENT, CLIENTS.load()["openai.chat"].read, CHAT, "up", 1, False)
    out, failure = run(watch, [HELLO, streams.event({"choices": [choice]})])
    assert failure is not None and failure.kind is FailureKind.BAD_BODY and b"Hello" in out


# --- opaque tokens ---------------------------------------------------------------------------------------

VOICES: dict[str, Voice] = {"openai": OPENAI_CLIENT, "anthropic": ANTHROPIC_CLIENT}
DIALECTS: dict[str, Dialect] = {"openai": CHAT, "anthropic": MESSAGES}
CALL = [Calling(0, "c", "f", token=Token("gemini", "call-sig")), Argued(0, "{}"), Finished(Reason.CALLS)]


@pytest.mark.parametrize("provider", DIALECTS)
@pytest.mark.parametrize("client", VOICES)
@pytest.mark.parametrize("mint", ["anthropic", "gemini", "openai", ""])
@pytest.mark.parametrize("streamed", [True, False])
def test_a_token_comes_back_to_its_maker_alone(mint: str, client: str, provider: str, streamed: bool) -> None:
    """Through a client of whatever shape: its maker gets it with the words that it signs, nobody else gets either."""
    said: list[Piece] = [Begin("i", "m"), Thought("hm"), Thought(token=Token(mint, "sig")), Said("so"), *CALL]
    voice, dialect = VOICES[client], DIALECTS[provider]
    message = _message(voice, said, streamed=streamed)
    shown = json.dumps(message)
    assert (f"lbd.{mint}.sig" in shown) is (mint != ("anthropic" if client == "anthropic" else ""))
    assert "lbd.gemini.call-sig" in shown
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "a"}, message]}
    prompt = voice.read(json.dumps(body).encode())
    assert _tokens(prompt.turns[1].parts) == [Token(mint, "sig"), Token("gemini", "call-sig")]
    sent = dialect.write(prompt, ROW, False, False)
    assert (b'"sig"' in sent) is (b'"hm"' in sent) is (mint == provider == "anthropic")
    assert b"lbd." not in sent and b"call-sig" not in sent


def _tokens(parts: Any) -> list[Token]:
    return [p.token for p in parts if getattr(p, "token", None) is not None]


def _message(voice: Voice, said: list[Piece], *, streamed: bool) -> dict[str, Any]:
    """Return what the client keeps of an answer in its conversation."""
    if not streamed:
        answer = json.loads(voice.whole(gather(said)))
        found: dict[str, Any] = answer["choices"][0]["message"] if "choices" in answer else answer
    else:
        speaker = voice.speak(False)
        out = speaker.say(said) + speaker.end()
        if voice is OPENAI_CLIENT:
            found = chat_of(out).choices[0].message.to_dict()
            # the SDK's own snapshot adds what it parsed, which is not sent back
            return {k: v for k, v in found.items() if k != "parsed"} | {"role": "assistant"}
        found = message_of(out)
    return {k: v for k, v in found.items() if k in ("role", "content")} if "content" in found and isinstance(found["content"], list) else found  # fmt: skip  # noqa: E501


@pytest.mark.parametrize("mint", ["anthropic", "gemini", "openai", ""])
def test_natively_only_its_own_tokens_go_back_to_anthropic(mint: str) -> None:
    """Where the conversation has been with another provider in between."""
    message = _message(ANTHROPIC_CLIENT, [Thought("hm"), Thought(token=Token(mint, "sig")), Said("so")], streamed=True)
    raw = json.dumps({"model": "m", "max_tokens": 9, "messages": [message]}).encode()
    native = wires(PROVIDERS.load()["anthropic"], "m")["anthropic.messages"]
    sent = native.encode(Body("anthropic.messages", raw, Head("m")), DeploymentSpec("p/m", "p", "m", "m", "t"), False, False)  # fmt: skip  # noqa: E501
    assert (sent == raw) is (mint == "anthropic")
    assert (b'"sig"' in sent) is (mint == "anthropic") and b"so" in sent


LONG = 10**21 + 1  # more than 64 bits: 1,000 ether, told in wei
ARGS = {"wei": LONG, "less": -(2**63) - 1}
# A call with such arguments, as providers answer with it.
CALLED: dict[str, Any] = {
    "anthropic": {"type": "message", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": ARGS}]},
    "bedrock": {
        "output": {"message": {"content": [{"toolUse": {"toolUseId": "c", "name": "f", "input": ARGS}}]}},
        "stopReason": "tool_use",
    },
    "gemini": {"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": ARGS}}]}}]},
    "openai": {"choices": [{"message": {"tool_calls": [{"function": {"name": "f", "arguments": json.dumps(ARGS)}}]}}]},
}
FUNCTION = {"name": "f", "arguments": json.dumps(ARGS)}
# The same call in a conversation, as clients send it back.
ASKED: dict[str, Any] = {
    "anthropic.messages": {
        "max_tokens": 5,
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": ARGS}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "ok"}]},
        ],
    },
    "openai.chat": {
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": FUNCTION}]},
            {"role": "tool", "tool_call_id": "c", "content": "ok"},
        ],
    },
    "openai.responses": {
        "tools": [{"type": "function", "name": "f", "parameters": {}}],
        "input": [
            {"role": "user", "content": "hi"},
            {"type": "function_call", "call_id": "c", **FUNCTION},
            {"type": "function_call_output", "call_id": "c", "output": "ok"},
        ],
    },
}


@pytest.mark.parametrize("provider", CALLED)
@pytest.mark.parametrize("client", ASKED)
def test_long_integers_in_a_calls_arguments_come_to_the_last_digit(provider: str, client: str) -> None:
    """A float that comes near is another amount, or another id."""
    wire = wires(PROVIDERS.load()[provider], "up")[client]
    body = json.dumps(CALLED[provider]).encode()
    facts = wire.facts(body, WALL)
    assert facts.failure is None
    asked = json.dumps({"model": "up", **ASKED[client]}).encode()
    for told in (facts.answer or body, wire.encode(Body(client, asked, Head("up")), ROW, False, False)):
        assert all(b"%d" % value in told for value in ARGS.values())


@pytest.mark.parametrize("client", ASKED)
def test_long_integers_in_a_stream_come_to_the_last_digit(client: str) -> None:
    """Gemini streams a call's arguments as an object."""
    wire = wires(PROVIDERS.load()["gemini"], "up")[client]
    assert wire.watch is not None
    watch = wire.watch(1, False, wall=WALL, asked=b"{}")
    told = watch.feed(streams.event(CALLED["gemini"])).replace(b"\\", b"")
    assert all(b"%d" % value in told for value in ARGS.values())
