"""Anthropic's models on Vertex AI: the Messages API's bodies without the model's name, which stands in the path.

The version of the API stands in the body, and not in a header (Vertex AI documentation, "Request predictions with
Claude models").
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import orjson

from lbd.model.messages import Prompt
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body
from lbd.shapes.chat.errors import classify
from lbd.shapes.chat.passing import bearer
from lbd.shapes.messages.count import COUNT
from lbd.shapes.messages.voice import DIALECT, MESSAGES
from lbd.shapes.providers import PROVIDERS, FreeProbes, ProviderConfig, Shape

VERSION = "vertex-2023-10-16"
UNARY, STREAM = "/models/{model}:rawPredict", "/models/{model}:streamRawPredict"
COUNTING = "/models/count-tokens:rawPredict"  # of whichever model stands in the body


class VertexAnthropic(ProviderConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="vertex-anthropic"):
    """Anthropic's models on Vertex AI.

    ``base_url`` is https://REGION-aiplatform.googleapis.com/v1/projects/PROJECT/locations/REGION/publishers/anthropic,
    ``api_key`` an access token, which whoever runs lbd keeps fresh.
    """


def versioned(raw: bytes) -> bytes:
    """Return a request of the Messages API as Vertex takes it."""
    asked = orjson.loads(raw)
    asked.pop("model", None)
    return orjson.dumps({"anthropic_version": VERSION, **asked})


def _count(body: Body, row: DeploymentSpec, stream: bool, ask_usage: bool) -> bytes:
    asked = orjson.loads(COUNT.encode(body, row, stream, ask_usage))
    return orjson.dumps({"anthropic_version": VERSION, **asked})


def _encode(own: Callable[[Body, DeploymentSpec, bool, bool], bytes]) -> Callable[..., bytes]:
    def encode(body: Body, row: DeploymentSpec, stream: bool, ask_usage: bool) -> bytes:
        return versioned(own(body, row, stream, ask_usage))

    return encode


def _write(prompt: Prompt, row: DeploymentSpec, stream: bool, ask_usage: bool) -> bytes:
    return versioned(DIALECT.write(prompt, row, stream, ask_usage))


SHAPE = PROVIDERS.add("vertex-anthropic")(
    Shape(
        name="vertex-anthropic",
        config=VertexAnthropic,
        speaks={
            "anthropic.messages": dataclasses.replace(
                MESSAGES, path=UNARY, stream_path=STREAM, encode=_encode(MESSAGES.encode)
            ),
            "anthropic.count_tokens": dataclasses.replace(COUNT, path=COUNTING, encode=_count),
        },
        headers=bearer,
        classify=classify,
        limits=lambda _headers, _wall: (),
        probes=FreeProbes(liveness="models"),
        read_models=lambda _body: None,
        dialect=dataclasses.replace(DIALECT, path=UNARY, stream_path=STREAM, write=_write),
        lists_models=False,
    )
)
