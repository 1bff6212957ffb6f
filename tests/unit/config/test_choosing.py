"""Rules with their conditions and peak hours, as a configuration says them and as specs."""

from __future__ import annotations

import pytest

from lbd.decide.rules import BUILT_IN
from lbd.model.provider import PeakSpec, RuleSpec, WhenSpec
from lbd.model.request import Urgency
from tests.fakes.configs import LOCAL, checked, problems, warnings

WHEN = """\
routing_rules:
  a:
    primary: m
    when: {model: "gpt-*", surface: [s], client: c, class: background, peak: true, input_tokens_min: 1,
           input_tokens_below: 9, difficulty_min: 0.1, difficulty_below: 0.9, family: code, needs: [tools],
           header: {X-Team: a*}, text: '^x'}
  b: {primary: m}
"""


def test_conditions_become_a_spec() -> None:
    """Names are patterns, alone or in a list; a header's name is written as it is compared."""
    a, b = checked(LOCAL + WHEN).rules
    assert a == RuleSpec(
        "a",
        (("m",),),
        when=WhenSpec(
            ("gpt-*",), ("s",), ("c",), ("code",), Urgency.BACKGROUND, True, 1, 9, 0.1, 0.9,
            frozenset({"tools"}), (("x-team", "a*"),), "^x",
        ),
    )  # fmt: skip
    assert b.when is None


def test_the_guides_rules_have_conditions_of_their_own() -> None:
    """Until they are given others."""
    text = (
        LOCAL + "routing_rules: {simple_queries: {primary: m}, complex_reasoning: {primary: m, when: {peak: true}}}\n"
    )
    simple, hard = checked(text).rules
    assert simple.when == BUILT_IN["simple_queries"] and hard.when == WhenSpec(peak=True)


def test_peak_hours_become_a_spec_and_weights() -> None:
    """What is not named keeps its usual weight."""
    text = "peak: {timezone: Europe/Berlin, hours: mon-fri 08:00-18:00, weights: {cost: 0}, background_waits: false}\n"
    found = checked(LOCAL + text)
    assert found.peak == PeakSpec("Europe/Berlin", ("mon-fri 08:00-18:00",), None, False)
    assert dict(found.scorer.peak) == {**dict(found.scorer.weights), "cost": 0}
    assert checked(LOCAL).peak is None and checked(LOCAL).scorer.peak == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("routing_rules: {a: {primary: m, when: {}}}\n", "routing_rules.a.when: names no condition"),
        (
            "routing_rules: {a: {primary: m, when: {text: '('}}}\n",
            "routing_rules.a.when.text: is no regular expression",
        ),
        (
            "routing_rules: {a: {primary: m, when: {difficulty_min: 0.5, difficulty_below: 0.5}}}\n",
            "routing_rules.a.when.difficulty_below: is not above difficulty_min",
        ),
        ("peak: {hours: [mon 08:00]}\n", "peak.hours[0]: 'mon 08:00' is no span"),
        ("peak: {hours: monday}\n", "peak.hours: 'monday' is no span"),
        ("peak: {timezone: Mars/North, hours: mon 08:00-09:00}\n", "peak.timezone: 'Mars/North' is no time zone"),
        ("peak: {timezone: UTC}\n", "peak: says not when"),
        ("peak: {load_above: 0.8, weights: {colour: 1}}\n", "peak.weights.colour: no such term"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, problem: str) -> None:
    """And what would be right."""
    assert any(problem in told for told in problems(LOCAL + text)), problems(LOCAL + text)


GOOD_AND_CHEAP = """\
providers:
  - {name: a, shape: vllm, base_url: http://127.0.0.1/v1, deployments: [
      {model: good, quality: {default: 0.8, code: 0.9}}, {model: cheap, quality: {default: 0.6}}, {model: new}]}
"""


@pytest.mark.parametrize(
    ("rule", "surface", "warned"),
    [
        ("{primary: cheap, when: {peak: true}}", "quality_floor: 0.85", True),
        ("{primary: new, when: {peak: true}}", "quality_floor: 0.1", True),
        ("{primary: cheap, fallback: new, when: {class: interactive}}", "quality_floor: 0.85", True),
        ("{primary: cheap, fallback: good, when: {peak: true}}", "quality_floor: 0.85", False),
        ("{primary: cheap, when: {peak: true}}", "quality_floor: 0.6", False),
        ("{primary: cheap, when: {peak: true}}", "quality_floor: 0.85, pin: good", False),
        ("{primary: cheap, when: {class: background}}", "quality_floor: 0.85", False),
        ("{primary: cheap, when: {surface: [b*]}}", "quality_floor: 0.85", False),
        ("{primary: cheap, when: {surface: [s*]}}", "quality_floor: 0.85", True),
        ("{primary: cheap}", "quality_floor: 0.85", False),
    ],
)
def test_a_rule_that_keeps_no_surfaces_floor_is_warned_of(rule: str, surface: str, *, warned: bool) -> None:
    """It would take requests and then refuse each of them; one that is asked for by name is somebody's own choice."""
    text = f"{GOOD_AND_CHEAP}routing_rules:\n  r: {rule}\nsurfaces:\n  - {{name: support, {surface}}}\n"
    told = "5:3: warning: routing_rules.r: no model of it is configured with the quality of surface 'support', "
    found = warnings(text)
    assert bool(found) is warned
    assert all(w.startswith(told) and w.endswith("is refused. Add one to fallback") for w in found), found
