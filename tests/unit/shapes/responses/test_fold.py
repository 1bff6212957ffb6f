"""A stream as the unary answer it stands for."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.shapes.gather import gather
from lbd.shapes.responses.fold import ResponsesFold
from lbd.shapes.responses.speak import whole
from lbd.shapes.responses.stream import ResponsesWatch
from tests.unit.shapes.responses.answers import ANSWERS, FINAL, NATIVE, event, spoken
from tests.unit.shapes.streams import cuts


def folded(parts: list[bytes]) -> bytes:
    """Return what a fold makes of what a watch lets pass, as the daemon does."""
    watch, fold = ResponsesWatch(), ResponsesFold()
    for part in parts:
        fold.feed(watch.feed(part))
    fold.feed(watch.end()[0])
    return fold.result()


@pytest.mark.parametrize("name", list(ANSWERS))
@given(data=st.data())
def test_a_folded_stream_is_the_unary_answer(name: str, data: st.DataObject) -> None:
    """Byte for byte, however it is cut."""
    assert folded(data.draw(cuts(spoken(ANSWERS[name])))) == whole(gather(ANSWERS[name]))


def test_a_providers_own_bytes_stay_as_they_are() -> None:
    """Forms of numbers and unknown members included."""
    assert folded([NATIVE]) == json.dumps(FINAL).encode()


def test_halves_of_characters_are_no_obstacle() -> None:
    """What has no other half is replaced, as clients do."""
    response = {"output": [{"text": "\ud83d"}]}
    told = json.loads(folded([event("response.completed", response=response)]))
    assert told == {"output": [{"text": "\ufffd"}]}


def test_without_an_end_there_is_no_answer() -> None:
    """The daemon asks only where there was one; nothing is raised."""
    fold = ResponsesFold()
    fold.feed(
        event("response.created", response={"id": "resp_1"}) + b": x\n\ndata: .completed\n\ndata: [].completed\n\n"
    )
    fold.feed(b'data: {"type":".completed"}\n\n')
    assert fold.result() == b"{}"


@given(st.binary(max_size=80))
def test_junk_raises_nothing(junk: bytes) -> None:
    """What a watch lets pass is gathered whatever it is."""
    fold = ResponsesFold()
    fold.feed(junk + b'data: response.completed "\n\n')
    assert fold.result() == b"{}"
