"""Items of a response that are under way."""

from __future__ import annotations

from lbd.model.messages import Calling, Refused, Said
from lbd.shapes.responses.under_way import Call, Open, Part


def test_a_part_is_what_was_said_so_far() -> None:
    """Text, or a refusal."""
    assert Part(Said, ["a", "b"]).shown() == {"type": "output_text", "annotations": [], "logprobs": [], "text": "ab"}
    assert Part(Refused, ["no"]).shown() == {"type": "refusal", "refusal": "no"}
    assert Open(Said, "msg_1", 0).done == []


def test_a_call_is_complete_once_its_arguments_are_json() -> None:
    """One without an id of its own has one that is like its item's."""
    call = Call(Calling(0, "", "f"), "fc_lbd_1_0", 0, ['{"x"'])
    assert not call.complete()
    call.arguments.append(":1}")
    assert call.complete()
    shown = call.shown("completed")
    assert (shown["call_id"], shown["arguments"]) == ("call_lbd_1_0", '{"x":1}')
