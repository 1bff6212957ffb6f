"""What is found out about requests that leave the choice to lbd, and only about those."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from lbd.admit.auth import LOCAL
from lbd.admit.chooser import Chooser
from lbd.model.failure import Failure
from lbd.model.judged import NOT_JUDGED, Judged
from lbd.model.provider import AutoSpec, RuleSpec, SurfaceSpec, WhenSpec
from lbd.model.request import Wishes
from lbd.shapes.clients import CLIENTS
from tests.fakes import tables

HARD = RuleSpec("hard", (("m",),), when=WhenSpec(difficulty_min=0.6))
SMALL = RuleSpec("small", (("m",),), when=WhenSpec(input_tokens_below=50))
LOOSE = RuleSpec("loose", (("m",),))
SNAPSHOT = tables.snapshot(
    [tables.view(tables.deployment("p/m", model="m"))], rules=[HARD, SMALL, LOOSE], aliases=[("gpt-4o", "auto")]
)


class Judge:
    """Holds every prompt to be as hard as its number of words, in tenths."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def conversation(self, turns: tuple[str, ...]) -> Judged:
        self.asked.append(turns)
        return Judged(min(1.0, len(turns[-1].split()) / 10), family="chat")


class Inbound:
    def header(self, name: str) -> str | None:
        return {"x-team": "a"}.get(name)


def chooser(*rules: RuleSpec, auto: AutoSpec = AutoSpec(), judge: Judge | None = None) -> Chooser:  # noqa: B008
    found = Chooser()
    found.judge = cast("Any", judge)
    found.configure(rules, auto)
    return found


def judged(found: Chooser, text: str = "one two", *, model: str = "auto", **more: Any) -> Judged:
    shape = CLIENTS.load()["openai.chat"]
    raw = json.dumps({"model": model, "messages": [{"role": "user", "content": text}]}).encode()
    head = shape.read(raw)
    assert not isinstance(head, Failure)
    wish, surface = more.get("wish", Wishes()), more.get("surface")
    return found.judged(SNAPSHOT, Inbound(), raw, shape, head, wish, LOCAL, surface)


def test_a_rule_about_difficulty_has_the_prompt_judged() -> None:
    """And the verdict stands beside the rule that was taken."""
    judge = Judge()
    told = judged(chooser(HARD, judge=judge), " ".join("abcdefgh"))
    assert (told.rule, told.by, told.difficulty, told.family) == ("hard", ("difficulty 0.8",), 0.8, "chat")
    assert judged(chooser(HARD, judge=judge), "one").rule is None
    assert judge.asked[0] == ("a b c d e f g h",)


@pytest.mark.parametrize("model", ["m", "loose", "nobody"])
def test_who_asks_for_a_name_gets_it(model: str) -> None:
    """A model, a rule; what nobody knows is refused elsewhere."""
    judge = Judge()
    assert judged(chooser(HARD, judge=judge), model=model) is NOT_JUDGED and not judge.asked


def test_a_name_that_means_auto_leaves_the_choice() -> None:
    """A pin takes it back, whoever set it."""
    found = chooser(SMALL)
    assert judged(found, model="gpt-4o").rule == "small"
    assert judged(found, model="gpt-4o", wish=Wishes(pin="m")) is NOT_JUDGED
    assert judged(found, model="gpt-4o", surface=SurfaceSpec("legal", pin="m")) is NOT_JUDGED
    assert judged(found, model="x", surface=SurfaceSpec("s", models=(("x", "auto"),))).rule == "small"


def test_nobody_is_judged_without_need() -> None:
    """Rules about other things do not read the prompt; judging can be switched off."""
    judge = Judge()
    assert judged(chooser(SMALL, judge=judge)).rule == "small"
    assert judged(chooser(HARD, auto=AutoSpec(judge=False), judge=judge)) == Judged()
    assert judged(chooser(judge=judge)) is NOT_JUDGED
    assert not judge.asked
    assert judged(chooser(judge=judge, auto=AutoSpec(quality_share=0.9))).difficulty == 0.2
    assert judged(chooser(judge=judge), surface=SurfaceSpec("s", quality_share=0.9)).difficulty == 0.2


def test_without_a_judge_nothing_is_hard() -> None:
    """Rules that do not ask for it work all the same."""
    assert judged(chooser(HARD, SMALL)).rule == "small"


def test_a_rule_that_nobody_could_serve_is_passed_over() -> None:
    """What a request needs comes before what it is: an image goes to a model that sees, whatever the rules."""
    blind = tables.view(tables.deployment("p/m", model="m", supports=frozenset({"tools"})))
    snapshot = tables.snapshot([blind], rules=[SMALL])
    shape = CLIENTS.load()["openai.chat"]
    for part, rule in (
        ({"type": "text", "text": "x"}, "small"),
        ({"type": "image_url", "image_url": {"url": "u"}}, None),
    ):
        raw = json.dumps({"model": "auto", "messages": [{"role": "user", "content": [part]}]}).encode()
        head = shape.read(raw)
        assert not isinstance(head, Failure)
        assert chooser(SMALL).judged(snapshot, Inbound(), raw, shape, head, Wishes(), LOCAL, None).rule == rule
    embedding = CLIENTS.load()["openai.embeddings"]
    raw = b'{"model":"auto","input":"x"}'
    head = embedding.read(raw)
    assert not isinstance(head, Failure)
    only_chat = tables.view(tables.deployment("p/m", model="m", carries={"openai.chat": frozenset()}))
    told = chooser(SMALL).judged(
        tables.snapshot([only_chat], rules=[SMALL]), Inbound(), raw, embedding, head, Wishes(), LOCAL, None
    )
    assert told.rule is None


def test_the_treated_of_an_experiment_have_rules_of_their_own() -> None:
    """And are judged as those ask for; of one that is no more they have everybody's."""
    judge = Judge()
    found = Chooser()
    found.judge = cast("Any", judge)
    found.configure((), AutoSpec(), {"x": ((HARD,), AutoSpec()), "y": ((), AutoSpec(quality_share=0.9))})
    shape = CLIENTS.load()["openai.chat"]
    raw = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "a b c d e f g h"}]}).encode()
    head = shape.read(raw)
    assert not isinstance(head, Failure)
    told = {
        v: found.judged(SNAPSHOT, Inbound(), raw, shape, head, Wishes(), LOCAL, None, v) for v in ("", "x", "y", "gone")
    }
    assert told[""] is told["gone"] is NOT_JUDGED
    assert (told["x"].rule, told["y"].rule, told["y"].difficulty) == ("hard", None, 0.8)
