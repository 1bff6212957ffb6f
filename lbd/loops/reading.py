"""Requests and answers as they are judged: words, and what is wrong. Pure, and done in another process.

Of long ones it takes its time: a stream is put together, a schema is held against every call.
"""

from __future__ import annotations

import msgspec

from lbd.model.evaluation import Sample
from lbd.model.failure import LbdError
from lbd.model.messages import Call, Media, Part, Prompt, Refusal, Result, Text
from lbd.shapes import told
from lbd.shapes.clients import CLIENTS
from lbd.shapes.loose import UNREADABLE
from lbd.shapes.validate.sound import flaw
from lbd.shapes.validate.texts import said


class Read(msgspec.Struct, frozen=True):
    """A request and its answer as they are judged.

    ``wrong``: what the validators found; ``speechless``: why there are no words to be compared.
    """

    conversation: str
    text: str
    wrong: str | None
    speechless: str = ""


class Speechless(msgspec.Struct, frozen=True):
    """Why an answer has no words that could be compared."""

    why: str


def transcript(prompt: Prompt) -> str:
    """Return a conversation as text for a judge."""
    lines = [f"System: {''.join(t.text for t in prompt.system)}"] if prompt.system else []
    lines += [f"{turn.role.capitalize()}: {''.join(map(_text, turn.parts))}" for turn in prompt.turns]
    return "\n\n".join(lines)


def _text(part: Part) -> str:
    if isinstance(part, Text | Refusal):
        return part.text
    if isinstance(part, Call):
        return f"[calls {part.name}({part.arguments})]"
    if isinstance(part, Result):
        return f"[result: {''.join(map(_text, part.parts))}]"
    return f"[{part.kind}]" if isinstance(part, Media) else ""


def _words(shape: str, answer: bytes) -> str | Speechless:
    """Return the words of a whole answer, or why words are not what it is about."""
    found = said(shape, answer)
    if len(found) != 1:
        return Speechless("unreadable_answer")
    if found[0].calls:
        return Speechless("calls_a_tool")
    return found[0].text if found[0].text.strip() else Speechless("empty_answer")


def words_of(shape: str, sent: bytes) -> str | Speechless:
    """Return the words of what somebody was sent."""
    try:
        return _words(shape, told.whole(shape, sent))
    except (*UNREADABLE, TypeError):
        return Speechless("unreadable_answer")


def read(sample: Sample, sent: bytes) -> Read | str:
    """Read request and answer, or say why that cannot be done."""
    voice = CLIENTS.load()[sample.shape].voice
    try:
        # where it cannot be read it went to a provider as it was; in no other shape could it be said
        prompt = None if voice is None else voice.read(sample.raw)
        if prompt is None:
            return "unreadable_request"
        conversation = transcript(prompt)
    except (LbdError, *UNREADABLE, TypeError):
        return "unreadable_request"
    try:
        whole = told.whole(sample.shape, sent)
        wrong = flaw(sample.shape, sample.raw, whole, prompt.tools, bounded=sample.bounded)
        words = _words(sample.shape, whole)
    except (*UNREADABLE, TypeError):  # nested deeper than can be written
        return "unreadable_answer"
    text, speechless = ("", words.why) if isinstance(words, Speechless) else (words, "")
    return Read(conversation, text, wrong, speechless)
