"""What is kept between requests elsewhere, and refused here."""

from __future__ import annotations

import pytest

from lbd.model.failure import FailureKind
from lbd.shapes.responses import state


def test_what_asks_for_nothing_kept_is_not_refused() -> None:
    """``store`` left out or false, nothing in the background."""
    for store in (None, False, "true"):
        assert state.kept(None, None, False, store) is None
    assert state.kept(None, None, None, None) is None


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (("resp_1", None, None, None), "previous_response_id"),
        ((None, {"id": "conv_1"}, None, None), "conversation"),
        ((None, None, True, None), "background"),
        ((None, None, None, True), "store"),
        (("resp_1", None, None, True), "previous_response_id"),
    ],
)
def test_each_is_refused_by_name(asked: tuple[object, object, object, object], name: str) -> None:
    """With what to do in its place."""
    failure = state.kept(*asked)
    assert failure is not None
    assert (failure.kind, failure.param, failure.code) == (FailureKind.BAD_REQUEST, name, "unsupported_parameter")
    assert failure.message.startswith(f"{name}: lbd ")


def test_references_are_found_in_structure_only() -> None:
    """Words in a prompt are none."""
    assert state.refers(b'[{"type": "item_reference", "id": "msg_1"}]')
    assert state.refers(b'[{"id":"msg_1","type":"item_reference"}]')
    assert not state.refers(rb'[{"role":"user","content":"{\"type\":\"item_reference\"}"}]')
    assert state.reference().param == "input"
    assert state.reference("/input/3").param == "/input/3"


def test_what_cannot_be_referred_to_is_named() -> None:
    """By as much of its id as fits into a line, and why."""
    for failure, why in ((state.forgotten("x" * 200), "no longer"), (state.ambiguous("x" * 200), "more than one")):
        assert (failure.kind, failure.param, failure.code) == (
            FailureKind.BAD_REQUEST,
            "input",
            "unsupported_parameter",
        )
        assert why in failure.message and "x" * 80 in failure.message and "x" * 81 not in failure.message
