"""Conversations and junk for the tests of translations: Hypothesis strategies, and the official SDKs' own types."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pydantic
from anthropic.types import message_create_params
from hypothesis import strategies as st
from msgspec.structs import replace
from openai.types.chat import completion_create_params

from lbd.model.messages import (
    Call,
    Effort,
    Format,
    Media,
    Part,
    Prompt,
    Refusal,
    Result,
    Text,
    Thinking,
    Token,
    Tool,
    Turn,
)
from lbd.shapes.chat.turns import joined

letters = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
names = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True)
scalars = st.one_of(st.none(), st.booleans(), st.integers(-(2**40), 2**40), st.floats(-1e6, 1e6), letters)
plain_json = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(letters, inner, max_size=3), max_leaves=6
)
objects = st.dictionaries(letters, plain_json, max_size=3)
# Anything that JSON can hold, with words that mean something in one place or another.
junk = st.recursive(
    st.one_of(
        scalars,
        st.sampled_from(["", "text", "tool_use", "function", "tool", "user", "data:,", "lbd.", "lbd.x.y", "1e999"]),
        st.sampled_from([2**63, 2**70, -1, 1e308, 0, 1.5]),
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "text", "id", "content", "index"]) | letters, inner, max_size=3)
    ),
    max_leaves=8,
)
DEEP: Any = json.loads("[" * 400 + "]" * 400)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in members:
        yield from _places(inner, (*path, key))


def _put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    out = dict(value) if isinstance(value, dict) else list(value)
    out[path[0]] = _put(value[path[0]], path[1:], new)
    return out


@st.composite
def spoiled(draw: st.DrawFn, value: Any) -> Any:
    """Return a value with junk in one place of it."""
    path = draw(st.sampled_from(list(_places(value))))
    return _put(value, path, draw(junk | st.just(DEEP)))


# --- conversations ---------------------------------------------------------------------------------------

texts = letters.filter(str.strip).map(Text)
base64s = st.binary(min_size=1, max_size=6).map(lambda b: base64.b64encode(b).decode())
urls = names.map(lambda n: f"https://x.test/{n}.png")
images = st.one_of(
    base64s.map(lambda d: Media("image", "image/png", data=d)), urls.map(lambda u: Media("image", url=u))
)
files = st.builds(lambda d, n: Media("file", "application/pdf", data=d, name=n), base64s, names)
tool_specs = st.builds(
    lambda name, description, props: Tool(
        name, description, {"type": "object", "properties": {k: {"type": "string"} for k in props}}
    ),
    names,
    st.none() | letters,
    st.lists(names, max_size=2),
)


@st.composite
def turns(draw: st.DrawFn, *, thinking: bool = False) -> tuple[Turn, ...]:
    """Return a conversation as both shapes can say it: it begins with the user, and each call has its result."""
    out = [Turn("user", tuple(draw(st.lists(texts | images | files, min_size=1, max_size=3))))]
    for round_ in range(draw(st.integers(0, 2))):
        said: list[Part] = []
        if thinking and draw(st.booleans()):
            said.append(draw(thoughts))
        said += draw(st.lists(texts, max_size=1))
        calls = [
            Call(f"call_{round_}_{i}", draw(names), json.dumps(draw(objects))) for i in range(draw(st.integers(0, 2)))
        ]
        said += calls
        if not said or isinstance(said[-1], Thinking):
            said.append(Text("so"))
        given: list[Part] = [Result(c.id, tuple(draw(st.lists(texts, max_size=1))), name=c.name) for c in calls]
        given += draw(st.lists(texts | images, min_size=0 if given else 1, max_size=2))
        out += [Turn("assistant", tuple(said)), Turn("user", tuple(given))]
    return tuple(out)


tokens = letters.map(lambda v: Token("anthropic", v))
thoughts = st.one_of(
    st.builds(Thinking, letters, tokens), tokens.map(lambda token: Thinking(token=token, redacted=True))
)


@st.composite
def prompts(draw: st.DrawFn, *, thinking: bool = False) -> Prompt:
    """Return what both shapes can ask."""
    tools = tuple(draw(st.lists(tool_specs, max_size=2)))
    choice = draw(st.sampled_from([None, "auto", "none", "required"])) if tools else None
    tool = tools[0].name if tools and choice == "required" and draw(st.booleans()) else None
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    return Prompt(
        "m",
        draw(turns(thinking=thinking)),
        system=tuple(draw(st.lists(texts, max_size=1))),
        tools=tools,
        choice=choice,
        tool=tool,
        parallel=draw(st.booleans()) if choice in ("auto", "required") else None,
        max_tokens=draw(st.integers(1, 10**6)),
        temperature=draw(st.none() | st.floats(0, 1)),
        top_p=draw(st.none() | st.floats(0, 1)),
        stop=tuple(draw(st.lists(letters.filter(str.strip), max_size=2))),
        format=draw(st.none() | st.just(Format(schema, "answer", strict=True))),
        effort=draw(st.sampled_from([None, Effort("low"), Effort("medium"), Effort("high")])),
        user=draw(st.none() | st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)),
    )


def plainer(prompt: Prompt) -> Prompt:
    """Return a prompt without what only one shape can say: the name of an answer's format."""
    form = prompt.format
    turns_ = joined([Turn(t.role, tuple(_as_words(p) for p in t.parts)) for t in prompt.turns])
    return replace(prompt, turns=turns_, format=None if form is None else replace(form, name=None))


def _as_words(part: Part) -> Part:
    if isinstance(part, Refusal):
        return Text(part.text)
    if isinstance(part, Call):  # its numbers and spaces may be written otherwise
        return replace(part, arguments=json.dumps(json.loads(part.arguments)))
    return part


# --- the SDKs' own types ---------------------------------------------------------------------------------

_OPENAI: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(completion_create_params.CompletionCreateParams)
_ANTHROPIC: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(message_create_params.MessageCreateParams)


def _drained(value: Any) -> Any:
    """Look at everything: pydantic checks what is iterable only as it is read."""
    if isinstance(value, Mapping):
        return {k: _drained(v) for k, v in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [_drained(v) for v in value]
    return value


def is_openai(raw: bytes) -> dict[str, Any]:
    """Return a request that is one by OpenAI's SDK; raise where it is none."""
    body: dict[str, Any] = json.loads(raw)
    known = _drained(_OPENAI.validate_python(body))
    assert set(body) <= set(known) | {"top_k"}, set(body) - set(known)
    return body


def is_anthropic(raw: bytes, *, samples: bool) -> dict[str, Any]:
    """Return a request that is one by Anthropic's SDK, which knows no sampling any more; raise where it is none."""
    body: dict[str, Any] = json.loads(raw)
    more = {"temperature", "top_p", "top_k"} if samples else set()
    known = _drained(_ANTHROPIC.validate_python({k: v for k, v in body.items() if k not in more}))
    assert set(body) <= set(known) | more, set(body) - set(known)
    return body
