"""Bedrock's error table. Messages are the service's own, as its guide has them or as users reported them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import FailureKind
from lbd.shapes.bedrock import errors
from tests.unit.shapes.amazon import service

K = FailureKind
WALL = 1_700_000_000.0


def body(message: str = "x", **more: Any) -> bytes:
    return json.dumps({"message": message, **more}).encode()


CASES = [
    (429, "ThrottlingException", "Too many requests, please wait before trying again.", K.RATE),
    (429, "ThrottlingException", "Too many tokens per day, please wait before trying again.", K.RATE),
    (400, "ServiceQuotaExceededException", "Your request exceeds the service quota for your account.", K.RATE),
    (429, "ModelNotReadyException", "Model is not ready for inference.", K.LOADING),
    (408, "ModelTimeoutException", "Model has timed out in processing the request.", K.PROVIDER_TIMEOUT),
    (424, "ModelErrorException", "The system encountered an unexpected error during processing.", K.DEPENDENCY),
    (424, "ModelErrorException", "Input is too long for requested model.", K.CONTEXT),
    (500, "InternalServerException", "The system encountered an unexpected error.", K.SERVER),
    (503, "ServiceUnavailableException", "Too many connections, please wait before trying again.", K.OVERLOADED),
    (
        400,
        "ValidationException",
        "The model returned the following errors: Input is too long for requested model.",
        K.CONTEXT,
    ),
    (400, "ValidationException", "Input is too long for requested model.", K.CONTEXT),
    (
        400,
        "ValidationException",
        "The model returned the following errors: prompt is too long: 215000 tokens > 200000 maximum",
        K.CONTEXT,
    ),
    (
        400,
        "ValidationException",
        "Malformed input request: expected maxLength: 42000, actual: 46735, please reformat your input and try again.",
        K.CONTEXT,
    ),
    (400, "ValidationException", "The provided model identifier is invalid.", K.NO_MODEL),
    (
        400,
        "ValidationException",
        (
            "Invocation of model ID amazon.nova-2-lite-v1:0 with on-demand throughput isn\u2019t supported. Retry your "
            "request with the ID or ARN of an inference profile that contains this model."
        ),
        K.NO_MODEL,
    ),
    (400, "ValidationException", "The provided model doesn't support on-demand throughput.", K.NO_MODEL),
    (
        400,
        "ValidationException",
        "This action doesn't support the model that you provided. Try again with a supported text or chat model.",
        K.NO_MODEL,
    ),
    (400, "ValidationException", "Operation not allowed", K.NO_MODEL),
    (400, "ValidationException", "This model doesn't support tool use.", K.UNSUPPORTED),
    (400, "ValidationException", "This model doesn't support the stopSequences field.", K.UNSUPPORTED),
    (400, "ValidationException", "This model doesn't support the toolConfig.toolChoice.any field.", K.UNSUPPORTED),
    (
        400,
        "ValidationException",
        "messages.2.content: Conversation blocks and tool result blocks cannot be provided in the same turn.",
        K.UNSUPPORTED,
    ),
    (
        400,
        "ValidationException",
        (
            "The maximum tokens you requested exceeds the model limit of 32768. Try again with a maximum tokens value "
            "that is lower than 32768."
        ),
        K.UNSUPPORTED,
    ),
    (
        400,
        "ValidationException",
        "The toolConfig field must be defined when using toolUse and toolResult content blocks.",
        K.BAD_REQUEST,
    ),
    (400, "SerializationException", "Unexpected token", K.BAD_REQUEST),
    (403, "AccessDeniedException", "You don't have access to the model with the specified model ID.", K.NO_MODEL),
    (
        403,
        "AccessDeniedException",
        (
            "User: arn:aws:iam::1:user/u is not authorized to perform: bedrock:InvokeModel on resource: "
            "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"
        ),
        K.NO_MODEL,
    ),
    (
        403,
        "AccessDeniedException",
        "User: arn:aws:iam::1:user/u is not authorized to perform: bedrock:CallWithBearerToken",
        K.AUTH,
    ),
    (403, "AccessDeniedException", "Authentication failed: Please make sure your API Key is valid.", K.AUTH),
    (
        403,
        "AccessDeniedException",
        "Model access is denied due to INVALID_PAYMENT_INSTRUMENT: A valid payment instrument must be provided.",
        K.MONEY,
    ),
    (
        404,
        "ResourceNotFoundException",
        "Could not resolve the foundation model from the model identifier: x",
        K.NO_MODEL,
    ),
    (404, "UnknownOperationException", "", K.NO_MODEL),
    (403, "ExpiredTokenException", "The security token included in the request is expired", K.AUTH),
    (403, "UnrecognizedClientException", "The security token included in the request is invalid.", K.AUTH),
    (403, "InvalidSignatureException", "The request signature we calculated does not match", K.AUTH),
    (403, "IncompleteSignatureException", "x", K.AUTH),
    # of a clock that is wrong nothing may be left when it is right again; refused keys wait for a person
    (
        403,
        "InvalidSignatureException",
        "Signature expired: 20231114T220000Z is now earlier than 20231114T220820Z (20231114T221320Z - 5 min.)",
        K.DEPENDENCY,
    ),
    (
        403,
        "InvalidSignatureException",
        "Signature not yet current: 20231114T223000Z is still later than 20231114T221820Z (20231114T221320Z + 5 min.)",
        K.DEPENDENCY,
    ),
    (400, "RequestExpired", "Request has expired.", K.DEPENDENCY),
    (
        403,
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
        K.DEPENDENCY,
    ),
    (403, "MissingAuthenticationTokenException", "Missing Authentication Token", K.AUTH),
]


@pytest.mark.parametrize(("status", "name", "message", "kind"), CASES)
def test_an_exception_is_known_by_its_type_and_its_words(
    status: int, name: str, message: str, kind: FailureKind
) -> None:
    """The type is in a header, with what else Amazon puts there, or in the body."""
    header = {"x-amzn-errortype": f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/"}
    found = errors.classify(status, header, body(message), WALL)
    assert (found.kind, found.status) == (kind, status)
    assert found.message == message or (not message and name in found.message)
    for inside in (name, f"com.amazon.coral.service#{name}"):
        assert errors.classify(status, {}, body(message, __type=inside), WALL) == found


def test_every_exception_of_the_service_is_in_the_table() -> None:
    """Those of Converse and of ConverseStream, and those in its stream."""
    names = {e.name for op in ("Converse", "ConverseStream") for e in service().operation_model(op).error_shapes}
    stream = service().operation_model("ConverseStream").output_shape.members["stream"].members
    names |= {name for name, shape in stream.items() if shape.metadata.get("exception")}
    assert all(name.lower().removesuffix("exception") in errors.BY_TYPE for name in names)


@pytest.mark.parametrize(
    ("original", "kind"),
    [
        (429, K.RATE),
        (503, K.OVERLOADED),
        (529, K.OVERLOADED),
        (504, K.PROVIDER_TIMEOUT),
        (400, K.DEPENDENCY),
        ("429", K.DEPENDENCY),
        (None, K.DEPENDENCY),
        ([], K.DEPENDENCY),
    ],
)
def test_what_the_model_answered_to_bedrock_counts(original: Any, kind: FailureKind) -> None:
    """``originalStatusCode`` says whether it was busy or broken."""
    header = {"x-amzn-errortype": "ModelErrorException"}
    assert errors.classify(424, header, body(originalStatusCode=original), WALL).kind is kind


def test_a_message_may_be_written_large() -> None:
    """Some of AWS's front doors do so."""
    found = errors.classify(403, {}, b'{"Message": "User: x is not authorized"}', WALL)
    assert (found.kind, found.message) == (K.AUTH, "User: x is not authorized")


