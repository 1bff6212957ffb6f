"""Counting a prompt's tokens."""

from __future__ import annotations

import json

from lbd.model.failure import Failure
from lbd.model.request import Head
from lbd.shapes.clients.count_tokens import SHAPE, estimate, read


def test_what_the_answer_would_need_does_not_matter() -> None:
    """Nothing is generated."""
    asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": [{"name": "f"}], "stream": True}
    head = read(json.dumps(asked).encode())
    assert isinstance(head, Head)
    assert (head.model, head.stream, head.needs) == ("m", False, frozenset())
    assert isinstance(read(b"{}"), Failure)


def test_lbd_s_own_answer_is_of_the_same_form() -> None:
    """For models whose provider does not count."""
    assert SHAPE.estimate is estimate
    assert json.loads(estimate(12)) == {"input_tokens": 12}
