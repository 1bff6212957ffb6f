"""What of a configuration takes effect."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbd import router
from lbd.admit.auth import Clients
from lbd.admit.judge import Judge
from lbd.effect import Reloads, alternative, known, rules, shipped_judge
from tests.fakes.configs import LOCAL, checked

RULES = f"""{LOCAL}
routing_rules:
  always: {{primary: m}}
  night: {{primary: m, when: {{class: background}}}}
experiments: [{{name: x, share: 0.5, change: {{tiers.primary.ttft_p95_s: 0.7}}}}]
"""


def test_prices_are_those_of_now() -> None:
    """Of several the one that has begun; a judge says how strong a model is."""
    text = LOCAL.replace(
        "{model: m}",
        "{model: m, price: {input_usd_per_mtok: 2, output_usd_per_mtok: 2},"
        " price_changes: [{from: '2030-01-01', input_usd_per_mtok: 1, output_usd_per_mtok: 1}]}",
    )
    made = checked(text)
    for wall, expected in ((1_800_000_000.0, 2), (1_900_000_000.0, 1)):
        (row,) = known(made, wall, None).deployments
        assert row.price is not None and row.price.input_usd_per_mtok == expected
    judge = shipped_judge()
    assert isinstance(judge, Judge)
    (row,) = known(made, 0.0, judge).deployments
    assert row.strength == judge.strength("m")


def test_a_deployment_that_a_reload_leaves_as_it_is_is_the_same_object() -> None:
    """Whatever else changes; and what deployments can be asked is there once for all."""
    text = LOCAL.replace("{model: m}", "{model: m}, {model: n}")
    first = known(checked(text), 0.0, None)
    again = known(checked(text.replace("{model: n}", "{model: n, weight: 2}")), 0.0, None, first.deployments)
    assert again.deployments[0] is first.deployments[0]
    assert again.deployments[1] is not first.deployments[1] and again.deployments[1].weight == 2
    one, other = (spec.carries or {} for spec in again.deployments)
    assert one and all(one[shape] is other[shape] for shape in one)


def test_weights_that_cannot_be_read_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In words: requests are served without them."""
    monkeypatch.setattr(router, "__file__", str(tmp_path / "__init__.py"))
    assert "weights.bin" in str(shipped_judge())
    (tmp_path / "weights.bin").write_bytes(b"junk")
    assert isinstance(shipped_judge(), str)


def test_the_pipeline_goes_by_rules_that_take_requests_themselves() -> None:
    """The others are asked for by name."""
    made = checked(RULES)
    assert [rule.name for rule in rules(Clients(()), made).choosing] == ["night"]


def test_an_experiments_treatment_has_only_what_is_other() -> None:
    """Targets that are the same are not repeated."""
    made = checked(RULES)
    treated = alternative(made, made.variants["x"], 7)
    assert treated.targets == {"primary": 0.7}


def test_a_first_load_was_a_good_one() -> None:
    """Else there would be no daemon."""
    assert Reloads().last_ok and Reloads().generation == 1
