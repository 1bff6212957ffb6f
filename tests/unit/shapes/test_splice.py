"""A stream that broke and is taken up: cut behind any event, it ends as the answer that never broke."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.messages import Piece, Said
from lbd.shapes import sse
from lbd.shapes.bridge import wires
from lbd.shapes.chat.stream import ChatWatch
from lbd.shapes.clients import CLIENTS, ClientShape
from lbd.shapes.completions.voice import COMPLETIONS
from lbd.shapes.messages.stream import MessagesWatch
from lbd.shapes.providers import PROVIDERS
from lbd.shapes.responses.stream import ResponsesWatch
from lbd.shapes.responses.wire import RESPONSES
from lbd.shapes.splice import CannotSplice, Point, SpliceWatch
from lbd.shapes.told import FOLDS
from lbd.shapes.wire import Watch, Wire
from tests.unit.shapes import streams
from tests.unit.shapes.chat.test_speak import accumulated as chat_of
from tests.unit.shapes.messages import transcripts
from tests.unit.shapes.messages.test_speak import accumulated as message_of
from tests.unit.shapes.responses import answers
from tests.unit.shapes.streams import cuts, spec_events


def completion(*texts: str, finish: str = "stop") -> bytes:
    """Return a stream of text completions."""
    head = {"id": "cmpl-1", "object": "text_completion", "created": 7, "model": "m-2025"}
    told = [{"index": 0, "text": t, "logprobs": None, "finish_reason": None} for t in texts]
    told.append({"index": 0, "text": "", "logprobs": None, "finish_reason": finish})
    return b"".join(streams.event({**head, "choices": [c]}) for c in told) + streams.DONE


NATIVE: dict[str, Any] = {
    "openai.chat": ChatWatch,
    "openai.completions": ChatWatch,
    "anthropic.messages": MessagesWatch,
    "openai.responses": ResponsesWatch,
}
BEGUN = {
    "openai.chat": streams.ROLE + streams.says("a"),
    "openai.completions": completion("a")[: completion("a").index(b"\n\n") + 2],
    "anthropic.messages": transcripts.START + transcripts.text(0, "a"),
    "openai.responses": answers.spoken([answers.BEGIN, Said("a")]).partition(b"event: response.output_text.done")[0],
}
MEMBERS = (
    "type", "choices", "index", "delta", "finish_reason", "content", "reasoning", "reasoning_content",
    "reasoning_details", "refusal", "tool_calls", "function", "name", "arguments", "id", "text", "logprobs",
    "message", "content_block", "thinking", "signature", "partial_json", "stop_reason", "item", "output_index",
    "part", "content_index", "sequence_number", "response", "status", "summary", "encrypted_content", "annotations",
    "usage",
)  # fmt: skip
WALL = 1_700_000_000.0
SIGN = b": still there\n\n"


class Way(NamedTuple):
    """A transcript of a provider, and the client that it comes to."""

    client: str
    wire: Wire
    stream: bytes
    choices: int = 1


CHAT_SERVERS = {n: t for n, t in streams.TRANSCRIPTS.items() if n != "openrouter"}
WAYS: dict[str, Way] = {
    f"{client} of {n}": Way(client, wires(PROVIDERS.load()[provider], "up")[client], t, choices)
    for client in ("openai.chat", "anthropic.messages", "openai.responses", "openai.completions")
    for provider, told in (("openai", CHAT_SERVERS), ("anthropic", transcripts.TRANSCRIPTS))
    for n, t in told.items()
    for choices in (streams.choices_of(n),)
    if choices == 1 or client == "openai.chat"
}
COMPLETED = {"text": completion("He", "llo ", "wörld"), "cut": completion("a", "b", finish="length")}
WAYS |= {f"completions {n}": Way("openai.completions", COMPLETIONS, t) for n, t in COMPLETED.items()}
WAYS |= {
    f"responses {n}": Way("openai.responses", RESPONSES, t)
    for n, t in answers.STREAMS.items()
    if n != "log-probabilities"  # who asks for them is not spliced
}
# What stands in the way, and where: behind some events of these only.
HELD_UP = re.compile(
    r"reasoning_details|redacted|hidden|citations|new_kind|web_search_call|two texts|within the (beginning|end)"
)
NOTHING_TO_SAY = re.compile("redacted|citations|later|native|not shown|nothing|completions of (vllm tools|calls)")


def watch_of(way: Way) -> Watch:
    """Return what follows the provider's stream."""
    assert way.wire.watch is not None
    return way.wire.watch(way.choices, False, wants_usage=way.client != "openai.completions", wall=WALL, asked=b"{}")


