"""What a simulated client notes of its answer."""

from __future__ import annotations

from lbd.model.failure import Failure, FailureKind
from lbd.shapes.clients.openai import error_event
from lbd.simulate.caller import Caller, Inbound


def test_a_whole_answer_is_good_and_a_refusal_has_its_code() -> None:
    good, bad, odd = Caller(), Caller(), Caller()
    good.send(200, b"", b"{}")
    bad.send(400, b"", b'{"error": {"message": "no", "type": "invalid_request_error", "code": "no_candidate"}}')
    odd.send(502, b"", b"<html>")
    assert good.good and not bad.good
    assert (bad.error, odd.error) == ("no_candidate", "error")


def test_a_stream_is_good_when_it_ends_without_an_error() -> None:
    good, broken, cut = Caller(), Caller(), Caller()
    for caller in (good, broken, cut):
        caller.start(200, b"")
        caller.write(b'data: {"choices": []}\n\n')
    good.end(b"data: [DONE]\n\n")
    broken.end(error_event(Failure(FailureKind.BROKEN_STREAM, "cut off")))
    assert good.good and not broken.good and not cut.good
    assert broken.error == FailureKind.BROKEN_STREAM


def test_wishes_are_headers_without_their_prefix() -> None:
    inbound = Inbound(1.0, {"x-lbd-class": "background", "authorization": "x"})
    assert inbound.wishes() == {"class": "background"}
    assert inbound.header("authorization") == "x" and inbound.header("other") is None
