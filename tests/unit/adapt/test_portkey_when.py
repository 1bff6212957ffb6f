"""Portkey's queries: what each means, and what cannot be said."""

from __future__ import annotations

from typing import Any

import pytest

from lbd.adapt.draft import Choices, Draft
from lbd.adapt.portkey_when import conditions
from lbd.adapt.source import Source


def draft() -> Draft:
    return Draft(Source({}, {}, "f"), Choices())


@pytest.mark.parametrize(
    ("query", "meaning"),
    [
        ({"params.model": "gpt-4"}, [{"model": ["gpt-4"]}]),
        ({"params.model": {"$in": ["a", "b*"]}}, [{"model": ["a", "b[*]"]}]),
        ({"params.model": {"$regex": "^gpt-4.*$"}}, [{"model": ["gpt-4*"]}]),
        ({"params.model": {"$regex": "mini$"}}, [{"model": ["*mini"]}]),
        ({"metadata.eu": {"$eq": True}}, [{"header": {"x-meta-eu": "true"}}]),
        ({"metadata.a": {"$in": ["x", "y"]}}, [{"header": {"x-meta-a": "x"}}, {"header": {"x-meta-a": "y"}}]),
        (
            {"$and": [{"metadata.a": "x"}, {"metadata.b": "y"}, {"params.model": "m"}]},
            [{"header": {"x-meta-a": "x", "x-meta-b": "y"}, "model": ["m"]}],
        ),
        ({"$or": [{"metadata.a": "x"}, {"params.model": "m"}]}, [{"header": {"x-meta-a": "x"}}, {"model": ["m"]}]),
    ],
)
def test_a_query_is_conditions(query: Any, meaning: Any) -> None:
    """Alternatives are several, each of which is a rule."""
    assert conditions(query, (), draft()) == meaning


@pytest.mark.parametrize(
    "query",
    [
        {},
        None, {"params.temperature": {"$gt": 1}}, {"params.model": {"$ne": "m"}}, {"url.pathname": "/v1/embeddings"},
        {"$or": [{"params.model": "m"}, {"params.n": 1}]}, {"$and": []}, {"params.model": {"$regex": "a|b"}},
        {"params.model": {"$eq": "a", "$ne": "b"}},
    ],
)  # fmt: skip
def test_half_a_condition_is_none(query: Any) -> None:
    """A rule that fires where it should not is worse than none; it is said."""
    kept = draft()
    assert conditions(query, ("strategy",), kept) == []
    assert kept.notes[-1].level == "lost"
