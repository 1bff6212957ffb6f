"""OpenAI's SDK asks for embeddings, through lbd, at the shapes that have words of their own for them."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from google import genai
from google.genai import types

from tests.e2e.conftest import Daemon
from tests.fakes.strict_embeddings import MODELS, TOKENS_PER_TEXT
from tests.fakes.strict_provider import StrictProvider

ONE = ("m-titan", "m-vertex-one", "m-vertex-two")  # take one text a request
MANY = ("m-cohere", "m-cohere-3", "m-vertex-text", "m-gemini-embed")
ESTIMATED = ("m-gemini-embed",)  # the provider tells no usage


@pytest.fixture(autouse=True)
def nothing_refused(strict_provider: StrictProvider) -> Iterator[None]:
    """The provider checks every request by the makers' own words; whatever it refused is told in full."""
    strict_provider.refused.clear()
    strict_provider.asked.clear()
    yield
    assert not strict_provider.refused, strict_provider.refused


@pytest.fixture(scope="module")
def client(strict_daemon: Daemon) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{strict_daemon.url}/v1", api_key="x", max_retries=0) as made:
        yield made


@pytest.mark.parametrize("encoding", ["base64", "float", None])
@pytest.mark.parametrize("model", [*ONE, *MANY])
def test_a_text_becomes_a_vector(client: openai.OpenAI, model: str, encoding: Any) -> None:
    """In the encoding that the SDK asks for by itself, and decodes itself, and in the one that was asked for."""
    asked = {} if encoding is None else {"encoding_format": encoding}
    told = client.embeddings.create(model=model, input="Grüße 🌍", **asked)
    [data] = told.data
    found: Any = data.embedding
    vector = struct.unpack("<256f", base64.b64decode(found)) if encoding == "base64" else tuple(found)
    assert vector == (7.0, *[0.5] * 255)
    assert told.usage.total_tokens == told.usage.prompt_tokens > 0
    assert model in ESTIMATED or told.usage.prompt_tokens == TOKENS_PER_TEXT


@pytest.mark.parametrize("model", MANY)
def test_texts_become_vectors_in_their_order(client: openai.OpenAI, model: str) -> None:
    """One request, one answer; tokens are those of all."""
    told = client.embeddings.create(model=model, input=["a", "bb", "ccc"])
    assert [(d.index, d.embedding[0]) for d in told.data] == [(0, 1.0), (1, 2.0), (2, 3.0)]
    assert model in ESTIMATED or told.usage.prompt_tokens == 3 * TOKENS_PER_TEXT


@pytest.mark.parametrize("model", [m for m in (*ONE, *MANY) if m != "m-cohere-3"])
def test_the_size_of_vectors_can_be_asked_for(client: openai.OpenAI, model: str) -> None:
    """Where the model makes vectors of several sizes."""
    told = client.embeddings.create(model=model, input="a", dimensions=512)
    assert len(told.data[0].embedding) == 512


@pytest.mark.parametrize(
    ("model", "asked", "reason"),
    [
        *((model, {"input": ["a", "b"]}, "takes one text a request, and this one has 2") for model in ONE),
        ("m-cohere", {"input": ["a"] * 97}, "takes at most 96 texts a request, and this one has 97"),
        ("m-vertex-text", {"input": ["a"] * 251}, "takes at most 250 texts a request, and this one has 251"),
        ("m-titan", {"input": "a", "dimensions": 300}, "makes vectors of 256, 512, 1024"),
        ("m-cohere-3", {"input": "a", "dimensions": 512}, "makes vectors of 1024"),
        *((model, {"input": [1, 2]}, "token ids cannot be embedded here") for model in (*ONE, *MANY)),
    ],
)
def test_what_a_model_cannot_take_is_refused_by_name(
    client: openai.OpenAI, strict_provider: StrictProvider, model: str, asked: dict[str, Any], reason: str
) -> None:
    """Nothing is left out in silence, and nothing is sent."""
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model=model, **asked)
    assert reason in caught.value.message
    assert (caught.value.code, caught.value.type) == ("unsupported_value", "invalid_request_error")
    assert not strict_provider.asked


def test_what_one_deployment_cannot_take_goes_to_another(client: openai.OpenAI) -> None:
    """Of two that clients know as one, the first takes one text alone; it is asked again the next time."""
    attempts = set()
    for _ in range(5):
        told = client.embeddings.with_raw_response.create(model="m-either", input=["a", "bb"])
        assert told.headers["x-lbd-deployment"] == "vertex/m-either"
        assert [d.embedding[0] for d in told.parse().data] == [1.0, 2.0]
        attempts.add(told.headers["x-lbd-attempts"])
    assert "2" in attempts


@pytest.mark.parametrize(
    ("model", "member", "value"),
    [("m-cohere", "input_type", "search_query"), ("m-vertex-text", "task_type", "CLUSTERING")],
)
def test_what_vectors_are_for_is_told_in_the_model_s_own_words(
    client: openai.OpenAI, strict_provider: StrictProvider, model: str, member: str, value: str
) -> None:
    """OpenAI has none."""
    client.embeddings.create(model=model, input="a", extra_body={member: value})
    ((_, sent),) = strict_provider.asked
    assert value in json.dumps(sent)
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="m-titan", input="a", extra_body={member: value})
    assert member in caught.value.message


@pytest.mark.parametrize(
    ("model", "texts", "more"), [("m-vertex-text", ["a", "bb"], {"auto_truncate": False}), ("m-vertex-two", ["a"], {})]
)
@pytest.mark.parametrize("size", [None, 512])
def test_vertex_is_asked_as_google_s_own_sdk_asks(
    client: openai.OpenAI,
    strict_provider: StrictProvider,
    model: str,
    texts: list[str],
    more: dict[str, Any],
    size: int | None,
) -> None:
    """The same method and the same body; and the SDK understands what the provider answers here."""
    options = types.HttpOptions(base_url=strict_provider.url("/vertex"), api_version="v1")
    upstream = MODELS["vertex"][model]
    with genai.Client(vertexai=True, api_key="strict", http_options=options) as google:
        told = google.models.embed_content(
            model=upstream, contents=texts, config=types.EmbedContentConfig(output_dimensionality=size, **more)
        )
    found = client.embeddings.create(model=model, input=texts, **({} if size is None else {"dimensions": size}))
    assert [e.values for e in told.embeddings or ()] == [d.embedding for d in found.data]
    theirs, ours = strict_provider.asked
    assert theirs[0].rpartition("/")[2] == ours[0].rpartition("/")[2]
    assert theirs[1] == ours[1]
