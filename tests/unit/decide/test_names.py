from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.decide import names
from lbd.model.failure import Failure, FailureKind
from lbd.model.plan import Catalogue, Target, TargetKind
from lbd.model.provider import RuleSpec
from tests.fakes.tables import MODELS, TIERS, deployment

ROWS = (
    deployment("openai/gpt-4.1", model="gpt-4.1"),
    deployment("openai/mini", model="gpt-4.1-mini", tier="secondary"),
    deployment("azure/gpt-4.1", model="gpt-4.1", tier="secondary"),
    deployment("router/llama", model="meta/llama-3:free", tier="tertiary"),
)
RULES = (
    RuleSpec("simple", (("gpt-4.1-mini",), ("nowhere",), ("gpt-4.1", "meta/llama-3:free")), 0.002, 5.0),
    RuleSpec("gpt-4.1-mini", (("gpt-4.1",),)),
)
ALIASES = (("gpt-4o", "auto"), ("gpt-3.5-*", "simple"), ("gpt-3.5-turbo", "gpt-4.1"), ("simple", "gpt-4.1"))


def catalogue(aliases: tuple[tuple[str, str], ...] = (), rules: tuple[RuleSpec, ...] = RULES) -> Catalogue:
    return names.build(ROWS, TIERS, rules, aliases, 7)


def key(name: str, cat: Catalogue | None = None, **more: object) -> str:
    found = names.resolve(cat or catalogue(ALIASES), name, **more)  # type: ignore[arg-type]
    assert isinstance(found, Target), found
    return found.key


def test_a_pin_goes_before_everything() -> None:
    """pin > models map > rule > model > auto."""
    assert key("simple", pin="gpt-4.1") == "pin:gpt-4.1"
    assert key("no such name", pin="openai/mini") == "pin:openai/mini"


def test_the_models_map_goes_before_a_rule_of_that_name() -> None:
    """pin > models map > rule > model > auto."""
    assert key("simple") == "model:gpt-4.1"
    assert key("simple", catalogue()) == "rule:simple"


def test_a_rule_goes_before_a_model_of_that_name() -> None:
    """pin > models map > rule > model > auto."""
    assert key("gpt-4.1-mini") == "rule:gpt-4.1-mini"
    assert key("gpt-4.1-mini", catalogue(rules=())) == "model:gpt-4.1-mini"


def test_auto_is_a_name_and_no_wildcard() -> None:
    """``auto`` means every deployment; what is not known does not fall back to it."""
    assert key("auto") == "auto"
    assert isinstance(names.resolve(catalogue(), "gpt-5"), Failure)


def test_a_wildcard_of_the_models_map_matches_and_the_first_entry_wins() -> None:
    """The map is read in the order in which it was written."""
    assert key("gpt-3.5-anything") == "rule:simple"
    assert key("gpt-3.5-turbo") == "rule:simple"
    swapped = catalogue((ALIASES[2], ALIASES[1]))
    assert key("gpt-3.5-turbo", swapped) == "model:gpt-4.1"


def test_only_a_star_makes_a_pattern() -> None:
    """Model names may hold brackets and question marks; those stand for themselves."""
    cat = catalogue((("gpt-[4]", "auto"), ("what?", "auto")))
    assert key("gpt-[4]", cat) == "auto"
    assert isinstance(names.resolve(cat, "gpt-4", surface_aliases=()), Failure)
    assert isinstance(names.resolve(cat, "whats"), Failure)


def test_a_surface_s_own_map_is_read_first() -> None:
    """Surfaces may override the global map."""
    assert key("gpt-4o", surface_aliases=(("gpt-4o", "gpt-4.1-mini"),)) == "rule:gpt-4.1-mini"
    assert key("gpt-4o", surface_aliases=(("gpt-3*", "simple"),)) == "auto"


def test_an_alias_is_resolved_once() -> None:
    """A meaning is a rule, a model or auto, never another alias: no chains, no loops."""
    cat = catalogue((("a", "b"), ("b", "a")))
    assert isinstance(names.resolve(cat, "a"), Failure)
    assert key("simple", catalogue((("simple", "simple"),))) == "rule:simple"


def test_names_may_hold_slashes_and_colons() -> None:
    """Public model names come from everywhere."""
    assert key("meta/llama-3:free") == "model:meta/llama-3:free"
    assert key("x", pin="meta/llama-3:free") == "pin:meta/llama-3:free"
    assert key("x", pin="router/llama") == "pin:router/llama"
    assert isinstance(names.resolve(catalogue(), "router/llama"), Failure)  # ids are for pins


def test_a_name_is_never_read_as_a_key_of_the_catalogue() -> None:
    """``model:x`` or ``pin:x`` from outside means nothing."""
    for name in ("model:gpt-4.1", "pin:gpt-4.1", "rule:simple", "rule:", ""):
        assert isinstance(names.resolve(catalogue(), name), Failure)
    assert isinstance(names.resolve(catalogue(), "x", pin="pin:gpt-4.1"), Failure)


@pytest.mark.parametrize("name", ["gpt-4.1-mni", "simpel", "gpt-4.1 "])
def test_an_unknown_name_is_404_with_suggestions(name: str) -> None:
    """A typing error is answered with what was probably meant."""
    failure = names.resolve(catalogue(ALIASES), name)
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.UNKNOWN_MODEL
    assert failure.row.status == 404
    assert (failure.param, failure.code) == ("model", "model_not_found")
    assert "Did you mean" in failure.message
    assert repr(name) in failure.message


