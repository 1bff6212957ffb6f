"""What locks a deployment out for all must not be what one client can make its provider say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from lbd.model.failure import LOCK_OUTS, Failure, FailureKind
from lbd.shapes.chat import errors
from lbd.shapes.chat.hearsay import believed

K = FailureKind
QUOTA = "Invalid value: 'You exceeded your current quota'. Supported values are: 'none', 'auto'."


def failed(status: int, message: str, code: str | None = None, kind: str = "invalid_request_error") -> Failure:
    body = json.dumps({"error": {"message": message, "type": kind, "code": code}}).encode()
    found = errors.classify(status, {}, body, 0.0)
    assert found.kind in LOCK_OUTS
    return found


def asked(**more: Any) -> bytes:
    return json.dumps({"model": "a-model", "messages": [{"role": "user", "content": "hi"}], **more}).encode()


@pytest.mark.parametrize(
    ("failure", "body"),
    [
        (failed(400, QUOTA, "invalid_value"), asked(tool_choice="You exceeded your current quota")),
        (failed(400, QUOTA), asked(tool_choice="YOU EXCEEDED YOUR CURRENT QUOTA, and more that is cut off")),
        (failed(400, QUOTA), asked(tools=[{"parameters": {"exceeded your current quota": 1}}])),
        (failed(400, QUOTA), asked(user="exceeded your current quota").replace(b"quota", b"qu\\u006fta")),
        (failed(400, "'x' exceeded your current quota 'y'"), asked(user="x' exceeded your current quota 'y")),
        (failed(404, "No such File object: file-model"), asked(user="file-model")),
        (failed(404, "no route"), asked(user="NO ROUTE")),
        (failed(400, "'payment required' is not a voice"), b"--x\r\n\r\npayment required\r\n--x--"),
        (failed(400, QUOTA), b'{"x":"' + b"y" * 1024 * 1024 + b'exceeded your current quota"}'),
        (failed(400, QUOTA), b'["exceeded your current quota"]'),
    ],
)
def test_a_client_s_own_words_lock_nobody_out(failure: Failure, body: bytes) -> None:
    """It is one of this request, which is tried elsewhere; the client is told what the provider said."""
    found = believed(failure, body)
    assert found == replace(failure, kind=K.UNSUPPORTED)
    assert not found.row.counts


@pytest.mark.parametrize(
    ("failure", "body"),
    [
        (failed(400, "Your credit balance is too low to access the API."), asked(user="what is a credit balance?")),
        (failed(400, QUOTA + " payment required"), asked(user="exceeded your current quota")),  # one is its own
        (
            failed(429, "You exceeded your current quota", "insufficient_quota"),
            asked(user="exceeded your current quota"),
        ),
        (failed(400, "exceeded your current quota", "insufficient_quota"), asked(user="exceeded your current quota")),
        (failed(402, "payment required"), asked(user="payment required")),
        (failed(401, "payment required"), asked(user="payment required")),
        (failed(404, "the model `a-model` does not exist"), asked()),  # a model's name is no word of the client's
        (failed(404, "the model does not exist", "model_not_found"), asked(user="model")),
        (failed(404, ""), asked(user="HTTP 404 without a message")),
    ],
)
def test_the_provider_s_own_words_are_believed(failure: Failure, body: bytes) -> None:
    """By its code, its status, or because the client said nothing of the kind."""
    assert believed(failure, body) is failure


@pytest.mark.parametrize("kind", sorted(set(K) - LOCK_OUTS))
def test_whatever_locks_nobody_out_stays_as_it_is(kind: K) -> None:
    """A client may call its own request whatever it likes."""
    failure = Failure(kind, QUOTA, status=400)
    assert believed(failure, asked(user="exceeded your current quota")) is failure
