"""What a model's name tells."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.shapes.gemini import models

LISTED = {
    "models": [
        {"name": "models/gemini-3-flash-preview", "supportedGenerationMethods": ["generateContent"]},
        {"name": "models/text-embedding-004", "displayName": "Embedding"},
        {"name": "tunedModels/mine"},
    ],
    "nextPageToken": "x",
}


@pytest.mark.parametrize(
    ("model", "new", "thinks"),
    [
        ("gemini-3-pro-preview", True, True),
        ("gemini-3.1-flash-lite", True, True),
        ("gemini-10-flash", True, True),
        ("gemini-flash-latest", True, True),
        ("gemini-flash-lite-latest", True, True),
        ("gemini-2.5-pro", False, True),
        ("gemini-2.5-flash-lite", False, True),
        ("gemini-2.5-flash-image", False, False),
        ("gemini-2.5-pro-preview-tts", False, False),
        ("gemini-2.0-flash", False, False),
        ("gemini-1.5-pro-latest", False, False),
        ("gemma-3-27b-it", False, False),
        ("learnlm", False, False),
    ],
)
def test_the_generation_stands_in_the_name(model: str, new: bool, thinks: bool) -> None:
    """A later one takes levels, signatures and ids; before 2.5 none can be told how much to think."""
    assert (models.new(model), models.thinks(model)) == (new, thinks)
    assert ("reasoning" in models.carries(model)) is thinks
    assert {"tools", "parallel_tools", "json_schema", "top_k"} <= models.carries(model)


def test_the_list_gives_ids_as_requests_name_them() -> None:
    """Google writes its own with the collection's name before them."""
    found = models.read_models(json.dumps(LISTED).encode())
    assert found == {"gemini-3-flash-preview", "text-embedding-004", "tunedModels/mine"}


@given(st.binary(max_size=40) | st.sampled_from([b"{}", b"[]", b'{"models":[{"id":"x"}]}', b'{"data":[]}']))
def test_what_is_no_list_is_none(body: bytes) -> None:
    """Another server may answer."""
    assert models.read_models(body) is None