def told(watch: Watch, *parts: bytes) -> bytes:
    """Return all that goes on of a stream that is whole."""
    out = b"".join([watch.feed(part) for part in parts])
    tail, failure = watch.end()
    assert failure is None, failure
    return out + tail


def fold(client: str, sent: bytes) -> dict[str, Any]:
    """Return the answer that a stream stands for, less what is each run's own and no content."""
    folded = FOLDS[client]()
    folded.feed(sent.replace(SIGN, b""))
    answer = json.loads(re.sub(rb"(msg|fc|rs)_lbd_[A-Za-z0-9_-]*", b"id", folded.result()))
    for aside in ("system_fingerprint", "timings", "prompt_filter_results", "content_filter_results"):
        answer.pop(aside, None)
    usage = answer.get("usage")
    if usage is not None and client != "openai.responses" and not any(v for v in usage.values() if v.__class__ is int):
        answer.pop("usage")  # nobody told it
    if client == "anthropic.messages" and isinstance(usage, dict):
        usage.pop("service_tier", None)
    return dict(answer)


def committed(way: Way, shown: bytes) -> bool:
    """Tell whether so much would have gone out."""
    resume = CLIENTS.load()[way.client].resume
    assert resume is not None
    try:
        point = resume.read(shown)
    except CannotSplice:
        return True
    return any(
        getattr(p, "text", None) or getattr(p, "arguments", None) or hasattr(p, "id") for p in point.shown.pieces
    )


def splice(way: Way, shown: bytes) -> SpliceWatch:
    """Return what follows a second run for a client that has ``shown``. Raises CannotSplice."""
    client: ClientShape = CLIENTS.load()[way.client]
    assert client.resume is not None
    wants = way.client != "openai.completions"
    point = client.resume.read(shown)
    return SpliceWatch(watch_of(way), client.resume, point, sign=SIGN, wants_usage=wants, asked=b"{}")


def spliced(way: Way, shown: bytes, *parts: bytes) -> bytes:
    """Return what a client that has ``shown`` gets of a second run. Raises CannotSplice."""
    return told(splice(way, shown), *parts)


def breaks(sent: bytes) -> Iterable[bytes]:
    """Yield what is shown where a stream breaks behind each of its events."""
    events = [frame.raw for frame in sse.frames(sent)]
    for n in range(1, len(events)):
        yield b"".join(events[:n])


def goes_on(first: Way, second: Way) -> Iterable[tuple[bytes, bytes]]:
    """Yield what is shown where the first run breaks, and what the second one adds, wherever that goes on at all."""
    for shown in breaks(told(watch_of(first), first.stream)):
        if not committed(first, shown):
            continue
        try:
            out = spliced(second, shown, second.stream)
        except CannotSplice as e:
            assert HELD_UP.search(str(e)), str(e)
            continue
        _one_stream(first.client, shown, out)
        yield shown, out


@pytest.mark.parametrize("name", sorted(WAYS))
def test_cut_behind_any_event_it_ends_as_the_answer_that_never_broke(name: str) -> None:
    """Where it can be taken up at all, and it is said where not: never something else."""
    way = WAYS[name]
    whole, went_on = fold(way.client, told(watch_of(way), way.stream)), 0
    for shown, out in goes_on(way, way):
        assert out.startswith(SIGN)
        assert fold(way.client, shown + out) == whole
        went_on += 1
    assert went_on or NOTHING_TO_SAY.search(name)


