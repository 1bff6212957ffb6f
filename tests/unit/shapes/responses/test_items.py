"""The objects that an answer is made of."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.messages import Begin, Finished, Reason
from lbd.shapes.responses import items
from tests.unit.shapes.responses.answers import PROB


@given(st.text(), st.integers(0, 999), st.sampled_from(["msg", "fc", "rs"]))
def test_ids_are_such_as_openai_takes(given_id: str, index: int, kind: str) -> None:
    """When the conversation moves there: their kind first, at most 64 letters, digits, _ and -."""
    response = items.response_id(Begin(given_id, "m"))
    assert response.startswith("resp_") and len(response) > 5
    assert re.fullmatch(rf"{kind}_[A-Za-z0-9_-]{{1,60}}", items.item_id(kind, response, index))
    assert items.item_id("rs", response, index).startswith(f"rs{items.WRITTEN}")


def test_the_providers_own_id_can_be_found_again() -> None:
    """In the response's."""
    assert items.response_id(Begin("chatcmpl-1", "m")) == "resp_chatcmpl-1"
    assert items.response_id(Begin("resp_1", "m")) == "resp_1"
    assert items.response_id(Begin("", "m")) == "resp_lbd"


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_its_word(reason: Reason) -> None:
    """Only what was cut short is incomplete."""
    cut = {Reason.LENGTH: "max_output_tokens", Reason.FILTER: "content_filter"}.get(reason)
    assert items.why_cut(Finished(reason), refused=True) == cut
    silent = "content_filter" if reason is Reason.REFUSAL else cut
    assert items.why_cut(Finished(reason), refused=False) == silent


OTHER = {"token": "Ho", "bytes": None, "logprob": -1}


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({"content": [PROB]}, [PROB]),
        ([{"content": [PROB]}, {"content": [PROB]}], [PROB, PROB]),
        (
            {"content": [{**PROB, "top_logprobs": [OTHER, 5]}]},
            [{**PROB, "top_logprobs": [{"token": "Ho", "bytes": [], "logprob": -1}]}],
        ),
        ({"content": [{"token": "a", "logprob": 0}]}, [{"token": "a", "bytes": [], "logprob": 0, "top_logprobs": []}]),
        ({"content": [None, {}, {"token": 1, "logprob": 1}, {"token": "a", "logprob": True}]}, []),
        ({"content": None}, []),
        ({"content": 5}, []),
        (None, []),
        (5, []),
    ],
)
def test_log_probabilities(found: Any, told: list[Any]) -> None:
    """In the form of this API; what is none is left out."""
    assert items.logprobs(found) == told
