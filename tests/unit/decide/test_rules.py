"""Which rule a request takes by itself: the first whose every condition holds."""

from __future__ import annotations

from typing import Any

import pytest

from lbd.decide.rules import BUILT_IN, HARD, Traits, judges, match
from lbd.model.provider import RuleSpec, WhenSpec
from lbd.model.request import Urgency

TRAITS = Traits("gpt-4o", "bot", "support", Urgency.INTERACTIVE, 500, frozenset({"tools"}), False, 0.7, "code")
HEADERS = {"x-team": "search-eu"}


def rule(name: str = "r", **when: Any) -> RuleSpec:
    return RuleSpec(name, (("m",),), when=WhenSpec(**when))


def taken(*rules: RuleSpec, traits: Traits = TRAITS, text: str = "Prove it.") -> tuple[str | None, tuple[str, ...]]:
    found, fired = match(rules, traits, lambda: text, HEADERS.get)
    return None if found is None else found.name, fired


@pytest.mark.parametrize(
    ("when", "fired"),
    [
        ({"model": ("gpt-4*",)}, "model gpt-4o"),
        ({"surface": ("x", "supp*")}, "surface support"),
        ({"client": ("bot",)}, "client bot"),
        ({"family": ("code", "math")}, "family code"),
        ({"urgency": Urgency.INTERACTIVE}, "class interactive"),
        ({"peak": False}, "off peak"),
        ({"input_tokens_min": 500}, "input_tokens 500"),
        ({"input_tokens_below": 501}, "input_tokens 500"),
        ({"difficulty_min": 0.7}, "difficulty 0.7"),
        ({"difficulty_below": 0.71}, "difficulty 0.7"),
        ({"needs": frozenset({"tools"})}, "needs tools"),
        ({"headers": (("x-team", "search-*"),)}, "header x-team"),
        ({"text": r"(?i)\bprove\b"}, "text"),
    ],
)
def test_each_condition_holds_and_says_so(when: dict[str, Any], fired: str) -> None:
    """What fired is in the record of the request."""
    assert taken(rule(**when)) == ("r", (fired,))


@pytest.mark.parametrize(
    "when",
    [
        {"model": ("gpt-5*",)},
        {"surface": ("drafts",)},
        {"client": ("other",)},
        {"family": ("math",)},
        {"urgency": Urgency.BACKGROUND},
        {"peak": True},
        {"input_tokens_min": 501},
        {"input_tokens_below": 500},
        {"difficulty_min": 0.71},
        {"difficulty_below": 0.7},
        {"needs": frozenset({"tools", "images"})},
        {"headers": (("x-team", "shop"),)},
        {"headers": (("x-none", "*"),)},
        {"text": "^refute"},
    ],
)
def test_one_that_does_not_hold_is_enough(when: dict[str, Any]) -> None:
    """Whatever the others say."""
    assert taken(rule(**when)) == (None, ())
    assert taken(rule(**{"client": ("bot",), "needs": frozenset({"tools"}), **when}))[0] is None


def test_the_first_that_holds_is_taken() -> None:
    """In the order of the configuration; one without conditions is only asked for by its name."""
    assert taken(rule("a", peak=True), RuleSpec("b", (("m",),)), rule("c", peak=False), rule("d"))[0] == "c"


def test_what_was_not_judged_is_neither_hard_nor_easy() -> None:
    """Rules about difficulty wait for somebody to judge."""
    traits = Traits("auto")
    assert taken(rule(difficulty_min=0.0), rule(difficulty_below=1.0), traits=traits) == (None, ())
    assert judges([rule(difficulty_min=0.0)]) and judges([rule(family=("code",))])
    assert not judges([rule(peak=True), RuleSpec("b", (("m",),))])


def test_the_guides_own_rules_part_the_requests_between_them() -> None:
    """Every judged prompt is simple or complex."""
    rules = [RuleSpec(name, (("m",),), when=when) for name, when in BUILT_IN.items()]
    for difficulty, name in ((0.0, "simple_queries"), (HARD, "complex_reasoning"), (1.0, "complex_reasoning")):
        assert taken(*rules, traits=Traits("auto", difficulty=difficulty))[0] == name


def test_the_prompt_is_read_last_and_only_if_need_be() -> None:
    """A rule that fails before does not cost it."""

    def never() -> str:
        raise AssertionError

    assert match([rule(peak=True, text="x")], TRAITS, never, HEADERS.get) == (None, ())
