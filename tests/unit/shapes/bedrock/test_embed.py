"""Embeddings on Bedrock, in the words of each model's maker."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import FailureKind, LbdError
from lbd.model.outcome import Usage
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body, Head
from lbd.shapes.bedrock.embed import EMBED, FAMILIES, encode, family, head_usage, read

TITAN, TITAN_1 = "amazon.titan-embed-text-v2:0", "amazon.titan-embed-text-v1"
COHERE, COHERE_4 = "cohere.embed-multilingual-v3", "cohere.embed-v4:0"
PROFILE = "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc"
NONE = "NONE"


def row(upstream: str, model: str = "e") -> DeploymentSpec:
    return DeploymentSpec("b/e", "b", model, upstream, "primary")


def body(**asked: Any) -> Body:
    return Body("openai.embeddings", json.dumps({"model": "e", **asked}).encode(), Head("e"))


def sent(model: str, **asked: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(encode(body(**asked), row(model), False, False))
    return found


@pytest.mark.parametrize(
    ("model", "asked", "expected"),
    [
        (TITAN, {"input": "a"}, {"inputText": "a"}),
        (TITAN, {"input": ["a"], "dimensions": 512}, {"inputText": "a", "dimensions": 512}),
        (TITAN_1, {"input": "a", "dimensions": 1536}, {"inputText": "a"}),
        ("amazon.titan-embed-g1-text-02", {"input": "a"}, {"inputText": "a"}),
        (COHERE, {"input": "a"}, {"texts": ["a"], "input_type": "search_document", "truncate": NONE}),
        (
            "cohere.embed-english-v3",
            {"input": ["a", "b"], "dimensions": 1024, "input_type": "search_query"},
            {"texts": ["a", "b"], "input_type": "search_query", "truncate": NONE},
        ),
        (COHERE_4, {"input": "a"}, {"texts": ["a"], "input_type": "search_document", "truncate": NONE}),
        (
            COHERE_4,
            {"input": "a", "dimensions": 256},
            {"texts": ["a"], "input_type": "search_document", "truncate": NONE, "output_dimension": 256},
        ),
    ],
)
def test_a_model_is_asked_in_its_maker_s_words(model: str, asked: dict[str, Any], expected: dict[str, Any]) -> None:
    """A size that is the only one is not told: a model that has one alone knows no such member."""
    assert sent(model, **asked) == expected
    assert sent(model, **asked, encoding_format="base64", user="u") == expected


@pytest.mark.parametrize(
    ("name", "mark"),
    [
        (f"us.{COHERE_4}", "cohere.embed-v4"),
        (f"global.{COHERE_4}", "cohere.embed-v4"),
        (f"arn:aws:bedrock:eu-west-1::foundation-model/{TITAN}", "amazon.titan-embed-text-v2"),
        (f"arn:aws:bedrock:us-east-1:1:inference-profile/eu.{COHERE_4}", "cohere.embed-v4"),
    ],
)
def test_a_region_or_an_arn_before_the_id_changes_nothing(name: str, mark: str) -> None:
    """It is the same model."""
    assert family(row(name)).mark == mark


def test_an_arn_that_hides_its_model_is_known_by_the_name_that_clients_use() -> None:
    """An application's own profile, or provisioned throughput; where that does not tell either, it is refused."""
    assert family(row(PROFILE, TITAN)).mark == "amazon.titan-embed-text-v2"
    for name in (PROFILE, "anthropic.claude-sonnet-4-5-v1:0", "amazon.titan-embed-image-v1"):
        with pytest.raises(LbdError) as caught:
            family(row(name))
        assert caught.value.failure.kind is FailureKind.UNSUPPORTED
        assert name in caught.value.failure.message and "cohere.embed-v4" in caught.value.failure.message


