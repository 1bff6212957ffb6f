"""Which rule a request takes that left the choice to lbd (``auto``): the first whose every condition holds.

Conditions are about what is known of the request before anybody is asked; a rule without any is only asked for by its
name. ``simple_queries`` and ``complex_reasoning`` have conditions of their own where they are given none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase

import msgspec

from lbd.model.provider import RuleSpec, WhenSpec
from lbd.model.request import Urgency
from lbd.model.units import Ratio, Tokens
from lbd.shapes.validate import pattern

HARD: Ratio = 0.6  # from which difficulty on a question is complex reasoning
BUILT_IN = {
    "simple_queries": WhenSpec(difficulty_below=HARD),
    "complex_reasoning": WhenSpec(difficulty_min=HARD),
}


class Traits(msgspec.Struct, frozen=True):
    """What conditions look at. ``difficulty`` None: nobody has judged the prompt."""

    asked: str
    client: str = ""
    surface: str = ""
    urgency: Urgency = Urgency.INTERACTIVE
    input_tokens: Tokens = 0
    needs: frozenset[str] = frozenset()
    peak: bool = False
    difficulty: Ratio | None = None
    family: str = ""


def match(
    rules: Iterable[RuleSpec],
    traits: Traits,
    text: Callable[[], str],
    header: Callable[[str], str | None],
) -> tuple[RuleSpec | None, tuple[str, ...]]:
    """Return the rule that is taken, and which of its conditions held; ``text`` is what the user said last."""
    for rule in rules:
        if rule.when is not None:
            fired = _fired(rule.when, traits, text, header)
            if fired is not None:
                return rule, fired
    return None, ()


def judges(rules: Iterable[RuleSpec]) -> bool:
    """Tell whether a condition of these rules asks for the prompt to be judged."""
    return any(
        rule.when is not None
        and (rule.when.difficulty_min is not None or rule.when.difficulty_below is not None or rule.when.family)
        for rule in rules
    )


def _fired(
    when: WhenSpec, traits: Traits, text: Callable[[], str], header: Callable[[str], str | None]
) -> tuple[str, ...] | None:
    """Return the conditions, all of which hold; None where one does not."""
    fired: list[str] = []
    for part in (_names(when, traits), _kinds(when, traits), _numbers(when, traits), _headers(when, header)):
        if part is None:
            return None
        fired += part
    if when.text is not None:  # last, since it reads the prompt
        found, window = pattern.compiled(when.text)
        if found.search(text()[:window]) is None:
            return None
        fired.append("text")
    return tuple(fired)


def _names(when: WhenSpec, traits: Traits) -> list[str] | None:
    fired = []
    for name, patterns, value in (
        ("model", when.model, traits.asked),
        ("surface", when.surface, traits.surface),
        ("client", when.client, traits.client),
        ("family", when.family, traits.family),
    ):
        if patterns:
            if not any(fnmatchcase(value, p) for p in patterns):
                return None
            fired.append(f"{name} {value}")
    return fired


def _kinds(when: WhenSpec, traits: Traits) -> list[str] | None:
    fired = []
    if when.urgency is not None:
        if when.urgency is not traits.urgency:
            return None
        fired.append(f"class {traits.urgency}")
    if when.peak is not None:
        if when.peak is not traits.peak:
            return None
        fired.append("peak hours" if when.peak else "off peak")
    if when.needs:
        if not when.needs <= traits.needs:
            return None
        fired.append(f"needs {', '.join(sorted(when.needs))}")
    return fired


def _headers(when: WhenSpec, header: Callable[[str], str | None]) -> list[str] | None:
    for name, wanted in when.headers:
        value = header(name)
        if value is None or not fnmatchcase(value, wanted):
            return None
    return [f"header {name}" for name, _ in when.headers]


def _numbers(when: WhenSpec, traits: Traits) -> list[str] | None:
    fired = []
    bounds: tuple[tuple[str, float | None, float | None, float | None], ...] = (
        ("input_tokens", traits.input_tokens, when.input_tokens_min, when.input_tokens_below),
        ("difficulty", traits.difficulty, when.difficulty_min, when.difficulty_below),
    )
    for name, value, least, below in bounds:
        if least is None and below is None:
            continue
        if value is None or (least is not None and value < least) or (below is not None and value >= below):
            return None
        fired.append(f"{name} {value:.3g}")
    return fired
