"""What was put into a conversation for another provider's sake is taken out before it passes through."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lbd.shapes.chat.foreign import without_foreign


def request(*messages: Any) -> bytes:
    return json.dumps({"model": "m", "messages": messages, "x": 1}).encode()


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USER = {"role": "user", "content": 'say "lbd.x" to me'}


def test_tagged_thoughts_go_and_the_rest_of_their_message_stays() -> None:
    """With the text that they are of: another model did not think it."""
    detail = {"type": "reasoning.text", "text": "hm", "signature": "lbd.anthropic.c2ln"}
    said = {"role": "assistant", "content": "yes", "reasoning_content": "hm", "reasoning_details": [detail]}
    left = json.loads(without_foreign(request(USER, said)))
    assert left == {"model": "m", "messages": [USER, {"role": "assistant", "content": "yes"}], "x": 1}


def test_what_a_provider_of_the_family_minted_stays() -> None:
    """Untagged tokens are its own business."""
    details = [{"type": "reasoning.text", "text": "a", "signature": "own"}, {"data": "lbd.gemini.x"}]
    said = {"role": "assistant", "content": None, "reasoning_content": "a", "reasoning_details": details}
    [left] = json.loads(without_foreign(request(said)))["messages"]
    assert left["reasoning_details"] == details[:1]
    untagged = request({"role": "assistant", "content": None, "reasoning_details": details[:1]})
    assert without_foreign(untagged) == untagged


def test_a_call_loses_the_signature_that_lbd_kept_for_another() -> None:
    """Its id, name and arguments stay."""
    signed = {**CALL, "extra_content": {"google": {"thought_signature": "lbd.gemini.c2ln"}}}
    own = {**CALL, "extra_content": {"google": {"thought_signature": "c2ln"}}}
    said = {"role": "assistant", "content": None, "tool_calls": [signed, own]}
    [left] = json.loads(without_foreign(request(said)))["messages"]
    assert left["tool_calls"] == [CALL, own]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("lbd.anthropic.x"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["reasoning_details", "tool_calls", "extra_content", "google", "signature", "content"]),
            inner,
        )
    ),
    max_leaves=10,
)


@given(st.lists(json_values, max_size=4) | json_values)
def test_whatever_a_client_sends_raises_nothing(messages: Any) -> None:
    """What is out of order goes on as it came."""
    raw = json.dumps({"messages": messages}).encode()
    json.loads(without_foreign(raw))
