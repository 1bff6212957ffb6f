"""Portkey's conditions, lifted to the top of the tree."""

from __future__ import annotations

from typing import Any

from lbd.adapt.draft import Draft
from lbd.adapt.portkey_branches import AT, MOST, branches, strategy
from lbd.adapt.source import read


def tree(text: str) -> tuple[list[Any], Draft]:
    source = read(text, "f")
    draft = Draft(source)
    return branches(source.value, (), draft), draft


CHOICE = """{strategy: {mode: conditional, default: us, conditions: [{query: {metadata.r: EU}, then: eu}]}, weight: 2,
  targets: [{name: eu, provider: e}, {name: us, provider: u}]}"""


def test_a_tree_without_conditions_is_one() -> None:
    """With the places of its targets."""
    found, _ = tree("{strategy: fallback, targets: [{provider: a}, {provider: b}]}")
    assert [(b.name, b.when) for b in found] == [("", None)] and strategy(found[0].node) == {"mode": "fallback"}
    assert [t[AT] for t in found[0].node["targets"]] == [("targets", 0), ("targets", 1)]


def test_a_condition_below_a_fallback_is_one_of_the_whole() -> None:
    """Who fell back to Europe still does: the first target is the same in both, the second as the condition says."""
    found, _ = tree(f"{{strategy: {{mode: fallback}}, targets: [{{provider: a}}, {CHOICE}]}}")
    assert [(b.name, b.when) for b in found] == [("eu", {"header": {"x-meta-r": "EU"}}), ("us-default", {})]
    assert [[t["provider"] for t in b.node["targets"]] for b in found] == [["a", "e"], ["a", "u"]]
    assert found[0].node["targets"][1]["weight"] == 2 and found[0].node["targets"][1][AT] == (
        "targets",
        1,
        "targets",
        0,
    )


def test_conditions_side_by_side_are_all_that_can_hold() -> None:
    """The same one twice is one; two that exclude each other are none."""
    found, _ = tree(f"{{strategy: {{mode: fallback}}, targets: [{CHOICE}, {CHOICE}]}}")
    assert [b.when for b in found] == [{"header": {"x-meta-r": "EU"}}] * 3 + [{}]
    other = CHOICE.replace("EU", "UK")
    found, _ = tree(f"{{strategy: {{mode: fallback}}, targets: [{CHOICE}, {other}]}}")
    assert [b.when for b in found] == [{"header": {"x-meta-r": "EU"}}, {"header": {"x-meta-r": "UK"}}, {}]


def test_a_condition_inside_of_a_condition_asks_for_both() -> None:
    """And its default for the outer one."""
    inner = CHOICE.replace("metadata.r: EU", "params.model: m").replace("{strategy", "{name: n, strategy", 1)
    outer = "strategy: {mode: conditional, default: d, conditions: [{query: {metadata.x: y}, then: n}]}"
    found, _ = tree(f"{{{outer}, targets: [{inner}, {{name: d, provider: d}}]}}")
    header = {"header": {"x-meta-x": "y"}}
    assert [b.when for b in found] == [{**header, "model": ["m"]}, header, {}]


def test_names_that_there_are_not_are_said() -> None:
    """Of a condition and of the default."""
    outer = "strategy: {mode: conditional, default: no, conditions: [{query: {metadata.x: y}, then: nor}]}"
    found, draft = tree(f"{{{outer}, targets: [{{name: a, provider: p}}]}}")
    assert found == [] and [n.path for n in draft.notes] == ["strategy.conditions[0].then", "strategy.default"]


def test_alternatives_do_not_multiply_for_ever() -> None:
    """There is a bound, and it is said."""
    many = ", ".join(CHOICE.replace("metadata.r", f"metadata.r{i}") for i in range(7))
    found, draft = tree(f"{{strategy: {{mode: fallback}}, targets: [{many}]}}")
    assert len(found) == MOST and draft.notes[-1].level == "lost"
