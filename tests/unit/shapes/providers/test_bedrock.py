"""AWS Bedrock: its configuration, its endpoints, and what a probe can make of it."""

from __future__ import annotations

import json

import msgspec
import pytest
from msgspec.structs import replace

from lbd.model.failure import Failure, FailureKind
from lbd.model.outcome import Verdict
from lbd.model.provider import DeploymentSpec, ProviderSpec
from lbd.model.secret import Secret
from lbd.shapes.providers.bedrock import SHAPE, Bedrock
from lbd.upstream import line
from probes import Answer, liveness
from tests.fakes import tables
from tests.fakes.world import World
from tests.unit.shapes.amazon import CLAUDE, serialized

HOST = "https://bedrock-runtime.us-east-1.amazonaws.com"
PROVIDER = ProviderSpec("aws", "bedrock", HOST, Secret("bedrock-api-key-1"))


def build(model: str, client: str = "openai.chat", service: str = "chat") -> line.Way:
    spec = DeploymentSpec("p/m", "p", "m", model, "primary", serves=frozenset({service}))
    return line.build(spec, PROVIDER, SHAPE, World(None, [])).ways[client]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "path"),
    [
        (CLAUDE, "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0"),
        (
            "arn:aws:bedrock:us-east-1:1:inference-profile/x",
            "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fx",
        ),
    ],
)
def test_the_model_is_in_the_path(model: str, path: str) -> None:
    """Quoted as botocore quotes it: colons and slashes too."""
    way = build(model)
    assert way.unary.path == f"/model/{path}/converse"
    assert way.stream.path == f"/model/{path}/converse-stream"


@pytest.mark.parametrize(
    "model",
    ["us.cohere.embed-v4:0", "arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-embed-text-v2:0"],
)
def test_embeddings_are_an_invocation_of_the_model(model: str) -> None:
    """On the path that botocore makes of it, and signed as every request is."""
    way = build(model, "openai.embeddings", "embeddings")
    assert way.unary.path == serialized({"modelId": model, "body": b"{}"}, "InvokeModel")[0]
    assert dict(way.unary.headers)["accept"] == "application/json"
    secrets = (("aws_access_key_id", Secret("AKID")), ("aws_secret_access_key", Secret("secret-example")))
    assert SHAPE.sign is not None
    signed = SHAPE.sign(way.unary, b"{}", 1_700_000_000.0, replace(PROVIDER, api_key=None, secrets=secrets))
    assert dict(signed.headers)["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKID/")


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("400 Bad Request: Too many input tokens. Max input tokens: 8192, request input token count: 9875", "CONTEXT"),
        ("Malformed input request: #/texts/0: expected maxLength: 2048, actual: 19882, please reformat", "CONTEXT"),
        ("Malformed input request: #: required key [texts] not found, please reformat your input", "BAD_REQUEST"),
        ("Invocation of model ID cohere.embed-v4:0 with on-demand throughput isn\u2019t supported.", "NO_MODEL"),
    ],
)
def test_what_models_that_embed_refuse_is_in_the_table(words: str, kind: str) -> None:
    """As users reported it: a text that is too long goes to a model with more room."""
    headers = {"x-amzn-errortype": "ValidationException"}
    found = SHAPE.classify(400, headers, json.dumps({"message": words}).encode(), 0.0)
    assert found.kind is FailureKind[kind]


def test_a_key_is_a_bearer_and_a_stream_is_amazons() -> None:
    """What the two endpoints say of themselves."""
    way = build(CLAUDE)
    unary, stream = dict(way.unary.headers), dict(way.stream.headers)
    assert unary["authorization"] == stream["authorization"] == "Bearer bedrock-api-key-1"
    assert (unary["accept"], stream["accept"]) == ("application/json", "application/vnd.amazon.eventstream")


def test_credentials_are_secrets_like_the_key() -> None:
    """By reference; each may be missing."""
    raw = {"shape": "bedrock", "name": "p", "base_url": HOST, "deployments": [{"model": "m"}]}
    assert msgspec.convert(raw, Bedrock).aws_access_key_id is None
    found = msgspec.convert(
        {**raw, "aws_access_key_id": {"env": "A"}, "aws_secret_access_key": {"file": "/b"}}, Bedrock
    )
    assert [getattr(found, name) is not None for name in SHAPE.secrets] == [True, True, False]


def test_secrets_are_masked_in_what_comes_back() -> None:
    """Some servers repeat what they refuse."""
    provider = replace(PROVIDER, secrets=(("aws_session_token", Secret("token-123")),))
    masked = line.masked(Failure(FailureKind.AUTH, "token-123 of bedrock-api-key-1"), provider)
    assert masked.message == "*** of ***"


class Asked:
    """A target that answers with one status."""

    shape = SHAPE
    provider = tables.provider(shape="bedrock")

    def __init__(self, status: int) -> None:
        self.status = status
        self.paths: list[str] = []

    def now(self) -> float:
        return 1.0

    def wall(self) -> float:
        return 1_700_000_000.0

    async def get(self, path: str) -> Answer:
        self.paths.append(path)
        return Answer(self.status, {}, b"", 0.1)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(200, Verdict.UP), (403, Verdict.UP), (404, Verdict.UP), (429, Verdict.BUSY), (503, Verdict.DOWN)],
)
async def test_any_answer_of_the_host_is_life(status: int, verdict: Verdict) -> None:
    """No path of the runtime is free but those that it refuses; a refusal proves as much as an answer."""
    asked = Asked(status)
    found = await liveness.run(asked)  # type: ignore[arg-type]
    assert found is not None and found.verdict is verdict
    assert asked.paths == ["/ping"]


def test_it_lists_no_models_and_tells_no_limits() -> None:
    """Both are the control plane's, on another host."""
    assert SHAPE.probes.models is None and not SHAPE.lists_models
    assert SHAPE.read_models(b'{"data": [{"id": "m"}]}') is None
    assert SHAPE.limits({"x-ratelimit-remaining-requests": "1"}, 0.0) == ()
