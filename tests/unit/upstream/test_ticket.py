"""An admitted request."""

from __future__ import annotations

import pytest

from lbd.model.request import Ask, Body, Head
from lbd.plugins import load
from lbd.upstream.ticket import Ticket
from lbd.upstream.trace import NO_TRACE


def test_a_ticket_stays_as_it_was_admitted() -> None:
    """A flight cannot change what was asked; what is not said is what most requests say."""
    shape = load().clients["openai.chat"]
    ticket = Ticket("req_1", 5.0, Body("openai.chat", b"{}", Head("m")), Ask("auto"), shape, "local")
    assert (ticket.affinity, ticket.forward, ticket.validation, ticket.judged) == (0, (), None, None)
    assert ticket.trace is NO_TRACE and (NO_TRACE.id, NO_TRACE.parent, NO_TRACE.flags) == ("", "", "00")
    with pytest.raises(AttributeError):
        ticket.client = "other"  # type: ignore[misc]