def test_a_name_like_nothing_known_is_told_where_the_names_are() -> None:
    """Without a near name, the list is pointed to."""
    failure = names.resolve(catalogue(), "zzzzzzzz")
    assert isinstance(failure, Failure)
    assert "/v1/models" in failure.message


@pytest.mark.parametrize("pin", [None, "gpt-4.1"])
def test_a_name_that_no_model_has_by_its_length_alone_costs_nothing(pin: str | None) -> None:
    """It is a stranger's word of any size: not compared with every name, not kept, and not said again as a whole."""
    long = "gpt-3.5-" + "x" * 4_000_000
    began = time.perf_counter()
    failure = names.resolve(catalogue(ALIASES), long, pin=pin)
    assert time.perf_counter() - began < 0.05
    assert isinstance(failure, Failure) and failure.kind is FailureKind.UNKNOWN_MODEL
    assert len(failure.message) < 300
    longest = "gpt-3.5-" + "x" * (names.LONGEST - 8)
    assert not isinstance(names.resolve(catalogue(ALIASES), longest), Failure)
    assert isinstance(names.resolve(catalogue(ALIASES), longest + "x"), Failure)


def test_an_unknown_pin_is_named_in_the_failure_and_not_the_model() -> None:
    """The message says what to change."""
    failure = names.resolve(catalogue(), "gpt-4.1", pin="gpt-9")
    assert isinstance(failure, Failure)
    assert "'gpt-9'" in failure.message


def test_auto_and_models_are_staged_by_tier_best_first() -> None:
    """Tiers in their configured order, with their target; tiers without a row are left out."""
    cat = catalogue()
    assert [(s.name, s.rows, s.target_s) for s in cat.targets["auto"].stages] == [
        ("primary", (0,), 1.5),
        ("secondary", (1, 2), 3.0),
        ("tertiary", (3,), 10.0),
    ]
    assert [(s.name, s.rows) for s in cat.targets["model:gpt-4.1"].stages] == [("primary", (0,)), ("secondary", (2,))]
    assert cat.targets["pin:azure/gpt-4.1"].stages[0].rows == (2,)


def test_a_rule_s_groups_keep_their_order_without_tiers() -> None:
    """``primary``, then ``fallback`` in order; an entry that nobody offers is left out."""
    rule = catalogue().targets["rule:simple"]
    assert [(s.name, s.rows, s.target_s) for s in rule.stages] == [
        ("primary", (1,), None),
        ("fallback 2", (0, 2, 3), None),
    ]
    assert (rule.max_cost_per_1k, rule.max_latency_s, rule.kind) == (0.002, 5.0, TargetKind.RULE)


def test_public_names_are_what_a_client_may_ask_for() -> None:
    """auto, rules, models and plain aliases; no wildcard, no pin, no deployment id."""
    assert names.public_names(catalogue(ALIASES)) == sorted(
        {"auto", "simple", "gpt-4.1", "gpt-4.1-mini", "meta/llama-3:free", "gpt-4o", "gpt-3.5-turbo"}
    )


def test_every_public_name_means_something() -> None:
    """What /v1/models lists can be asked for."""
    cat = catalogue(ALIASES)
    for name in names.public_names(cat):
        assert isinstance(names.resolve(cat, name), Target), name


def test_a_catalogue_knows_its_configuration_and_rows() -> None:
    """Ids lead to the rows of the same snapshot."""
    cat = catalogue()
    assert cat.config_generation == 7
    assert {i: ROWS[n].id for i, n in cat.index.items()} == {r.id: r.id for r in ROWS}


def test_patterns_restrict_and_none_allow_everything() -> None:
    """``models`` of a client: no entry, no restriction."""
    assert names.allowed("anything", ())
    assert names.allowed("gpt-4.1", ("claude-*", "gpt-*"))
    assert not names.allowed("GPT-4.1", ("gpt-*",))
    assert not names.allowed("gpt-4.1", ("gpt-4",))
    assert names.allowed("meta/llama-3:free", ("meta/*",))


@given(
    rows=st.lists(st.tuples(st.sampled_from(MODELS), st.sampled_from(TIERS)), min_size=1, max_size=8),
    groups=st.lists(st.lists(st.sampled_from(MODELS), min_size=1, max_size=3, unique=True), min_size=1, max_size=3),
)
def test_a_catalogue_holds_every_row_once_a_name(rows: list[tuple[str, object]], groups: list[list[str]]) -> None:
    """auto reaches every row once, a model exactly its own, a pin by id exactly one."""
    specs = [deployment(f"p{i}/r{i}", model=m, tier=t.name) for i, (m, t) in enumerate(rows)]  # type: ignore[attr-defined]
    cat = names.build(specs, TIERS, [RuleSpec("r", tuple(tuple(g) for g in groups))], ())
    reached = {k: [i for s in t.stages for i in s.rows] for k, t in cat.targets.items()}
    assert sorted(reached["auto"]) == list(range(len(specs)))
    for i, spec in enumerate(specs):
        assert reached[f"pin:{spec.id}"] == [i]
        assert sorted(reached[f"model:{spec.model}"]) == [n for n, s in enumerate(specs) if s.model == spec.model]
    expected = [i for g in groups for m in g for i, s in enumerate(specs) if s.model == m]
    assert reached["rule:r"] == expected


def test_a_name_s_rows_come_in_the_order_they_are_asked() -> None:
    """Tiers or groups one behind the other, each row once; an unknown name has none."""
    cat = catalogue(ALIASES)
    assert names.rows(cat, "gpt-4.1") == [0, 2]
    assert names.rows(cat, "gpt-3.5-x") == names.rows(catalogue(), "simple")
    assert names.rows(cat, "nobody") == []
