"""A stream of text completions taken up: text alone is carried over."""

from __future__ import annotations

import json

import pytest

from lbd.model.messages import Finished, Reason, Said
from lbd.shapes.completions.resume import hear, read
from lbd.shapes.splice import CannotSplice
from tests.unit.shapes.streams import DONE, event, spec_events

HEAD = {"id": "cmpl-1", "object": "text_completion", "created": 7, "model": "m"}


def told(text: str, index: int = 0, finish: str | None = None, **more: object) -> bytes:
    choice = {"index": index, "text": text, "logprobs": None, "finish_reason": finish, **more}
    return event({**HEAD, "choices": [choice]})


def test_text_and_ends_are_read_and_gone_on_with_under_the_same_id() -> None:
    """Of each choice."""
    point = read(told("a") + told("b", 1) + told("", 1, "length"))
    assert point.shown.pieces == (Said("a"), Said("b", 1), Finished(Reason.LENGTH, 1))
    speaker = point.speak(False, b"{}")
    events = [json.loads(d) for _, d in spec_events(speaker.say([Said("c")]) + speaker.end()) if d != "[DONE]"]
    assert [{k: e[k] for k in HEAD} for e in events] == [HEAD]
    assert hear()(told("a") + told("", 0, "stop") + DONE) == [Said("a"), Finished(Reason.STOP)]


@pytest.mark.parametrize("more", [{"logprobs": {"tokens": ["a"]}}, {"prompt_logprobs": [1]}, {"index": None}])
def test_what_pieces_do_not_carry_stands_in_the_way(more: dict[str, object]) -> None:
    """Log-probabilities most of all."""
    with pytest.raises(CannotSplice):
        read(told("a", **more))  # type: ignore[arg-type]
