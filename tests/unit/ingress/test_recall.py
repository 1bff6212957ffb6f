"""References to items of earlier answers, put back into the items, for the client that got them and nobody else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.ingress.recall import _ALIKE, BESIDE, KEPT, Recall
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


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def said(text: str, id_: str = "msg_0") -> dict[str, Any]:
    """Return what a server says that begins with the same id in each answer."""
    return {"id": id_, "type": "message", "content": text}


def test_a_reference_means_the_item_of_its_own_conversation() -> None:
    """Each turn of each bears the same id: what stands before the reference tells which it is."""
    recall = Recall()
    turns = [(name, n) for n in range(3) for name in ("a", "b")]
    history: dict[str, list[Any]] = {"a": [], "b": []}
    sent: dict[str, list[Any]] = {"a": [], "b": []}
    for name, n in turns:
        history[name].append(user(f"{name}{n}"))
        sent[name].append(user(f"{name}{n}"))
        assert given_back(recall, *sent[name]) == history[name]
        hears(recall, whole(said(f"answer {name}{n}")), body=asks(*history[name]))
        history[name].append(said(f"answer {name}{n}"))
        sent[name].append(refers("msg_0"))
    for name in ("a", "b"):
        assert given_back(recall, *sent[name]) == history[name]


def test_items_of_one_answer_may_bear_one_id() -> None:
    """What stands before the second is the first."""
    recall = Recall()
    hears(recall, whole(said("one"), said("two"), said("three")), body=asks(user("hi")))
    there = given_back(recall, user("hi"), refers("msg_0"), refers("msg_0"), refers("msg_0"), user("more"))
    assert [item["content"] for item in there] == ["hi", "one", "two", "three", "more"]


def test_where_the_same_is_answered_again_the_newest_is_meant() -> None:
    """The client asked anew, and has the second."""
    recall = Recall()
    for n in range(3):
        hears(recall, whole(said(f"try {n}")), body=asks(user("hi")))
    assert given_back(recall, user("hi"), refers("msg_0"))[1] == said("try 2")
    assert recall.bytes == len(json.dumps(said("try 2"))) + BESIDE, "the others are gone"


def test_where_the_middle_was_written_anew_the_newest_that_began_so_is_meant() -> None:
    """A client that drops or sums up what is long ago; never what another conversation was told."""
    recall = Recall()
    hears(recall, whole(said("first")), body=asks(user("hi"), user("a")))
    hears(recall, whole(said("second")), body=asks(user("hi"), user("a"), said("first"), user("b")))
    hears(recall, whole(said("of another")), body=asks(user("hello"), user("b")))
    assert given_back(recall, user("hi"), user("in short"), refers("msg_0"))[2] == said("second")
    for before in ([], [user("good day")]):
        found = given_back(recall, *before, refers("msg_0"))
        assert isinstance(found, Failure) and found.code == "unsupported_parameter"
        assert "more than one item bears the id 'msg_0'" in found.message


def test_a_text_that_is_the_whole_input_is_what_stands_before() -> None:
    """The next turn writes it as an item, which is not the same; one answer is known all the same, of two none."""
    recall = Recall()
    hears(recall, whole(said("one")), body=json.dumps({"input": "hi"}).encode())
    assert given_back(recall, user("hi"), refers("msg_0"))[1] == said("one")
    hears(recall, whole(said("two")), body=json.dumps({"input": "hello"}).encode())
    found = given_back(recall, user("hi"), refers("msg_0"))
    assert isinstance(found, Failure) and "more than one item" in found.message


def test_an_item_that_two_conversations_were_told_alike_is_no_doubt() -> None:
    """Whichever is meant."""
    recall = Recall()
    for name in ("a", "b"):
        hears(recall, whole(MESSAGE), body=asks(user(name)))
    assert given_back(recall, user("c"), refers("msg_1"))[1] == MESSAGE


def test_what_is_over_makes_no_doubt() -> None:
    """An item is forgotten by itself, not with those of its id."""
    recall = Recall()
    hears(recall, whole(CALL), body=asks(user("a")))
    hears(recall, whole({**CALL, "name": "g"}), body=asks(user("b")), now=KEPT)
    assert given_back(recall, refers("fc_1"), now=KEPT + 1) == [{**CALL, "name": "g"}], "the first is over"


def test_of_one_id_no_more_are_kept_than_can_be_looked_through() -> None:
    """A server that gives one id to all makes thousands of them."""
    recall = Recall()
    for n in range(_ALIKE + 5):
        hears(recall, whole(said(str(n))), body=asks(user(str(n))))
    assert len(recall._of) == _ALIKE and sum(map(len, recall._alike.values())) == _ALIKE
    assert isinstance(given_back(recall, user("4"), refers("msg_0")), Failure)
    assert given_back(recall, user("5"), refers("msg_0"))[1] == said("5")


def test_what_was_deleted_can_be_referred_to_no_more() -> None:
    """Only the items of that very answer, and only for that client."""
    recall = Recall()
    answers = [whole(said(name), CALL) for name in ("a", "b")]
    for name, answer in zip("ab", answers, strict=True):
        recall.keep("bot", answer, asks(user(name)), 0.0)
    recall.forget("peer", answers[0])
    assert len(recall._of) == 4
    recall.forget("bot", answers[0])
    assert given_back(recall, user("a"), refers("msg_0"))[1] == said("b"), "the only one left"
    recall.forget("bot", answers[1])
    assert recall.bytes == 0 and not recall._of and not recall._alike
    recall.forget("bot", answers[1])


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
