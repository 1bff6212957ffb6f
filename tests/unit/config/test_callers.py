"""Who asks and what they may have: clients, surfaces, and their limits as written."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lbd.config.callers import ClientConfig, LimitConfig, SurfaceConfig, ValidateConfig
from lbd.model.provider import Permission
from lbd.model.request import Urgency


def test_a_client_may_everything_unless_told_otherwise() -> None:
    """And has neither a limit nor a budget."""
    found = msgspec.convert({"name": "c", "key": "k"}, ClientConfig)
    assert set(found.may) == set(Permission) and found.models == []
    assert found.budget is found.limit is found.surface is None


def test_what_one_client_may_is_not_shared_with_another() -> None:
    """Each has a list of its own."""
    one, two = (msgspec.convert({"name": n, "key": n}, ClientConfig) for n in "ab")
    assert one.may is not two.may and one.models is not two.models


def test_a_surface_is_interactive_and_without_bounds_unless_told_otherwise() -> None:
    """Its class has a word of its own in the file."""
    assert msgspec.convert({"name": "s"}, SurfaceConfig).urgency is Urgency.INTERACTIVE
    assert msgspec.convert({"name": "s", "class": "background"}, SurfaceConfig).urgency is Urgency.BACKGROUND


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (LimitConfig, {"requests_per_min": 0}),
        (LimitConfig, {"tokens_per_min": 1.5}),
        (LimitConfig, {"requests_per_hour": 5}),
        (ClientConfig, {"name": "C", "key": "k"}),
        (ClientConfig, {"name": "c", "key": "k", "may": ["fly"]}),
        (ClientConfig, {"name": "c", "key": "k", "budget": {"usd_per_day": -1}}),
        (ClientConfig, {"name": "c", "key": "k", "budget": {"usd_per_week": 1}}),
        (SurfaceConfig, {"name": "s", "quality_floor": 1.1}),
        (SurfaceConfig, {"name": "s", "budget": {"usd_per_day": 1, "warn_at": 2}}),
        (SurfaceConfig, {"name": "s", "urgency": "background"}),
        (ValidateConfig, {"min_chars": 0}),
        (ValidateConfig, {"on_failure": "shrug"}),
    ],
)
def test_what_makes_no_sense_is_refused(kind: Any, given: dict[str, Any]) -> None:
    """By its type, before anything is compiled."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(given, kind)
