"""Pieces as text completions."""

from __future__ import annotations

import json

from openai.types import Completion

from lbd.model.messages import Argued, Begin, Calling, Finished, Piece, Reason, Refused, Said, Thought, Used
from lbd.model.outcome import Usage
from lbd.shapes.completions.speak import CompletionsSpeaker, whole
from lbd.shapes.gather import gather

PIECES: list[Piece] = [
    Begin("x1", "m", 7),
    Thought("hm"),
    Said("hel"),
    Calling(0, "c", "f"),
    Argued(0, "{}"),
    Said("lo"),
    Refused("!"),
    Finished(Reason.LENGTH),
    Used(Usage(3, 4)),
]


def chunks(raw: bytes) -> list[Completion]:
    """Return the chunks; in a stream a reason may be null, which the type of a whole answer does not know."""
    lines = [line[6:] for line in raw.decode().split("\n\n") if line]
    assert lines.pop() == "[DONE]" and "[DONE]" not in lines
    found = []
    for told in map(json.loads, lines):
        for choice in told["choices"]:
            assert choice.keys() == {"index", "text", "logprobs", "finish_reason"}
            choice["finish_reason"] = choice["finish_reason"] or "stop"
        found.append(Completion.model_validate(told))
    return found


def test_a_stream_holds_the_text_its_end_and_the_usage_where_it_is_wanted() -> None:
    """Every chunk is of the SDK's type; thoughts and calls have no place there."""
    speaker = CompletionsSpeaker(True)
    told = chunks(speaker.say(PIECES) + speaker.end())
    assert "".join(c.choices[0].text for c in told if c.choices) == "hello!"
    assert [c.choices[0].finish_reason for c in told if c.choices][-1] == "length"
    assert told[-1].usage is not None and told[-1].usage.total_tokens == 7
    assert {(c.id, c.model, c.created) for c in told} == {("x1", "m", 7)}
    speaker = CompletionsSpeaker(False)
    assert all(c.usage is None for c in chunks(speaker.say(PIECES) + speaker.end()))


def test_a_unary_answer_says_the_same() -> None:
    """Of the SDK's type, too."""
    body = Completion.model_validate_json(whole(gather(PIECES)))
    assert (body.choices[0].text, body.choices[0].finish_reason) == ("hello!", "length")
    assert body.usage is not None and (body.usage.prompt_tokens, body.usage.completion_tokens) == (3, 4)