def _one_stream(client: str, shown: bytes, out: bytes) -> None:
    """Check that both are one stream: one id, one beginning, one end."""
    events = [json.loads(data) for _, data in spec_events(shown + out) if data != "[DONE]"]
    ids = {e["id"] for e in events if e.get("choices") and e.get("id")}
    assert len(ids) <= 1
    kinds = [e.get("type") for e in events]
    if client in ("openai.chat", "openai.completions"):
        assert (shown + out).count(b"[DONE]") == 1
        for n in {c["index"] for e in events for c in e["choices"]}:
            roles = [e for e in events for c in e["choices"] if c["index"] == n and c.get("delta", {}).get("role")]
            assert len(roles) <= 1
    elif client == "anthropic.messages":
        assert kinds.count("message_start") == kinds.count("message_stop") == kinds.count("message_delta") == 1
        starts = [e["index"] for e in events if e["type"] == "content_block_start"]
        stops = [e["index"] for e in events if e["type"] == "content_block_stop"]
        assert starts == stops == list(range(len(starts)))
    else:
        assert [e["sequence_number"] for e in events] == list(range(len(events)))
        assert kinds.count("response.created") == 1
        assert sum(k in ("response.completed", "response.incomplete") for k in kinds) == 1


@given(st.data())
def test_it_does_not_matter_how_the_bytes_come(data: st.DataObject) -> None:
    """Of either run."""
    way = WAYS[data.draw(st.sampled_from(["openai.chat of vllm tools", "anthropic.messages of two calls"]))]
    sent = told(watch_of(way), way.stream)
    shown = data.draw(st.sampled_from([s for s in breaks(sent) if committed(way, s)]))
    out = spliced(way, shown, *data.draw(cuts(way.stream)))
    assert fold(way.client, shown + out) == fold(way.client, sent)


def test_another_provider_s_shape_may_go_on() -> None:
    """A chat of one is gone on with by a message of the other, and the other way round."""
    openai, anthropic = PROVIDERS.load()["openai"], PROVIDERS.load()["anthropic"]
    chat = streams.ROLE + b"".join(map(streams.says, ("He", "llo", " wörld 🌍"))) + streams.chunk(finish="stop")
    chat += streams.USAGE_EVENT + streams.DONE
    message = transcripts.TRANSCRIPTS["text"]
    for client in ("openai.chat", "anthropic.messages", "openai.responses"):
        first = Way(client, wires(openai, "up")[client], chat)
        second = Way(client, wires(anthropic, "up")[client], message)
        for one, other in ((first, second), (second, first)):
            whole = [_texts(client, shown + out) for shown, out in goes_on(one, other)]
            assert whole and all(texts == ["Hello wörld 🌍"] for texts in whole)


def test_calls_without_arguments_are_the_same_in_every_shape() -> None:
    """One says that they are an empty object, another ends their block."""
    named = [{"index": i, "id": f"c{i}", "function": {"name": "f", "arguments": "{}"}} for i in range(2)]
    chat = streams.ROLE + b"".join(streams.chunk({"tool_calls": [call]}) for call in named)
    chat += streams.chunk(finish="tool_calls") + streams.USAGE_EVENT + streams.DONE
    blocks = b"".join(transcripts.tool(i, "f") for i in range(2))
    message = transcripts.START + blocks + transcripts.finish("tool_use") + transcripts.STOP
    for client in ("openai.chat", "anthropic.messages", "openai.responses"):
        first = Way(client, wires(PROVIDERS.load()["openai"], "up")[client], chat)
        second = Way(client, wires(PROVIDERS.load()["anthropic"], "up")[client], message)
        for one, other in ((first, second), (second, first), (second, second)):
            whole = [_calls(client, shown + out) for shown, out in goes_on(one, other)]
            assert whole and all(calls == [{}, {}] for calls in whole)


def _calls(client: str, sent: bytes) -> list[Any]:
    answer = fold(client, sent)
    if client == "openai.chat":
        return [json.loads(c["function"]["arguments"]) for c in answer["choices"][0]["message"]["tool_calls"]]
    if client == "anthropic.messages":
        return [b["input"] for b in answer["content"]]
    return [json.loads(item["arguments"]) for item in answer["output"]]


def _texts(client: str, sent: bytes) -> list[str]:
    answer = fold(client, sent)
    if client == "openai.chat":
        return [c["message"]["content"] for c in answer["choices"]]
    if client == "anthropic.messages":
        return [b["text"] for b in answer["content"]]
    return [p["text"] for item in answer["output"] for p in item["content"]]


