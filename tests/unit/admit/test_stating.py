"""What a request states of itself, and the surface it is of."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lbd.admit import stating
from lbd.admit.auth import LOCAL
from lbd.decide.classify import NO_WISHES
from lbd.model.failure import FailureKind, LbdError
from lbd.model.provider import Permission, SurfaceSpec
from lbd.model.request import AfterContent, Head, Urgency, Wishes

SURFACES = {"support": SurfaceSpec("support"), "drafts": SurfaceSpec("drafts")}


def test_a_header_counts_before_metadata() -> None:
    """Whatever the case of metadata's keys; other keys are the application's own."""
    head = Head("m", metadata={"X-LBD-Class": "background", "x-lbd-session": "s", "mine": 1})
    assert stating.wishes({}, head, LOCAL).urgency is Urgency.BACKGROUND
    found = stating.wishes({"class": "interactive"}, head, LOCAL)
    assert (found.urgency, found.session) == (Urgency.INTERACTIVE, "s")
    assert stating.wishes({}, Head("m", metadata={"mine": 1}), LOCAL) is NO_WISHES


def test_what_the_client_may_not_is_refused() -> None:
    """By name, never ignored."""
    client = replace(LOCAL, may=frozenset({Permission.CLASS}))
    with pytest.raises(LbdError) as caught:
        stating.wishes({"max-usd": "1"}, Head("m"), client)
    assert caught.value.failure.kind is FailureKind.FORBIDDEN and "max_usd" in caught.value.failure.message


def test_the_surface_asked_for_counts_before_the_clients_own() -> None:
    """One that nobody has configured is refused, with those that are."""
    client = replace(LOCAL, surface="support")
    assert stating.surface(SURFACES, Wishes(), client).name == "support"
    assert stating.surface(SURFACES, Wishes(surface="drafts"), client).name == "drafts"
    with pytest.raises(LbdError, match="drafts, support"):
        stating.surface(SURFACES, Wishes(surface="x"), client)
    with pytest.raises(LbdError, match="none is configured"):
        stating.surface({}, Wishes(surface="x"), client)


def test_what_becomes_of_a_broken_stream_is_the_wish_or_the_surfaces() -> None:
    """Without either it is spliced."""
    strict = SurfaceSpec("strict", after_content=AfterContent.ERROR)
    assert stating.after_content(Wishes(), None) is AfterContent.SPLICE
    assert stating.after_content(Wishes(), strict) is AfterContent.ERROR
    assert stating.after_content(Wishes(after_content=AfterContent.RESTART), strict) is AfterContent.RESTART
