"""References to items of earlier answers, put back into the items, for the client that got them and nobody else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.ingress.recall import BESIDE, KEPT, Recall
from lbd.model.failure import Failure, FailureKind
from lbd.model.provider import ClientSpec
from lbd.shapes import sse

LARGEST = 1 << 20
BOT, PEER = ClientSpec("bot", b"1"), ClientSpec("peer", b"2")
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": 'a "b"'}]}
CALL = {"id": "fc_1", "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}


class Told:
    """A reply that takes what it is told."""

    def __init__(self) -> None:
        self.started = False
        self.data = b""

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        self.start(status, headers)
        self.data += body

    def start(self, _status: int, _headers: bytes) -> None:
        self.started = True

    def write(self, data: bytes) -> None:
        self.data += data

    def end(self, data: bytes = b"") -> None:
        self.data += data

    def flow(self, pause: object, resume: object) -> None:
        raise AssertionError((pause, resume))


def whole(*items: Any, **more: Any) -> bytes:
    return json.dumps({"id": "resp_1", "object": "response", "output": list(items), **more}).encode()


def event(kind: str, **more: Any) -> bytes:
    return sse.encode(json.dumps({"type": kind, **more}).encode(), kind.encode())


def asks(*input_: Any, **more: Any) -> bytes:
    return json.dumps({"model": "m", "input": list(input_), **more}).encode()


def refers(id_: str) -> dict[str, str]:
    return {"type": "item_reference", "id": id_}


def hears(
    recall: Recall, *pieces: bytes, client: ClientSpec | Failure = BOT, body: bytes = b"{}", now: float = 0.0
) -> None:
    """Have an answer go out: whole, or in pieces."""
    reply = Told()
    with recall.listening(client, body, reply, now) as heard:
        if len(pieces) == 1:
            heard.send(200, b"", pieces[0])
        else:
            heard.start(200, b"")
            for piece in pieces[:-1]:
                heard.write(piece)
            heard.end(pieces[-1])
    assert reply.data == b"".join(pieces) and reply.started


def given_back(recall: Recall, *input_: Any, client: ClientSpec = BOT, now: float = 1.0) -> Any:
    found = recall.restored(client, asks(*input_), now, LARGEST)
    return found if isinstance(found, Failure) else json.loads(found)["input"]


def refused(found: Any, id_: str) -> None:
    assert isinstance(found, Failure), found
    assert (found.kind, found.code, found.param) == (FailureKind.BAD_REQUEST, "unsupported_parameter", "input")
    assert repr(id_) in found.message and "store is false" in found.message


def test_what_a_whole_answer_said_can_be_referred_to() -> None:
    """Each item by its id, between others; what else the request says stays as it is."""
    recall = Recall()
    hears(recall, whole(MESSAGE, CALL))
    user, result = {"role": "user", "content": "hi"}, {"type": "function_call_output", "call_id": "c", "output": "o"}
    assert given_back(recall, user, refers("msg_1"), refers("fc_1"), result) == [user, MESSAGE, CALL, result]
    body = recall.restored(BOT, asks(refers("msg_1"), store=None, tools=[]), 1.0, LARGEST)
    assert isinstance(body, bytes)
    assert json.loads(body) == {"model": "m", "input": [MESSAGE], "store": None, "tools": []}


@pytest.mark.parametrize("end", [b"", b"data: [DONE]\n\n"])
@pytest.mark.parametrize("kind", ["response.completed", "response.incomplete"])
def test_what_a_stream_said_can_be_referred_to(kind: str, end: bytes) -> None:
    """Its last event holds it all, wherever the pieces are cut."""
    told = event("response.created", response={"output": []}) + event("response.output_text.delta", delta="\ndata: x")
    told += event(kind, response={"output": [MESSAGE]}) + end
    for cut in range(1, len(told), 37):
        recall = Recall()
        hears(recall, told[:cut], told[cut:])
        assert given_back(recall, refers("msg_1")) == [MESSAGE]


def delta(text: str) -> bytes:
    at = {"item_id": "msg_" + "0" * 50, "output_index": 0, "content_index": 0, "logprobs": []}
    return event("response.output_text.delta", delta=text, obfuscation="abcdefghijk", **at)


def test_of_a_long_stream_the_end_is_enough() -> None:
    """Its events take many times what it says, and as many streams as there may be go on beside one another."""
    recall = Recall()
    said = {**MESSAGE, "content": [{"type": "output_text", "text": " word" * 10_000}]}
    end = event("response.completed", response={"output": [said]})
    for pieces in ([delta(" word")] * 10_000, [delta("a response.completed comes"), *[delta(" word")] * 10_000]):
        hears(recall, *pieces, end)
        assert given_back(recall, refers("msg_1")) == [said]
    assert recall._taping.bytes == 0
    with recall.listening(BOT, b"{}", Told(), 0.0) as heard:
        heard.start(200, b"")
        for _ in range(100):
            heard.write(delta(" word"))
        assert recall._taping.bytes == 0, "nothing is held while it says what its end says again"


def test_the_end_is_found_wherever_it_is_cut_and_by_its_type_alone() -> None:
    """Some servers name no events beside their data."""
    end = b'data: {"type":"response.completed","response":{"output":[%b]}}\n\n' % json.dumps(MESSAGE).encode()
    for cut in range(1, len(end)):
        recall = Recall()
        hears(recall, delta("x"), end[:cut], end[cut:], b"data: [DONE]\n\n")
        assert given_back(recall, refers("msg_1")) == [MESSAGE]


def test_an_answer_too_large_to_be_looked_at_is_not_kept() -> None:
    """Whole or as a stream, and what was held of it is let go."""
    recall = Recall()
    said = {**MESSAGE, "content": "x" * LARGEST}
    end = event("response.completed", response={"output": [said]})
    hears(recall, whole(said))
    hears(recall, delta("x"), *[end[i : i + 65536] for i in range(0, len(end), 65536)])
    refused(given_back(recall, refers("msg_1")), "msg_1")
    assert recall.bytes == recall._taping.bytes == 0


def test_references_do_not_make_a_request_larger_than_it_may_be() -> None:
    """A reference takes 40 bytes, and what it stands for as much as an answer: a thousand of them are a gigabyte."""
    recall = Recall()
    hears(recall, whole({**MESSAGE, "content": "x" * 300_000}))
    assert len(given_back(recall, *[refers("msg_1")] * 3)) == 3
    found = given_back(recall, *[refers("msg_1")] * 1000)
    assert isinstance(found, Failure)
    assert (found.kind, found.code) == (FailureKind.TOO_LARGE, "body_too_large")


def test_an_id_of_two_items_stands_for_neither() -> None:
    """Servers draw ids out of a thousand, or give the same always: what another conversation was told is not said."""
    recall = Recall()
    hears(recall, whole(MESSAGE))
    hears(recall, whole({**MESSAGE, "content": "of somebody else"}))
    hears(recall, whole(MESSAGE))
    assert recall.bytes == BESIDE
    found = given_back(recall, refers("msg_1"))
    assert isinstance(found, Failure) and found.code == "unsupported_parameter"
    assert "more than one item bears the id 'msg_1'" in found.message
    hears(recall, whole(CALL))
    hears(recall, whole({**CALL, "name": "g"}), now=KEPT)
    assert given_back(recall, refers("fc_1"), now=KEPT + 1) == [{**CALL, "name": "g"}], "the first is over"


@pytest.mark.parametrize(
    "told",
    [
        b"",
        b"{",
        b'{"error": {"message": "no"}}',
        b'{"output": [1, "x", {"type": "message"}, {"id": ""}, {"id": 3}]}',
        b"data: x",
        b"\ndata: {}\n\n",
        event("response.failed", response={"output": [MESSAGE]}),
        event("response.completed", response={}),
        event("response.created", response={"output": []}),
    ],
)
def test_what_is_no_answer_is_not_kept(told: bytes) -> None:
    """Errors, streams that broke, and junk."""
    recall = Recall()
    hears(recall, told)
    assert recall.bytes == 0
    refused(given_back(recall, refers("msg_1")), "msg_1")


def test_nobody_refers_to_what_another_client_was_told() -> None:
    """Whatever the id: the refusal is the one for what never was."""
    recall = Recall()
    hears(recall, whole(MESSAGE))
    hears(recall, whole({**MESSAGE, "content": []}), client=PEER)
    assert given_back(recall, refers("msg_1")) == [MESSAGE]
    assert given_back(recall, refers("msg_1"), client=PEER) == [{**MESSAGE, "content": []}]
    refused(given_back(recall, refers("fc_1"), client=PEER), "fc_1")


@pytest.mark.parametrize("store", [b'"store":false', b'"store" : false'])
def test_where_it_is_forbidden_nothing_is_kept(store: bytes) -> None:
    """The client said so; nor is anything of somebody who is not known."""
    recall = Recall()
    hears(recall, whole(MESSAGE), body=b'{"model":"m",%b}' % store)
    nobody = Failure(FailureKind.UNAUTHORIZED, "no key")
    hears(recall, whole(MESSAGE), client=nobody)
    assert recall.bytes == 0
    assert recall.restored(nobody, asks(refers("msg_1")), 1.0, LARGEST) == asks(refers("msg_1")), (
        "its refusal comes later"
    )


def test_what_is_too_old_is_refused_by_name() -> None:
    """After a day."""
    recall = Recall()
    hears(recall, whole(MESSAGE), now=100.0)
    assert given_back(recall, refers("msg_1"), now=100.0 + KEPT - 1) == [MESSAGE]
    refused(given_back(recall, refers("msg_1"), now=100.0 + KEPT), "msg_1")


def test_the_room_is_bounded_and_what_was_used_longest_ago_goes_first() -> None:
    """Counted with what each takes beside its text; an item that is told again counts once."""
    size = len(json.dumps(MESSAGE)) + BESIDE
    recall = Recall(3 * size)
    items = [{**MESSAGE, "id": f"msg_{i}"} for i in range(4)]
    for item in (*items[:3], items[2]):
        hears(recall, whole(item))
    assert recall.bytes == 3 * size
    assert given_back(recall, refers("msg_0")) == [items[0]]
    hears(recall, whole(items[3]))
    assert recall.bytes == 3 * size
    refused(given_back(recall, refers("msg_1")), "msg_1")
    for i in (0, 2, 3):
        assert given_back(recall, refers(f"msg_{i}")) == [items[i]]
    recall.configure(size)
    assert recall.bytes == size
    recall.configure(0)
    assert recall.bytes == 0
    hears(recall, whole(MESSAGE))
    assert recall.bytes == 0


@pytest.mark.parametrize(
    "body",
    [
        asks({"role": "user", "content": "hi"}),
        b'{"model":"m","input":"item_reference"}',
        b'{"item_reference',
        b'{"model":"item_reference"}',
        b'{"model":"m","input":{"type":"item_reference"}}',
    ],
)
def test_a_request_without_references_stays_as_it_is(body: bytes) -> None:
    """Byte for byte; what is wrong with it somebody else says."""
    assert Recall().restored(BOT, body, 0.0, LARGEST) is body


def test_what_only_looks_like_a_reference_stays() -> None:
    """A word in a prompt, an item without an id, one that is none."""
    recall = Recall()
    odd = [{"role": "user", "content": '{"type":"item_reference","id":"x"}'}, {"type": "item_reference"}, 5]
    assert given_back(recall, *odd) == odd


ITEMS = st.lists(st.tuples(st.sampled_from("abcd"), st.text(max_size=30)), min_size=1, max_size=6)


@given(st.lists(st.tuples(st.sampled_from([BOT, PEER]), ITEMS), max_size=6), st.integers(0, 5000))
def test_any_history_keeps_within_its_bound_what_was_told(
    history: list[tuple[ClientSpec, list[tuple[str, str]]]], most: int
) -> None:
    """What is given back is always what that very client was told under that id; of answers over the bound nothing."""
    recall = Recall(most)
    heard: list[tuple[str, Any]] = []
    for client, told in history:
        items = [{"id": id_, "type": "message", "content": text} for id_, text in told]
        hears(recall, whole(*items), client=client)
        heard += [(client.name, item) for item in items]
        assert 0 <= recall.bytes <= most
    for client in (BOT, PEER):
        for id_ in "abcd":
            found = given_back(recall, refers(id_), client=client)
            assert isinstance(found, Failure) or (found[0]["id"] == id_ and (client.name, found[0]) in heard)