@pytest.mark.parametrize("name", ["openai.chat of vllm tools", "openai.chat of llama.cpp", "openai.chat of two calls"])
def test_the_official_openai_client_makes_one_completion_of_both(name: str) -> None:
    """Calls with whole arguments, text and reason: as of the stream that never broke."""
    way = WAYS[name]
    sent = told(watch_of(way), way.stream)
    want = chat_of(sent).model_dump(exclude={"usage", "system_fingerprint"}, exclude_unset=True)
    for shown in breaks(sent):
        if committed(way, shown):
            both = chat_of(shown + spliced(way, shown, way.stream).replace(SIGN, b""))
            got = both.model_dump(exclude={"usage", "system_fingerprint"}, exclude_unset=True)
            got.pop("timings", None)
            assert got == {k: v for k, v in want.items() if k != "timings"}


@pytest.mark.parametrize("name", ["text", "thinking", "two calls", "stop sequence"])
def test_the_official_anthropic_client_makes_one_message_of_both(name: str) -> None:
    """Blocks in their places, thinking with its signature, calls with their input."""
    way = WAYS[f"anthropic.messages of {name}"]
    want = message_of(way.stream)
    for shown in breaks(way.stream):
        if committed(way, shown):
            both = message_of(shown, spliced(way, shown, way.stream).replace(SIGN, b""))
            assert {**both, "usage": None} == {**want, "usage": None}
            assert both["usage"]["output_tokens"] == want["usage"]["output_tokens"]


def test_the_official_responses_types_read_both_as_one() -> None:
    """Every event is one of the API's, and the last holds the whole response."""
    way = WAYS["responses two calls"]
    shown = next(s for s in breaks(way.stream) if b"arguments.delta" in s)
    answers.events(shown + spliced(way, shown, way.stream).replace(SIGN, b""))


# --- differences ---------------------------------------------------------------------------------------

CHAT = WAYS["openai.chat of llama.cpp"]
SHOWN = streams.ROLE + streams.says("ab")
HELLO = transcripts.delta(0, "text_delta", text="Hello")


@pytest.mark.parametrize(
    "stream",
    [
        streams.ROLE + streams.says("ax"),
        streams.ROLE + streams.says("a") + streams.chunk(finish="stop") + streams.DONE,
        streams.ROLE + streams.chunk({"reasoning_content": "hm"}),
        streams.ROLE + streams.calls(0, name="f", arguments="{}"),
        streams.ROLE + streams.says("HALF").replace(b"HALF", b"\\ud83d"),
    ],
)
def test_a_second_run_that_differs_gives_nothing(stream: bytes) -> None:
    """Not a character, and no end."""
    watch = splice(CHAT, SHOWN)
    out = watch.feed(stream)
    assert out in (b"", SIGN)
    assert not watch.going
    assert watch.failure is not None and watch.failure.kind is FailureKind.DIFFERENT
    assert watch.feed(streams.says("c")) == b"" and watch.end() == (b"", watch.failure)


def test_the_first_difference_is_enough() -> None:
    """Nothing is waited for behind it, so that it costs a few tokens."""
    watch = splice(CHAT, streams.ROLE + streams.says("a long text that was shown"))
    watch.feed(streams.ROLE + streams.says("a long"))
    assert watch.failure is None and watch.committed and watch.contents == 1
    watch.feed(streams.says(" test"))
    assert watch.failure is not None


def test_what_breaks_the_second_run_is_its_own_failure() -> None:
    """An error event, junk, an early end."""
    kinds = []
    for more in (streams.event({"error": {"message": "m"}}), b"data: {\n\n", b""):
        watch = splice(CHAT, SHOWN)
        out = watch.feed(streams.ROLE + streams.says("abc") + more)
        tail, failure = watch.end()
        assert streams.content(out + tail) == {(0, "content"): "c"}
        assert failure is not None and b"[DONE]" not in out + tail
        kinds.append(failure.kind)
    assert kinds == [FailureKind.STREAM_ERROR, FailureKind.BAD_BODY, FailureKind.BROKEN_STREAM]


words = st.sampled_from(
    ["text", "thinking", "tool_use", "delta", "message", "output_text", "a", "", "stop", "tool_calls"]
)
junk = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=4),
    max_leaves=8,
)