@pytest.mark.parametrize(
    ("status", "kind"), [(400, K.BAD_REQUEST), (403, K.AUTH), (413, K.TOO_LARGE), (502, K.SERVER), (503, K.OVERLOADED)]
)
def test_without_a_type_the_status_speaks(status: int, kind: FailureKind) -> None:
    """A proxy in between knows nothing of AWS."""
    assert errors.classify(status, {}, b"<html>", WALL).kind is kind
    assert errors.classify(status, {"x-amzn-errortype": "NewException"}, b"", WALL).kind is kind


def test_a_redirect_is_named() -> None:
    """lbd follows none."""
    assert "base_url" in errors.classify(301, {}, b"", WALL).message


def test_a_wait_is_taken_from_the_header_or_the_words() -> None:
    """Where Bedrock tells one."""
    header = {"x-amzn-errortype": "ThrottlingException", "retry-after": "7"}
    assert errors.classify(429, header, body(), WALL).retry_after_s == 7
    assert errors.in_stream("throttlingException", body("try again in 3 s")).retry_after_s == 3


def test_an_error_in_place_of_an_answer_is_named() -> None:
    """By its type, or by words alone; what says neither is none."""
    for told, kind in (({"__type": "a#ThrottlingException"}, K.RATE), ({"message": "no"}, K.STREAM_ERROR)):
        found = errors.in_answer(told, json.dumps(told).encode())
        assert found is not None and (found.kind, found.status) == (kind, 200)
    for told in ({}, {"__type": 5}, {"message": ""}):
        assert errors.in_answer(told, json.dumps(told).encode()) is None


json_values = st.recursive(
    st.none() | st.integers() | st.text(max_size=5), lambda v: st.lists(v) | st.dictionaries(st.text(max_size=5), v)
)
told = st.dictionaries(
    st.sampled_from(["message", "Message", "__type", "code", "originalStatusCode"]), json_values, max_size=4
).map(lambda v: json.dumps(v).encode())


@given(
    st.text(max_size=20) | st.sampled_from([c[1] for c in CASES]), told | st.binary(max_size=30), st.text(max_size=9)
)
def test_anything_is_a_failure_with_words(name: str, payload: bytes, words: str) -> None:
    """In a stream as before it."""
    for found in (
        errors.in_stream(name, payload, words),
        errors.classify(400, {"x-amzn-errortype": name}, payload, WALL),
    ):
        assert found.message and len(found.message) <= errors.LONGEST
        assert found.status in (200, 400)
