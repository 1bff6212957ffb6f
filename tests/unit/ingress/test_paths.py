"""Paths of other houses stand for OpenAI's own; what is nobody's stays as it came."""

from __future__ import annotations

import pytest

from lbd.ingress.inbound import Inbound
from lbd.ingress.paths import near, reroute


@pytest.mark.parametrize(
    ("path", "known", "deployment"),
    [
        ("/v1/chat/completions", "/v1/chat/completions", None),
        ("/api/v1/chat/completions", "/v1/chat/completions", None),
        ("/api/v1/models", "/v1/models", None),
        ("/api/v1/models/a/m/endpoints", "/api/v1/models/a/m/endpoints", None),
        ("/api/v2/models", "/api/v2/models", None),
        ("/api/v1/api/v1/models", "/v1/api/v1/models", None),
        ("/openai/deployments/gpt%2F4/chat/completions", "/v1/chat/completions", "gpt/4"),
        ("/openai/deployments/gpt/files", "/v1/files", "gpt"),
        ("/openai/v1/responses", "/v1/responses", None),
        ("/openai/responses", "/v1/responses", None),
        ("/openai/models/m", "/v1/models/m", None),
        ("/openai/files/file_1", "/v1/files/file_1", None),
        ("/openai/nothing", "/nothing", None),
        ("/nothing", "/nothing", None),
    ],
)
def test_a_path_is_brought_to_the_known_form(path: str, known: str, deployment: str | None) -> None:
    """With the deployment that one of Azure's older ones names."""
    for whole in (path, f"http://lbd.example{path}"):
        inbound = Inbound()
        inbound.path = whole
        assert reroute(inbound) == (deployment, path.startswith("/api/v1/")) and inbound.path == known


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("/chat/completions", "/v1/chat/completions"),
        ("/v1/v1/chat/completions", "/v1/chat/completions"),
        ("/v1/chat/completions/", "/v1/chat/completions"),
        ("/messages", "/v1/messages"),
        ("/models", "/v1/models"),
        ("/v1/nothing", None),
        ("/health", None),
        ("/" + "x" * 60_000, None),
    ],
)
def test_a_path_that_is_nearly_known_is_told(path: str, known: str | None) -> None:
    """Base URLs with one ``/v1`` too few or too many are the usual mistake."""
    assert near(path) == ("" if known is None else f" (did you mean {known}?)")
