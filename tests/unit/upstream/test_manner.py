"""What the client asks for and what the deployment can stop decide how an answer is carried."""

from __future__ import annotations

import dataclasses
from typing import Any, cast

import pytest

from lbd.model.request import Body, Head
from lbd.ports import Transport
from lbd.shapes.chat.stream import ChatWatch
from lbd.shapes.wire import Watch
from lbd.upstream import line as lines
from lbd.upstream.manner import Manner, following, manner_of
from tests.fakes.tables import deployment, provider
from tests.fakes.targets import shape


@pytest.mark.parametrize(
    ("stream", "via_stream", "expected"),
    [
        (True, False, Manner.FORWARD),
        (True, True, Manner.FORWARD),
        (False, True, Manner.FOLD),
        (False, False, Manner.WHOLE),
    ],
)
def test_the_manner_of_an_answer(stream: bool, via_stream: bool, expected: Manner) -> None:
    """A unary answer whose work could not be stopped is asked for as a stream."""
    spec = deployment("p/a", unary_via_stream=via_stream)
    line = lines.build(spec, provider("p"), shape("openai"), cast("Transport", None))
    wire = line.ways["openai.chat"].wire
    assert manner_of(line, wire, Head(model="m", stream=stream)) is expected
    if not stream:
        assert manner_of(line, dataclasses.replace(wire, fold=None), Head(model="m")) is Manner.WHOLE


@pytest.mark.parametrize(
    ("manner", "ask", "include", "expected"),
    [
        (Manner.FORWARD, True, False, (3, True, False)),
        (Manner.FORWARD, True, True, (3, False, True)),
        (Manner.FORWARD, False, False, (3, False, False)),
        (Manner.FOLD, True, False, (3, False, True)),
        (Manner.FOLD, True, True, (3, False, True)),
        (Manner.FOLD, False, False, (3, False, False)),
    ],
)
def test_a_stream_is_followed_as_it_is_shown(manner: Manner, ask: bool, include: bool, expected: object) -> None:
    """Usage that the client has not asked for is hidden; a folded answer shows it, and is not whole without it."""
    line = lines.build(deployment("p/a"), provider("p"), shape("openai"), cast("Transport", None))
    made: list[object] = []

    def watch(choices: int, hide: bool, /, **more: Any) -> Watch:
        made.append((choices, hide, more["wants_usage"]))
        assert (more["wall"], more["asked"]) == (5.0, b"{}")
        return ChatWatch()

    wire = dataclasses.replace(line.ways["openai.chat"].wire, watch=watch)
    body = Body("openai.chat", b"{}", Head("m", n=3, include_usage=include))
    follow = following(manner, wire, body, ask)
    assert follow is not None and follow(5.0) is not None
    assert made == [expected]


def test_what_comes_whole_is_not_followed() -> None:
    """Nor is what is never streamed."""
    line = lines.build(deployment("p/a"), provider("p"), shape("openai"), cast("Transport", None))
    wire = line.ways["openai.chat"].wire
    body = Body("openai.chat", b"{}", Head("m"))
    assert following(Manner.WHOLE, wire, body, True) is None
    assert following(Manner.FOLD, dataclasses.replace(wire, watch=None), body, True) is None
