"""Changed configurations: which place a path means, which it may not, and every error at the change that brings it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lbd.config.variants import MOST, ROOTS
from lbd.model.experiment import Change, ExperimentSpec
from tests.fakes.configs import LOCAL, checked, problems, warnings

BASE = """\
providers:
  - name: local
    shape: llamacpp
    base_url: http://127.0.0.1:8000/v1
    deployments: [{model: m}, {model: gpt-4.1}]
routing_rules:
  simple: {primary: m}
  gpt-4.1.x: {primary: m}
  gpt-4: {primary: m}
models: {gpt-4o.1: auto, gpt-4: auto}
surfaces:
  - {name: support, quality_floor: 0.1, budget: {usd_per_day: 5}}
  - {name: support.eu, quality_floor: 0.2}
"""


def trying(change: dict[str, Any], *, base: str = BASE, **more: Any) -> str:
    return f"{base}experiments: {json.dumps([{'name': 'x', 'share': 0.1, 'change': change, **more}])}\n"


def changed(change: dict[str, Any], **more: Any) -> tuple[ExperimentSpec, Any]:
    compiled = checked(trying(change, **more))
    return compiled.experiments[0], compiled.variants["x"]


# --- what a path means --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "before", "seen"),
    [
        ("scorer.weights.cost", 1.0, 0.5, lambda v: dict(v.scorer.weights)["cost"]),
        ("auto.quality_share", 0.9, None, lambda v: v.auto.quality_share),
        ("deadlines.interactive_total_s", 20.0, 600.0, lambda v: v.deadlines.interactive_total_s),
        ("tiers.secondary.ttft_p95_s", 2.0, 3.0, lambda v: v.tiers[1].ttft_p95_s),
        ("models.gpt-4o.1", "simple", "auto", lambda v: dict(v.aliases)["gpt-4o.1"]),
        ("models.gpt-5.2", "simple", None, lambda v: dict(v.aliases)["gpt-5.2"]),
        ("surfaces.support.quality_floor", 0.5, 0.1, lambda v: v.surfaces["support"].quality_floor),
        ("surfaces.support.eu.quality_floor", 0.5, 0.2, lambda v: v.surfaces["support.eu"].quality_floor),
        ("routing_rules.gpt-4.1.x.max_latency_ms", 50, None, lambda v: v.rules[1].max_latency_s * 1000),
        ("routing_rules.gpt-4.max_latency_ms", 50, None, lambda v: v.rules[2].max_latency_s * 1000),
        ("routing_rules.simple.primary", "gpt-4.1", "m", lambda v: v.rules[0].groups[0][0]),
    ],
)
def test_a_path_means_the_longest_name_that_is_there(path: str, value: object, before: object, seen: Any) -> None:
    """Names may hold dots; what is not written is there with its default."""
    spec, variant = changed({path: value})
    assert spec.changes == (Change(path, before, value),)
    assert seen(variant) == value


def test_what_is_new_is_added() -> None:
    """A whole rule, and a name for it; peak weights where there are peak hours."""
    _, variant = changed({"routing_rules.new": {"primary": "m", "when": {"surface": "support"}}, "models.fresh": "new"})
    assert variant.rules[-1].name == "new" and dict(variant.aliases)["fresh"] == "new"
    peak = "peak: {hours: 'mon-fri 08:00-18:00'}\n"
    _, variant = changed({"peak.weights.quality": 2.0}, base=BASE + peak)
    assert dict(variant.scorer.peak)["quality"] == 2.0


def test_what_is_not_changed_is_as_for_everybody() -> None:
    """Beside a changed value all of its map stands."""
    compiled = checked(trying({"surfaces.support.quality_floor": 0.5}))
    variant = compiled.variants["x"]
    assert variant.surfaces["support"].budgets == compiled.surfaces["support"].budgets
    assert (variant.rules, variant.scorer, variant.aliases) == (compiled.rules, compiled.scorer, compiled.aliases)
    assert compiled.surfaces["support"].quality_floor == 0.1


# --- what it may not ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("providers.local.base_url", "http://x/v1", "an experiment changes decisions, not providers: accounts"),
        ("clients.a.key", "x", "an experiment changes decisions, not clients"),
        ("limits.queue_size", 5, "an experiment changes decisions, not limits: it is one for all requests"),
        ("store.url", "memory:", "not store"),
        ("experiments.x.share", 0.5, "no experiment is about another one"),
        ("scorer.wights.cost", 1, "there is no key 'wights' (did you mean weights?)"),
        ("scroer.weights.cost", 1, "unknown key (did you mean scorer?)"),
        ("surfaces.suport.quality_floor", 0.5, "there is no 'suport' in surfaces (did you mean support?)"),
        ("surfaces.support", {"name": "support"}, "name the key of the surface"),
        ("surfaces.support.budget", None, "not accounts: a surface has one budget"),
        ("surfaces.support.evaluate", False, "must be scored alike"),
        ("surfaces", [], "name the key of the surface"),
        ("tiers.primary.error_rate_max", 0.5, "only ttft_p95_s can be changed"),
        ("tiers", [], "only ttft_p95_s can be changed"),
        ("peak.hours", [], "peak hours are the same for all requests"),
        ("routing_rules.smple.primary", "m", "there is no 'smple' in routing_rules (did you mean simple?)"),
        ("auto.judge.always", True, "nothing stands below auto.judge"),
        ("surfaces.support.models.a.b.c", "nobody", "'nobody' is neither auto, a rule, nor a model"),
        ("scorer.weights.cots", 1, "no such term (did you mean cost?)"),
        ("scorer.weights.cost", -1, "expected a number >= 0"),
        ("auto.quality_share", "90%", "the unit is in the key's name, write 90"),
        ("routing_rules.simple.primary", "gone", "no provider offers any model of this rule"),
        ("deadlines", 5, "expected a map"),
        ("scorer.weights", dict.fromkeys(("cost", "load"), 0), "changes nothing"),
    ],
)
def test_what_leads_nowhere_or_too_far_is_refused_at_its_place(path: str, value: object, reason: str) -> None:
    """By the path, with the reason, at the line where the change stands."""
    if reason == "changes nothing":
        path, value = "scorer.weights.cost", 0.5
    found = problems(trying({path: value}))
    line = BASE.count("\n") + 1
    assert len(found) == 1 and reason in found[0], found
    assert found[0].startswith(f"{line}:"), found
    assert "experiments[0].change" in found[0]


def test_the_place_is_that_of_the_change() -> None:
    """To the column, also of what a change brings with it elsewhere."""
    text = BASE + "experiments:\n  - name: x\n    share: 0.1\n    change:\n      scorer.weights:\n        cots: 1\n"
    first = BASE.count("\n") + 1
    expected = (
        f"{first + 5}:9: experiments[0].change.scorer.weights: scorer.weights.cots: no such term (did you mean cost?)"
    )
    assert problems(text) == [expected]


def test_every_experiment_is_checked_and_its_errors_are_its_own() -> None:
    """And an error of the configuration itself is told once."""
    two = [
        {"name": "a", "share": 0.1, "change": {"scorer.weights.cost": -1}},
        {"name": "b", "share": 0.1, "change": {"models.x": "nobody"}, "surfaces": ["nowhere"]},
        {"name": "b", "share": 0.1, "change": {"models.x": "auto"}},
    ]
    found = problems(f"{BASE}experiments:\n" + "".join(f"  - {json.dumps(e)}\n" for e in two))
    assert len(found) == 1 and "a second experiment 'b'" in found[0]
    found = problems(f"{BASE}experiments:\n" + "".join(f"  - {json.dumps(e)}\n" for e in two[:2]))
    assert {f.partition(": ")[2].partition(":")[0] for f in found} == {
        "experiments[0].change.scorer.weights.cost",
        "experiments[1].surfaces[0]",
        "experiments[1].change.models.x",
    }
    assert len(problems(trying({"models.x": "auto"}, base=BASE.replace("{primary: m}", "{primary: none}")))) == 3


def test_two_changes_of_one_place_are_one_too_many() -> None:
    """Nobody could say which holds."""
    found = problems(trying({"scorer.weights": {"cost": 1}, "scorer.weights.cost": 2}))
    assert len(found) == 1 and "'scorer.weights' changes the same place" in found[0]


def test_the_blame_of_two_changes_is_told_apart() -> None:
    """Where the place says it."""
    found = problems(trying({"scorer.weights.cost": 1, "models.x": "nobody"}))
    assert len(found) == 1 and "experiments[0].change.models.x: 'nobody'" in found[0]


def test_so_many_at_once_and_no_more() -> None:
    """Those that are disabled do not count."""

    def some(n: int, *, enabled: bool) -> str:
        of = [{"name": f"x{i}", "share": 0.1, "change": {"models.x": "auto"}, "enabled": enabled} for i in range(n)]
        return f"{BASE}experiments: {json.dumps(of)}\n"

    assert not problems(some(MOST, enabled=True)) and not problems(some(MOST + 3, enabled=False))
    assert f"more than {MOST}" in problems(some(MOST + 1, enabled=True))[0]


def test_what_is_doubtful_is_told() -> None:
    """A change that brings a warning; a unit of which there is only one."""
    (told,) = problems(trying({"routing_rules.simple.primary": ["m", "gone"]}))
    assert "changes nothing" in told, "the model that nobody offers is left out"
    told = warnings(trying({"routing_rules.simple.primary": ["gpt-4.1", "gone"]}, by="client"))
    assert any("no provider offers 'gone'" in t for t in told), told
    assert any("all requests are of one client" in t for t in told), told


# --- its key ------------------------------------------------------------------------------------------


def test_a_definition_has_a_key_of_its_own() -> None:
    """Another share, change or limit is another experiment, and so is another control arm; to be disabled is none."""

    def key(change: object = 1.0, base: str = BASE, **more: Any) -> str:
        return changed({"scorer.weights.cost": change}, base=base, **more)[0].key

    same = key()
    assert key(enabled=False) == key(max_days=3) == same
    others = [
        key(2.0),
        key(share=0.2),
        key(stop_if={"cost_rise": 1}),
        key(by="client"),
        key(surfaces=["support"]),
        key(base=BASE + "scorer: {weights: {cost: 0.7}}\n"),
    ]
    assert len({same, *others}) == 7
    assert key(base=BASE + "scorer: {weights: {load: 0.7}}\n") == same, "what is not compared may change"


def test_a_prompt_is_judged_where_an_experiment_asks_for_it() -> None:
    """Otherwise the treated would be judged by nobody."""
    assert not checked(BASE).judges
    assert checked(trying({"auto.quality_share": 0.9})).judges
    assert sorted(ROOTS) == list(ROOTS)


def test_the_usual_file_has_tiers_to_change() -> None:
    """They are not written, and are there."""
    text = trying({"tiers.tertiary.ttft_p95_s": 5}, base=LOCAL)
    assert checked(text).variants["x"].tiers[2].ttft_p95_s == 5
