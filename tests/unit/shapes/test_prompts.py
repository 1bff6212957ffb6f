"""What a deployment adds to prompts: everything of the client's is still there, in its order."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.model.failure import FailureKind, LbdError
from lbd.model.messages import Media, Prompt, Result, Text, Turn
from lbd.model.provider import DeploymentSpec, PromptSpec
from lbd.model.request import Body, Head
from lbd.shapes import prompts
from lbd.shapes.chat import passing

ADDED = PromptSpec("Be brief.", "Q: ", " ?", "0a1b2c3d4e5f")
ROW = DeploymentSpec("p/m", "p", "m", "m", "primary", prompt=ADDED)


def sent(shape: str, raw: bytes, added: PromptSpec | None = ADDED) -> bytes:
    encode = prompts.of_body(lambda body, *_: body.raw, shape)
    return encode(Body(shape, raw, Head("m")), replace(ROW, prompt=added), False, False)


def changed(shape: str, added: PromptSpec = ADDED, **members: Any) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(sent(shape, orjson.dumps(members), added))
    return found


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


# --- where bytes pass ------------------------------------------------------------------------------------


def test_a_chat_gets_a_system_message_and_words_around_the_last_of_the_user() -> None:
    """What the user said before, and what came after it, is as it was."""
    tail = [{"role": "assistant", "tool_calls": [{"id": "c"}]}, {"role": "tool", "tool_call_id": "c", "content": "5"}]
    got = changed("openai.chat", model="m", messages=[user("one"), user("two"), *tail])
    assert got["messages"] == [{"role": "system", "content": "Be brief."}, user("one"), user("Q: two ?"), *tail]


@pytest.mark.parametrize("role", ["system", "developer"])
def test_a_client_s_own_system_message_grows(role: str) -> None:
    """Models differ in whether they take two."""
    got = changed("openai.chat", messages=[{"role": role, "content": "Be kind.", "name": "x"}, user("hi")])
    assert got["messages"][0] == {"role": role, "content": "Be brief.\n\nBe kind.", "name": "x"}
    parts = [{"type": "text", "text": "Be kind."}]
    got = changed("openai.chat", messages=[{"role": role, "content": parts}])
    assert got["messages"][0]["content"] == [{"type": "text", "text": "Be brief."}, *parts]


def test_parts_grow_at_the_ends_of_their_words() -> None:
    """Before the first and behind the last; an image stays where it is."""
    image = {"type": "image_url", "image_url": {"url": "data:,"}}
    parts = [image, {"type": "text", "text": "a", "x": 1}, image, {"type": "text", "text": "b"}]
    got = changed("openai.chat", messages=[user("before"), user(parts), user([image])])
    wrapped = [image, {"type": "text", "text": "Q: a", "x": 1}, image, {"type": "text", "text": "b ?"}]
    assert got["messages"][1:] == [user("before"), user(wrapped), user([image])]


def test_messages_get_it_as_their_own_system() -> None:
    """Text, blocks, or none; a tool's result is no word of the user."""
    result = user([{"type": "tool_result", "tool_use_id": "t", "content": "5"}])
    got = changed("anthropic.messages", messages=[user("hi"), {"role": "assistant", "content": "x"}, result])
    assert got["system"] == "Be brief." and got["messages"][0] == user("Q: hi ?") and got["messages"][2] == result
    assert changed("anthropic.messages", messages=[], system="S")["system"] == "Be brief.\n\nS"
    block = {"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}
    got = changed("anthropic.count_tokens", messages=[], system=[block])
    assert got["system"] == [{"type": "text", "text": "Be brief."}, block]
    assert changed("anthropic.messages", messages=[], system=None)["system"] == "Be brief."


def test_responses_get_it_as_instructions() -> None:
    """Their input is a text or items."""
    assert changed("openai.responses", input="hi") == {"input": "Q: hi ?", "instructions": "Be brief."}
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
    output = {"type": "function_call_output", "call_id": "c", "output": "5"}
    got = changed("openai.responses", input=[item, output], instructions="S")
    assert got["instructions"] == "Be brief.\n\nS" and got["input"][1] == output
    assert got["input"][0]["content"] == [{"type": "input_text", "text": "Q: hi ?"}]
    assert "input" not in changed("openai.responses", prompt={"id": "p"})


def test_a_text_to_go_on_from_has_all_of_it_around() -> None:
    """There is no other place; token ids take no words, so another deployment is asked."""
    assert changed("openai.completions", prompt="x")["prompt"] == "Be brief.\n\nQ: x ?"
    assert changed("openai.completions", prompt=["x", "y"])["prompt"] == ["Be brief.\n\nQ: x ?", "Be brief.\n\nQ: y ?"]
    assert changed("openai.completions", model="m") == {"model": "m"}
    with pytest.raises(LbdError) as caught:
        changed("openai.completions", prompt=[1, 2])
    assert caught.value.failure.kind is FailureKind.UNSUPPORTED


@pytest.mark.parametrize(
    ("added", "messages"),
    [
        (PromptSpec(system="S"), [{"role": "system", "content": "S"}, user("hi")]),
        (PromptSpec(prefix="P "), [user("P hi")]),
        (PromptSpec(suffix=" S"), [user("hi S")]),
    ],
)
def test_each_text_stands_for_itself(added: PromptSpec, messages: list[Any]) -> None:
    """What is not given adds nothing."""
    assert changed("openai.chat", added, messages=[user("hi")])["messages"] == messages


def test_every_other_byte_stays_as_it_came() -> None:
    """Blanks, forms of numbers, escapes, keys that nobody knows."""
    raw = rb'{ "seed":1e0, "messages":[{"role":"user", "content":"\u00e9\ud83d\ude00" ,"x":1e400}],  "y":1.0}'
    got = sent("openai.chat", raw, PromptSpec(prefix='"'))
    assert got == raw.replace(rb'"\u00e9', rb'"\"\u00e9')
    assert sent("openai.embeddings", raw) == raw
    assert prompts.of_body(passing.encode, "openai.embeddings") is passing.encode
    assert sent("openai.chat", raw, None) == raw, "a probe's"


@pytest.mark.parametrize(
    "raw",
    [b'{"messages":5}', b'{"messages":[5,{"role":"user"}]}', b'{"messages":[{"role":"user","content":{}}]}', b"[]"],
)
def test_what_is_out_of_order_is_its_provider_s_to_refuse(raw: bytes) -> None:
    """No exception of another kind."""
    for shape in ("openai.chat", "anthropic.messages", "openai.responses"):
        assert sent(shape, raw)


contents = st.text(max_size=5) | st.lists(
    st.builds(lambda t: {"type": "text", "text": t}, st.text(max_size=5)) | st.just({"type": "image_url"}), max_size=3
)
messages = st.lists(
    st.builds(
        lambda r, c: {"role": r, "content": c}, st.sampled_from(["system", "user", "assistant", "tool"]), contents
    ),
    max_size=6,
)


def words(content: Any) -> str:
    return content if isinstance(content, str) else "".join(p.get("text", "\0") for p in content)


@given(messages, st.text(max_size=4), st.text(max_size=4), st.text(max_size=4))
def test_no_message_is_lost_or_moved(given_: list[Any], system: str, prefix: str, suffix: str) -> None:
    """Roles and order are as before; every word of the client's is within the word that is sent."""
    got = changed("openai.chat", PromptSpec(system, prefix, suffix), messages=given_)["messages"]
    if len(got) > len(given_):
        assert got[0] == {"role": "system", "content": system}
        got = got[1:]
    assert [m["role"] for m in got] == [m["role"] for m in given_]
    touched = 0
    for before, after in zip(given_, got, strict=True):
        touched += before != after
        said = before["content"]
        for word in [said] if isinstance(said, str) else [p["text"] for p in said if "text" in p]:
            assert word in words(after["content"])
    assert touched <= 2


# --- where it is translated ------------------------------------------------------------------------------


def test_a_prompt_gets_the_same() -> None:
    """System text first, words around the last run of the user's."""
    image = Media("image", url="u")
    turns = (Turn("user", (Text("one"),)), Turn("assistant", (Text("x"),)), Turn("user", (Text("a"), image, Text("b"))))
    got = prompts.of_prompt(Prompt("m", turns, system=(Text("S"),)), ADDED)
    assert got.system == (Text("Be brief.\n\n"), Text("S"))
    assert got.turns == (*turns[:2], Turn("user", (Text("Q: a"), image, Text("b ?"))))
    assert prompts.of_prompt(Prompt("m", turns), ADDED).system == (Text("Be brief."),)
    assert prompts.of_prompt(got, None) is got


def test_a_tool_s_result_is_no_word_of_the_user() -> None:
    """Before the words of the turn, or instead of any."""
    result = Result("c", (Text("5"),))
    got = prompts.of_prompt(Prompt("m", (Turn("user", (Text("hi"),)), Turn("user", (result,)))), ADDED)
    assert got.turns == (Turn("user", (Text("Q: hi ?"),)), Turn("user", (result,)))
    got = prompts.of_prompt(Prompt("m", (Turn("user", (Text("old"), result, Text("new"))),)), ADDED)
    assert got.turns == (Turn("user", (Text("old"), result, Text("Q: new ?"))),)
    assert prompts.of_prompt(Prompt("m", ()), PromptSpec(prefix="P")).turns == ()


parts = st.lists(
    st.builds(Text, st.text(max_size=4), st.booleans())
    | st.just(Media("image", url="u"))
    | st.just(Result("c", (Text("5"),))),
    max_size=4,
)


@given(st.lists(st.builds(lambda r, p: Turn(r, tuple(p)), st.sampled_from(["user", "assistant"]), parts), max_size=5))
def test_no_part_is_lost_or_moved(turns: list[Turn]) -> None:
    """Taking the words away again gives the prompt that came."""
    got = prompts.of_prompt(Prompt("m", tuple(turns)), PromptSpec("", "<", ">"))
    assert [t.role for t in got.turns] == [t.role for t in turns]
    marks = 0
    for before, after in zip(turns, got.turns, strict=True):
        assert len(after.parts) == len(before.parts)
        for one, other in zip(before.parts, after.parts, strict=True):
            if one != other:
                assert isinstance(one, Text) and isinstance(other, Text) and one.cache is other.cache
                assert other.text in (f"<{one.text}", f"{one.text}>", f"<{one.text}>")
                marks += len(other.text) - len(one.text)
    spoken = any(isinstance(p, Text) for t in turns if t.role == "user" for p in t.parts)
    assert marks == (2 if spoken else 0)