@pytest.mark.parametrize(
    ("model", "asked", "place"),
    [
        (TITAN, {"input": ["a", "b"]}, "/input"),
        (TITAN_1, {"input": ["a", "b"]}, "/input"),
        (COHERE, {"input": ["a"] * 97}, "/input"),
        (COHERE_4, {"input": ["a"] * 97}, "/input"),
        (TITAN, {"input": [1]}, "/input"),
        (TITAN, {"input": "a", "dimensions": 300}, "/dimensions"),
        (TITAN_1, {"input": "a", "dimensions": 256}, "/dimensions"),
        (COHERE, {"input": "a", "dimensions": 256}, "/dimensions"),
        (COHERE_4, {"input": "a", "dimensions": 300}, "/dimensions"),
        (TITAN, {"input": "a", "input_type": "search_query"}, "/input_type"),
        (COHERE, {"input": "a", "task_type": "CLUSTERING"}, "/task_type"),
    ],
)
def test_what_a_model_cannot_take_is_for_another(model: str, asked: dict[str, Any], place: str) -> None:
    """Refused by name, and nothing is asked twice."""
    with pytest.raises(LbdError) as caught:
        sent(model, **asked)
    assert (caught.value.failure.kind, caught.value.failure.param) == (FailureKind.UNSUPPORTED, place)


def test_as_many_texts_as_a_model_takes_go_at_once() -> None:
    """Ninety-six of Cohere's."""
    assert all(f.most == 96 for f in FAMILIES if "cohere" in f.mark)
    assert len(sent(COHERE, input=["a"] * 96)["texts"]) == 96


@pytest.mark.parametrize(
    ("told", "vectors", "usage"),
    [
        ({"embedding": [1, 0.5], "inputTextTokenCount": 4}, [[1.0, 0.5]], Usage(4)),
        (
            {"embedding": [1, 0.5], "embeddingsByType": {"float": [1, 0.5]}, "inputTextTokenCount": 4},
            [[1.0, 0.5]],
            Usage(4),
        ),
        (
            {"embeddings": [[1, 0.5], [2, 0.5]], "texts": ["a", "b"], "id": "x", "response_type": "embeddings_floats"},
            [[1.0, 0.5], [2.0, 0.5]],
            None,
        ),
        (
            {"embeddings": {"float": [[1, 0.5]], "int8": [[1, 2]]}, "response_type": "embeddings_by_type"},
            [[1.0, 0.5]],
            None,
        ),
    ],
)
def test_each_maker_s_answer_is_read(told: dict[str, Any], vectors: list[list[float]], usage: Usage | None) -> None:
    """Bare or by type."""
    assert read(json.dumps(told).encode()) == (vectors, usage)


@pytest.mark.parametrize(("told", "usage"), [("743", Usage(743)), ("0", Usage(0)), ("many", None), (None, None)])
def test_tokens_stand_in_the_head(told: str | None, usage: Usage | None) -> None:
    """Where the body tells none; the body's own word goes first."""
    headers = {} if told is None else {"x-amzn-bedrock-input-token-count": told}
    assert head_usage(headers) == usage
    assert EMBED.read(b'{"embeddings":[[1,2]]}', headers, 0.0).usage == usage
    assert EMBED.read(b'{"embedding":[1,2],"inputTextTokenCount":9}', headers, 0.0).usage == Usage(9)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"{}", FailureKind.BAD_BODY),
        (b'{"embeddings":{"int8":[[1]]}}', FailureKind.BAD_BODY),
        (b'{"embedding":[]}', FailureKind.BAD_BODY),
        (b'{"embedding":[1e39]}', FailureKind.BAD_BODY),
        (b'{"message":"Too many requests, please wait before trying again."}', FailureKind.STREAM_ERROR),
        (b'{"__type":"com.amazon#ThrottlingException","message":"x"}', FailureKind.RATE),
    ],
)
def test_what_is_no_answer_is_named(answer: bytes, kind: FailureKind) -> None:
    """By the shape's own table, where it names an error in spite of its 200."""
    failure = EMBED.facts(answer, 0.0).failure
    assert failure is not None and failure.kind is kind


@given(
    st.binary(max_size=50) | st.dictionaries(st.text(max_size=10), st.integers()).map(lambda d: json.dumps(d).encode())
)
def test_junk_is_a_failure(answer: bytes) -> None:
    """Of any kind, and nothing else."""
    assert EMBED.facts(answer, 0.0).failure is not None
