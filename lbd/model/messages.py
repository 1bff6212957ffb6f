"""A conversation and its answer in no shape of anybody's: what is translated between shapes that differ.

Nothing here exists for a request whose provider speaks the client's own shape: its bytes pass through. A ``Prompt`` is
what was asked, ``Piece`` after ``Piece`` is what comes back, and an ``Answer`` is the pieces put together, so that a
stream and the unary answer it stands for cannot differ.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal, TypeAlias

import msgspec

from lbd.model.outcome import Usage
from lbd.model.units import Tokens


class Token(msgspec.Struct, frozen=True):
    """Something opaque that only its maker can read (a thinking signature, encrypted reasoning)."""

    mint: str  # the family that made it: "anthropic", "gemini", "openai"; "" where nobody knows
    value: str


class Text(msgspec.Struct, frozen=True):
    """Words. ``cache``: the prompt up to here is worth keeping."""

    text: str
    cache: bool = False


class Media(msgspec.Struct, frozen=True):
    """An image, a sound or a document: base64 ``data``, a ``url``, or the ``id`` of an uploaded file."""

    kind: Literal["image", "audio", "file"]
    type: str = ""  # "image/png"; "" where it is not known
    data: str | None = None
    url: str | None = None
    id: str | None = None
    name: str | None = None
    detail: str | None = None
    cache: bool = False


class Thinking(msgspec.Struct, frozen=True):
    """What the model thought, or only the token for it (``redacted``)."""

    text: str = ""
    token: Token | None = None
    redacted: bool = False


class Call(msgspec.Struct, frozen=True):
    """The model calls a tool; ``arguments`` are JSON as the model wrote it."""

    id: str
    name: str
    arguments: str
    token: Token | None = None
    cache: bool = False


class Result(msgspec.Struct, frozen=True):
    """What the tool gave."""

    id: str  # of the call
    parts: tuple[Text | Media, ...]
    failed: bool = False
    name: str = ""  # of the tool; "" where the shape does not tell
    cache: bool = False


class Refusal(msgspec.Struct, frozen=True):
    """The model will not."""

    text: str


Part: TypeAlias = Text | Media | Thinking | Call | Result | Refusal


class Turn(msgspec.Struct, frozen=True):
    """What one side said."""

    role: Literal["user", "assistant"]
    parts: tuple[Part, ...]


class Tool(msgspec.Struct, frozen=True):
    """A function that the model may call; ``parameters`` is a JSON schema."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    cache: bool = False


class Format(msgspec.Struct, frozen=True):
    """The answer is to be JSON; ``schema`` None: any."""

    schema: dict[str, Any] | None = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


class Effort(msgspec.Struct, frozen=True):
    """How much to think: a word, a budget in tokens, or not at all (``off``)."""

    level: str | None = None
    budget: Tokens | None = None
    off: bool = False
    shown: bool | None = None  # the thoughts, or a summary of them, are wanted


class Prompt(msgspec.Struct, frozen=True):
    """What was asked. ``choice`` of tools: None (up to the provider), auto, none, required, or ``tool`` by name."""

    model: str
    turns: tuple[Turn, ...]
    system: tuple[Text, ...] = ()
    tools: tuple[Tool, ...] = ()
    choice: Literal["auto", "none", "required"] | None = None
    tool: str | None = None
    parallel: bool | None = None
    max_tokens: Tokens | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    n: int = 1
    seed: int | None = None
    logprobs: bool = False
    top_logprobs: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    format: Format | None = None
    effort: Effort | None = None
    verbosity: str | None = None
    user: str | None = None


class Reason(StrEnum):
    """Why an answer ended."""

    STOP = "stop"
    STOP_SEQUENCE = "stop_sequence"
    LENGTH = "length"
    CALLS = "calls"
    FILTER = "filter"
    REFUSAL = "refusal"
    PAUSE = "pause"


class Begin(msgspec.Struct, frozen=True, gc=False):
    """The answer begins: the provider's id of it, the model that gives it, and what of the usage is known."""

    id: str
    model: str
    created: int | None = None
    fingerprint: str | None = None
    usage: Usage | None = None


class Said(msgspec.Struct, frozen=True, gc=False):
    """More text. ``logprobs`` in OpenAI's form, of this piece."""

    text: str
    choice: int = 0
    logprobs: Any = None


class Thought(msgspec.Struct, frozen=True, gc=False):
    """More thinking; a ``token`` closes it. ``redacted``: the token is all there is."""

    text: str = ""
    choice: int = 0
    token: Token | None = None
    redacted: bool = False


class Refused(msgspec.Struct, frozen=True, gc=False):
    """More of a refusal."""

    text: str
    choice: int = 0


class Calling(msgspec.Struct, frozen=True, gc=False):
    """A tool call begins: the ``index``-th of its choice, from 0."""

    index: int
    id: str
    name: str
    choice: int = 0
    token: Token | None = None


class Argued(msgspec.Struct, frozen=True, gc=False):
    """More of a call's arguments."""

    index: int
    arguments: str
    choice: int = 0


class Finished(msgspec.Struct, frozen=True, gc=False):
    """A choice ends; ``stop`` is the stop sequence that ended it."""

    reason: Reason
    choice: int = 0
    stop: str | None = None


class Used(msgspec.Struct, frozen=True, gc=False):
    """The tokens of the whole answer."""

    usage: Usage


Piece: TypeAlias = Begin | Said | Thought | Refused | Calling | Argued | Finished | Used


class Choice(msgspec.Struct, frozen=True):
    """One whole answer of several to the same prompt."""

    parts: tuple[Part, ...]
    reason: Reason
    stop: str | None = None
    logprobs: Any = None


class Answer(msgspec.Struct, frozen=True):
    """All pieces put together."""

    id: str
    model: str
    choices: tuple[Choice, ...]
    usage: Usage | None = None
    created: int | None = None
    fingerprint: str | None = None
