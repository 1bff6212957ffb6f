"""Both halves of a translation."""

from __future__ import annotations

import pytest

from lbd.shapes.clients import CLIENTS
from lbd.shapes.dialect import Dialect, Voice
from lbd.shapes.providers import PROVIDERS

DIALECTS = {name: shape.dialect for name, shape in PROVIDERS.load().items() if shape.dialect is not None}
VOICES = {name: shape.voice for name, shape in CLIENTS.load().items() if shape.voice is not None}


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_every_dialect_listens(dialect: Dialect) -> None:
    """A listener that has heard nothing knows nothing."""
    assert dialect.path.startswith("/") and dialect.family
    listener = dialect.listen("m", 1)
    assert not listener.done and not listener.whole and listener.usage is None and listener.failure is None
    assert not listener.feed(b"")
    assert "tools" in dialect.carries("m")


@pytest.mark.parametrize("voice", VOICES.values(), ids=VOICES)
def test_every_voice_speaks(voice: Voice) -> None:
    """Whatever was said, the stream ends."""
    assert voice.family
    speaker = voice.speak(True)
    assert speaker.say(()) == b""
    assert speaker.end().endswith(b"\n\n")