@given(st.sampled_from(sorted(CLIENTS.load())), st.lists(st.dictionaries(st.sampled_from(MEMBERS), junk), max_size=4))
def test_whatever_was_shown_is_read_or_stands_in_the_way(client: str, told: list[dict[str, Any]]) -> None:
    """What a watch lets pass never raises anything else, in either run."""
    resume = CLIENTS.load()[client].resume
    if resume is None:
        return
    watch = NATIVE[client](1, False, wants_usage=True)
    sent = watch.feed(BEGUN[client])
    assert sent
    sent += b"".join(watch.feed(streams.event(one)) for one in told)
    for read in (resume.read, resume.hear()):
        with contextlib.suppress(CannotSplice):
            read(sent)


def test_a_finish_without_an_end_mark_is_whole() -> None:
    """As it is of a first run; and where only the usage was missing, only that comes."""
    out = spliced(CHAT, SHOWN, streams.ROLE + streams.says("abc") + streams.chunk(finish="stop") + streams.USAGE_EVENT)
    assert out.endswith(streams.DONE) and out.count(b'"usage"') == 1
    shown = SHOWN + streams.chunk(finish="stop")
    out = spliced(CHAT, shown, streams.ROLE + streams.says("ab") + streams.chunk(finish="stop") + streams.USAGE_EVENT)
    assert len(spec_events(out)) == 2 and b'"prompt_tokens":20' in out


def test_it_tells_what_a_watch_tells() -> None:
    """Usage and contents are those of the second run, all of which is paid for."""
    watch = splice(CHAT, SHOWN)
    watch.feed(streams.ROLE + streams.says("a") + streams.says("bc") + streams.chunk(finish="stop"))
    assert (watch.contents, watch.usage, watch.done, watch.whole, watch.going) == (2, None, False, False, True)
    watch.feed(streams.USAGE_EVENT)
    assert watch.usage is not None and watch.usage.completion == 7 and watch.whole
    watch.feed(streams.DONE)
    assert watch.done and watch.end() == (b"", None)


def test_a_second_run_that_ends_sooner_differs() -> None:
    """One that does not say why it ended is broken itself."""
    way = WAYS["anthropic.messages of text"]
    for end, kind in ((transcripts.finish(), FailureKind.DIFFERENT), (b"", FailureKind.BROKEN_STREAM)):
        watch = splice(way, transcripts.START + transcripts.start(0, type="text", text="") + HELLO)
        assert watch.feed(transcripts.START + transcripts.text(0, "He") + end + transcripts.STOP) == SIGN
        assert watch.failure is not None and watch.failure.kind is kind


def test_behind_its_end_nothing_is_said() -> None:
    """Whatever the provider still sends."""
    watch = splice(CHAT, SHOWN)
    out = watch.feed(streams.ROLE + streams.says("abc") + streams.chunk(finish="stop") + streams.DONE)
    assert out.count(streams.DONE) == 1
    assert watch.feed(streams.says("d") + streams.DONE) == b""


class Mute:
    """A speaker that cannot say what it should."""

    def __init__(self, *, at_end: bool) -> None:
        self._at_end = at_end

    def say(self, pieces: Iterable[Piece]) -> bytes:
        if not self._at_end and list(pieces):
            self._fail()
        return b""

    def end(self) -> bytes:
        return self._fail()

    @staticmethod
    def _fail() -> bytes:
        raise LbdError(Failure(FailureKind.BAD_BODY, "it cannot be said"))


@pytest.mark.parametrize("at_end", [False, True])
def test_what_cannot_be_said_is_a_failure(at_end: bool) -> None:
    """As it is of any answer that is translated."""
    resume = CLIENTS.load()["openai.chat"].resume
    assert resume is not None
    point = Point(resume.read(SHOWN).shown, lambda _wants, _asked: Mute(at_end=at_end))
    watch = SpliceWatch(watch_of(CHAT), resume, point, sign=SIGN, wants_usage=False, asked=b"{}")
    watch.feed(streams.ROLE + streams.says("abc") + streams.chunk(finish="stop") + streams.USAGE_EVENT + streams.DONE)
    assert watch.failure is not None and watch.failure.message == "it cannot be said"
