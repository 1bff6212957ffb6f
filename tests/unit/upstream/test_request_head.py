"""The head of a request: written once for each endpoint."""

from __future__ import annotations

import pytest

from lbd.ports import Endpoint
from lbd.upstream import request_head as module
from lbd.upstream.request_head import head_bytes
from tests.fakes.bench import ENDPOINT, ORIGIN


def test_a_request_head_is_the_endpoints_lines_and_the_length() -> None:
    """Written once for each endpoint; only the length changes."""
    head = head_bytes(ENDPOINT, 12)
    assert head == (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: h:8000\r\nauthorization: Bearer k\r\naccept: x\r\n"
        b"content-length: 12\r\n\r\n"
    )
    assert head_bytes(ENDPOINT, 3).endswith(b"content-length: 3\r\n\r\n")


def test_remembered_heads_are_bounded_and_never_mixed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are remembered by identity, which a new endpoint may inherit from one that is gone."""
    monkeypatch.setattr(module, "_prefixes", {})
    for n in range(5000):
        endpoint = Endpoint(ORIGIN, "POST", f"/{n}", ())
        assert head_bytes(endpoint, 0).startswith(b"POST /%d HTTP/1.1\r\n" % n)
    assert len(module._prefixes) <= 4097


def test_what_was_made_for_one_request_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signed head is never asked for again."""
    monkeypatch.setattr(module, "_prefixes", {})
    assert head_bytes(Endpoint(ORIGIN, "POST", "/x", (), lasting=False), 0).startswith(b"POST /x HTTP/1.1\r\n")
    assert not module._prefixes
