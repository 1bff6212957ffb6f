"""The keys that say where requests go."""

from __future__ import annotations

import msgspec
import pytest

from lbd.config.routing import AutoConfig, PeakConfig, RuleConfig, WhenConfig
from lbd.model.request import Urgency


def test_the_guides_own_rule_loads_as_it_stands() -> None:
    """One model or several, a bound or none, conditions or none."""
    told = {"primary": "gpt-3.5-turbo", "fallback": "claude-haiku", "max_cost_per_1k": 0.002}
    assert msgspec.convert(told, RuleConfig) == RuleConfig(
        primary="gpt-3.5-turbo", fallback="claude-haiku", max_cost_per_1k=0.002
    )
    when = msgspec.convert({"class": "background", "model": ["a", "b"], "peak": False}, WhenConfig)
    assert (when.urgency, when.model, when.peak) == (Urgency.BACKGROUND, ["a", "b"], False)


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ({"difficulty_min": 1.5}, WhenConfig),
        ({"colour": "red"}, WhenConfig),
        ({"class": "urgent"}, WhenConfig),
        ({"quality_share": -0.1}, AutoConfig),
        ({"weights": {"cost": -1}}, PeakConfig),
        ({"load_above": 2}, PeakConfig),
    ],
)
def test_what_is_no_condition_is_refused(told: dict[str, object], kind: type[msgspec.Struct]) -> None:
    """Ratios are ratios, words are known."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(told, kind)
