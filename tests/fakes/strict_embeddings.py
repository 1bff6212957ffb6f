"""Embeddings at the strict provider: the Gemini API's, Vertex AI's two methods, and Bedrock's makers in theirs.

A vector begins with the length of its text, so that a test can tell whose it is.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web
from google.genai import types as gemini

SIZE = 256  # of vectors where none is asked for
TOKENS_PER_TEXT = 7


class Wrong(Exception):
    """A request that the shape does not allow."""


def vector(text: str, size: int | None) -> list[float]:
    """Return a text's vector."""
    return [float(len(text)), *[0.5] * ((size or SIZE) - 1)]


def _only(found: dict[str, Any], *known: str) -> None:
    odd = set(found) - set(known)
    if odd:
        raise Wrong(f"unknown members {sorted(odd)}")


def _text(content: dict[str, Any]) -> str:
    [part] = gemini.Content.model_validate(content).parts or []
    assert part.text
    return part.text


def _google_key(request: web.Request) -> None:
    if "strict" not in (request.headers.get("x-goog-api-key"), request.headers.get("authorization", "")[7:]):
        raise Wrong("no key")


async def batch(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """The Gemini API's batchEmbedContents."""
    _google_key(request)
    _only(body, "requests")
    out = []
    for one in body["requests"]:
        _only(one, "model", "content", "outputDimensionality", "taskType", "title")
        if one["model"] != f"models/{request.match_info['model']}":
            raise Wrong(f"model {one['model']!r}")
        out.append({"values": vector(_text(one["content"]), one.get("outputDimensionality"))})
    return web.json_response({"embeddings": out})


async def predict(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """Vertex AI's predict."""
    _google_key(request)
    _only(body, "instances", "parameters")
    _only(body.get("parameters", {}), "outputDimensionality", "autoTruncate")
    if len(body["instances"]) > (1 if "gemini" in request.match_info["model"] else 250):
        raise Wrong(f"{len(body['instances'])} instances")
    out = []
    for one in body["instances"]:
        _only(one, "content", "task_type", "title")
        values = vector(one["content"], body.get("parameters", {}).get("outputDimensionality"))
        out.append(
            {"embeddings": {"values": values, "statistics": {"token_count": TOKENS_PER_TEXT, "truncated": False}}}
        )
    return web.json_response({"predictions": out, "metadata": {"billableCharacterCount": 5}})


async def content(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """Vertex AI's embedContent."""
    _google_key(request)
    _only(body, "content", "embedContentConfig")
    asked = body.get("embedContentConfig", {})
    _only(asked, "outputDimensionality", "taskType", "title", "autoTruncate")
    values = vector(_text(body["content"]), asked.get("outputDimensionality"))
    usage = {"promptTokenCount": TOKENS_PER_TEXT, "trafficType": "ON_DEMAND"}
    return web.json_response({"embedding": {"values": values}, "usageMetadata": usage, "truncated": False})


async def invoke(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """Bedrock's InvokeModel, of Titan's and Cohere's models."""
    if request.headers.get("authorization") != "Bearer strict" or request.headers["accept"] != "application/json":
        raise Wrong("no key, or something else accepted")
    model = request.match_info["model"]
    if "amazon.titan-embed-text-v2:0" in model:
        _only(body, "inputText", "dimensions", "normalize", "embeddingTypes")
        if body.get("dimensions", SIZE) not in (256, 512, 1024) or not isinstance(body["inputText"], str):
            raise Wrong(f"{body}")
        values = vector(body["inputText"], body.get("dimensions"))
        told: dict[str, Any] = {
            "embedding": values,
            "embeddingsByType": {"float": values},
            "inputTextTokenCount": TOKENS_PER_TEXT,
        }
        return web.json_response(told)
    if "cohere.embed-" not in model:
        raise Wrong(f"model {model!r}")
    later = "cohere.embed-v4" in model
    _only(body, "texts", "input_type", "truncate", "embedding_types", *(("output_dimension",) if later else ()))
    if body["input_type"] not in ("search_document", "search_query", "classification", "clustering"):
        raise Wrong(f"input_type {body['input_type']!r}")
    if not 1 <= len(body["texts"]) <= 96 or body.get("output_dimension", SIZE) not in (256, 512, 1024, 1536):
        raise Wrong(f"{len(body['texts'])} texts of {body.get('output_dimension')}")
    vectors = [vector(text, body.get("output_dimension")) for text in body["texts"]]
    told = {
        "id": "x",
        "texts": body["texts"],
        "embeddings": {"float": vectors} if later else vectors,
        "response_type": "embeddings_by_type" if later else "embeddings_floats",
    }
    tokens = str(TOKENS_PER_TEXT * len(vectors))
    return web.json_response(told, headers={"X-Amzn-Bedrock-Input-Token-Count": tokens})


ROUTES = (
    ("/gemini/v1beta/models/{model}:batchEmbedContents", batch),
    ("/vertex/{rest:.+}/models/{model}:predict", predict),
    ("/vertex/{rest:.+}/models/{model}:embedContent", content),
    ("/bedrock/model/{model}/invoke", invoke),
)
# By the provider's shape: what clients call a model, and what the provider does.
MODELS = {
    "gemini": {"m-gemini-embed": "gemini-embedding-001"},
    "bedrock": {
        "m-titan": "amazon.titan-embed-text-v2:0",
        "m-cohere": "us.cohere.embed-v4:0",
        "m-cohere-3": "arn:aws:bedrock:us-east-1::foundation-model/cohere.embed-multilingual-v3",
        "m-either": "amazon.titan-embed-text-v2:0",
    },
    "vertex": {
        "m-vertex-text": "text-embedding-005",
        "m-vertex-one": "gemini-embedding-001",
        "m-vertex-two": "gemini-embedding-2",
        "m-either": "text-embedding-005",
    },
}
SECOND = {("vertex", "m-either"): 0.001}  # weights: of two that clients know as one, this one is asked last


def deployments(shape: str, price: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the configuration of a shape's models that embed."""
    return [
        {
            "model": name,
            "upstream_model": upstream,
            "price": price,
            "serves": ["embeddings"],
            "weight": SECOND.get((shape, name), 1.0),
        }
        for name, upstream in MODELS.get(shape, {}).items()
    ]
