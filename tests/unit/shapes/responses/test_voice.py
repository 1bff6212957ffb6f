"""Both directions of the translation, for clients of the Responses API."""

from __future__ import annotations

from lbd.shapes.clients import responses
from lbd.shapes.dialect import Speaker
from lbd.shapes.gather import gather
from lbd.shapes.responses.voice import VOICE
from tests.unit.shapes.responses.answers import ANSWERS, spoken


def test_the_client_shape_speaks_with_it() -> None:
    """As one of OpenAI's family: whose tokens are opaque to it go untagged."""
    assert responses.SHAPE.voice is VOICE
    assert VOICE.family == "openai"


def test_what_it_says_is_the_same_whether_usage_is_wished_for_or_not() -> None:
    """The last event always tells it."""
    for wished in (True, False):
        speaker: Speaker = VOICE.speak(wished)
        assert speaker.say(ANSWERS["text"]) + speaker.end() == spoken(ANSWERS["text"])
    assert VOICE.whole(gather(ANSWERS["text"])) in spoken(ANSWERS["text"])
    assert VOICE.read(b'{"model":"m","input":"hi"}').model == "m"
