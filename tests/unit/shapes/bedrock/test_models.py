"""What a model's id tells of it."""

from __future__ import annotations

import pytest

from lbd.shapes.bedrock import models
from tests.unit.shapes.amazon import CLAUDE, LATER, NOVA

PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6"
BASE = {"tools", "images", "files", "json_schema"}


@pytest.mark.parametrize(
    ("model", "more"),
    [
        (CLAUDE, {"sampling", "top_k", "reasoning", "cache_control"}),
        (LATER, {"reasoning", "cache_control"}),
        ("anthropic.claude-3-5-sonnet-20240620-v1:0", {"sampling", "top_k", "cache_control"}),
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", {"sampling", "top_k", "reasoning", "cache_control"}),
        ("anthropic.claude-v2:1", {"sampling", "top_k", "cache_control"}),
        (NOVA, {"sampling", "cache_control"}),
        ("meta.llama3-3-70b-instruct-v1:0", {"sampling"}),
        (PROFILE, {"sampling"}),
    ],
)
def test_what_can_be_asked_depends_on_who_made_the_model(model: str, more: set[str]) -> None:
    """Thinking and top_k are Claude's; its later models set their sampling, its earlier ones keep to no schema."""
    earlier = {"json_schema"} if "claude-v" in model or "claude-3" in model else set()
    assert models.carries(model) == (BASE | more) - earlier


@pytest.mark.parametrize("model", [CLAUDE, f"arn:aws:bedrock:us-east-1:1:inference-profile/{CLAUDE}"])
def test_claudes_tokens_are_the_same_on_every_platform(model: str) -> None:
    """An ARN that names the model is as good as its id."""
    assert models.mint(model) == "anthropic"


@pytest.mark.parametrize("model", [NOVA, PROFILE, "deepseek.r1-v1:0"])
def test_other_tokens_stay_at_bedrock(model: str) -> None:
    """Nobody knows who else could read them."""
    assert models.mint(model) == "bedrock"
