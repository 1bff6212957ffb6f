"""What the client asks for and what the deployment can stop decide how an answer is carried."""

from __future__ import annotations

import dataclasses
from typing import cast

import pytest

from lbd.model.request import Head
from lbd.ports import Transport
from lbd.upstream import line as lines
from lbd.upstream.manner import Manner, manner_of
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
