"""What other gateways call providers."""

from __future__ import annotations

import pytest

from lbd.adapt import houses
from lbd.shapes.providers import PROVIDERS


def test_every_house_has_a_shape_of_ours() -> None:
    """And an address, or one for each account."""
    shapes = PROVIDERS.load()
    for name, house in houses.HOUSES.items():
        assert house.shape in shapes, name
        assert house.base_url is None or not house.base_url.endswith("/"), name


@pytest.mark.parametrize(
    ("word", "house"),
    [
        ("azure-openai", "azure"),
        ("together_ai", "together"),
        ("Mistral-AI", "mistral"),
        ("x-ai", "xai"),
        ("nobody", None),
    ],
)
def test_words_are_known_by_their_other_names(word: str, house: str | None) -> None:
    """With dashes or underscores."""
    assert houses.find(word) == house


@pytest.mark.parametrize(
    ("slug", "house"),
    [("openai-prod-1a2b", "openai"), ("my-azure-openai-eu", "azure"), ("team_x-ai_1", "xai"), ("team-7", None)],
)
def test_a_person_s_name_may_tell(slug: str, house: str | None) -> None:
    """The longest word in it that is known."""
    assert houses.guess(slug) == house


def test_names_of_models_tell_whose_and_what_for() -> None:
    """As far as they do."""
    assert [houses.of_model(m) for m in ("claude-x", "o3-mini", "llama")] == ["anthropic", "openai", None]
    assert [houses.serves(m) for m in ("text-embedding-3-small", "whisper-1", "gpt-4.1")] == [
        ["embeddings"], ["transcriptions"], None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ("gemini-2.5-pro", ("google", "gemini-2.5-pro")),
        ("google/gemini-2.5-pro", ("google", "gemini-2.5-pro")),
        ("claude-haiku-4-5@20251001", ("anthropic", "claude-haiku-4-5@20251001")),
        ("anthropic.claude", ("anthropic", "claude")),
        ("publishers/google/models/gemini", ("google", "gemini")),
        ("moonshotai/kimi-k2-maas", ("moonshotai", "kimi-k2-maas")),
    ],
)
def test_publishers_on_vertex_ai_are_told_from_models(model: str, found: tuple[str, str]) -> None:
    """They stand in the address there, not in the name."""
    assert houses.published(model) == found


def test_addresses_end_as_ours_do() -> None:
    """What names an endpoint loses it; what has a path keeps it."""
    anthropic = houses.HOUSES["anthropic"]
    assert houses.ended("https://h/", anthropic) == "https://h/v1"
    assert houses.ended("https://h/v1/messages", anthropic) == "https://h/v1"
    assert houses.ended("https://h/proxy/v2", anthropic) == "https://h/proxy/v2"
    assert houses.vertex("p", "global", "google").startswith("https://aiplatform.googleapis.com/")


@pytest.mark.parametrize(
    "base",
    [
        "https://r.services.ai.azure.com", "https://r.services.ai.azure.com/", "https://r.services.ai.azure.com/openai/v1",
        "https://r.services.ai.azure.com/anthropic", "https://r.services.ai.azure.com/anthropic/v1/messages",
    ],
)  # fmt: skip
def test_claude_on_azure_has_one_address(base: str) -> None:
    """However it is written."""
    assert houses.claude_on_azure(base) == "https://r.services.ai.azure.com/anthropic/v1"


@pytest.mark.parametrize(
    ("model", "what"),
    [("rerank-v3", ["rerank"]), ("amazon.nova-canvas-v1:0", ["images"]), ("amazon.nova-pro-v1:0", None)],
)
def test_a_name_tells_what_is_no_conversation(model: str, what: list[str] | None) -> None:
    """So that it is not offered for one."""
    assert houses.serves(model) == what
