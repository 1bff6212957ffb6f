"""Typing a file: every error at its place, several at once, and no other exception for any text whatever."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from lbd import plugins
from lbd.config.load import load, typed
from lbd.config.tree import parse
from lbd.model.problem import ConfigError
from lbd.plugins import read_config
from tests.fakes.configs import ETC, LOCAL, checked, environment, problems, spoiled

P = "providers: [{name: a, shape: vllm, base_url: 'http://127.0.0.1/v1', deployments: [{model: m}]}]\n"
WRONG = [
    # unknown keys, with what is near
    ("listne: x\n" + P, "1:1: listne: unknown key (did you mean listen?)"),
    (P + "admin:\n  liste: x\n", "3:3: admin.liste: unknown key (did you mean listen?)"),
    (
        P + "probes: {period_s: 5}\n",
        "2:10: probes.period_s: unknown key. Known: budget_usd_per_day, completion, every_s,",
    ),
    (P + "log:\n  levels:\n    - a\n", "3:3: log.levels: unknown key (did you mean level?)"),
    (
        P + "clients: [{name: a, key: {env: A}, modles: []}]\n",
        "2:36: clients[0].modles: unknown key (did you mean models?)",
    ),
    (P + "surfaces: [{name: a, urgency: x}]\n", "2:22: surfaces[0].urgency: unknown key. Known: after_content,"),
    (P + "routing_rules: {a: {primry: m}}\n", "2:21: routing_rules.a.primry: unknown key (did you mean primary?)"),
    (P.replace("name: a", "name: a, api_keys: x"), "1:23: providers[0].api_keys: unknown key (did you mean api_key?)"),
    (
        P.replace("model: m", "model: m, modle: x"),
        "1:94: providers[0].deployments[0].modle: unknown key (did you mean model",
    ),
    (P + "admin: {token: {envv: A}}\n", "2:17: admin.token.envv: unknown key (did you mean env?)"),
    (P + "alerts: []\n", "2:1: alerts: expected a map, got a list"),
    (P + "alerts: {error_rat: 0.1}\n", "2:10: alerts.error_rat: unknown key (did you mean error_rate?)"),
    (P + "limits: {journal_days: 7}\n", "2:10: limits.journal_days: unknown key: it is journal.keep_days now"),
    # types
    ("providers: 5\n", "1:1: providers: expected a list, got a whole number"),
    ("providers: {a: b}\n", "1:1: providers: expected a list, got a map"),
    ("providers: []\n", "1:1: providers: expected a list of length >= 1"),
    ("providers:\n  - x\n", "2:5: providers[0]: a provider must be a map"),
    (P + "listen: 8080\n", "2:1: listen: expected text, got a whole number"),
    (P + "listen:\n", "2:1: listen: expected text, got nothing"),
    (P + "admin: [x]\n", "2:1: admin: expected a map, got a list"),
    (P + "allow_inline_secrets: yes\n", "2:1: allow_inline_secrets: expected true or false, got text"),
    (P + "tiers: []\n", "2:1: tiers: expected a list of length >= 1"),
    (P + "tiers: [fast]\n", "2:9: tiers[0]: expected a map, got text"),
    (P + "clients: {a: b}\n", "2:1: clients: expected a list, got a map"),
    (P + "models: {a: 5}\n", "2:10: models.a: expected text, got a whole number"),
    (P + "models: [a]\n", "2:1: models: expected a map, got a list"),
    (P + "routing_rules: {a: m}\n", "2:17: routing_rules.a: expected a map, got text"),
    (P + "routing_rules: [a]\n", "2:1: routing_rules: expected a map, got a list"),
    (P + "routing_rules: {a: {primary: 5}}\n", "2:21: routing_rules.a.primary: expected text or a list, got"),
    (P + "routing_rules: {a: {primary: [m, 5]}}\n", "2:34: routing_rules.a.primary[1]: expected text, got"),
    (P + "workers: 1.5\n", "2:1: workers: expected a whole number, got a number"),
    (P + "workers: true\n", "2:1: workers: expected a whole number, got true or false"),
    # units and bounds
    (
        P + "probes: {every_s: 20s}\n",
        "2:10: probes.every_s: expected a number, got text: the unit is in the key's name, write 20",
    ),
    (
        P + "limits: {max_body_bytes: 32 MiB}\n",
        "2:10: limits.max_body_bytes: expected a whole number, got text: the unit",
    ),
    (P + "probes: {every_s: 0.5}\n", "2:10: probes.every_s: expected a number >= 1.0"),
    (P + "probes: {jitter: 0.9}\n", "2:10: probes.jitter: expected a number <= 0.5"),
    (P + "probes: {every_s: '20'}\n", "2:10: probes.every_s: expected a number, got text"),
    (P + "deadlines: {interactive_total_s: 0}\n", "2:13: deadlines.interactive_total_s: expected a number > 0.0"),
    (
        P + "deadlines: {interactive_total_s: 1:30}\n",
        "2:13: deadlines.interactive_total_s: expected a number, got text",
    ),
    (P + "deadlines: {interactive_total_s: 010}\n", "2:13: deadlines.interactive_total_s: expected a number, got text"),
    (P + "scorer:\n  weights:\n    cost: -1\n", "4:5: scorer.weights.cost: expected a number >= 0.0"),
    (
        P + "routing_rules: {a: {primary: m, max_cost_per_1k: -1}}\n",
        "2:33: routing_rules.a.max_cost_per_1k: expected a",
    ),
    (P + "surfaces: [{name: a, quality_floor: 85}]\n", "2:22: surfaces[0].quality_floor: expected a number <= 1.0"),
    (
        P.replace("model: m", "model: m, context_tokens: 0"),
        "1:94: providers[0].deployments[0].context_tokens: expected",
    ),
    # words
    (P + "log: {level: warn}\n", "2:7: log.level: 'warn' is not known (did you mean warning?)"),
    (P + "log: {requests: some}\n", "2:7: log.requests: 'some' is not known. Known: all, failed, none"),
    (P + "surfaces: [{name: a, class: batch}]\n", "2:22: surfaces[0].class: 'batch' is not known. Known: background,"),
    (P + "surfaces: [{name: a, fallback: all}]\n", "2:22: surfaces[0].fallback: 'all' is not known. Known: none"),
    (
        P + "clients: [{name: a, key: {env: A}, may: [class, pinn]}]\n",
        "2:49: clients[0].may[1]: 'pinn' is not known (did",
    ),
    (P.replace("name: a", "name: OpenAI"), "1:14: providers[0].name: 'OpenAI' must be made of letters a-z,"),
    (P.replace("name: a", "name: .."), "1:14: providers[0].name: '..' must be made of letters a-z,"),
    (
        P.replace("vllm", "vlm"),
        "1:23: providers[0].shape: shape 'vlm' is not known (did you mean vllm?). Known: anthropic,",
    ),
    (P.replace("vllm", "[vllm]"), "1:23: providers[0].shape: shape ['vllm'] is not known (did you mean vllm?)"),
    (P.replace("vllm", "{a: b}"), "1:23: providers[0].shape: shape {'a': 'b'} is not known"),
    # missing
    ("", "1:1: `providers` is missing"),
    ("listen: x:1\n", "1:1: `providers` is missing"),
    (P.replace("name: a, ", ""), "1:13: providers[0]: `name` is missing"),
    (P.replace(" shape: vllm,", ""), "1:13: providers[0]: shape is missing. Known: anthropic, azure,"),
    (P.replace("model: m", "weight: 1"), "1:83: providers[0].deployments[0]: `model` is missing"),
    (P + "tiers: [{name: a}]\n", "2:9: tiers[0]: `ttft_p95_s` is missing"),
    (P + "clients:\n  - key: a\n", "3:5: clients[0]: `name` is missing"),
    (P + "routing_rules:\n  a:\n    fallback: m\n", "3:3: routing_rules.a: `primary` is missing"),
]


@pytest.mark.parametrize(("text", "problem"), WRONG, ids=[p for _, p in WRONG])
def test_an_error_names_place_path_and_reason(text: str, problem: str) -> None:
    """``file:line:col: path: reason (did you mean ...?)``, at the key in question."""
    (found,) = problems(text)
    assert found.startswith(problem), found


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """Also several things in one entry, each once, in the order of the file when sorted."""
    text = """\
listne: 1
providers:
  - nmae: a
    shape: vllm
    base_url: 5
    api_key: {evn: A}
    deployments: [{model: m, teir: x, price: {input_usd_per_mtok: -1, output_usd_per_mtok: 1}}]
  - {name: b, shape: vlm}
  - {name: c, shape: openai, base_url: x, deployments: [{model: 1, weight: -1}]}
  - {name: d, shape: openai, base_url: x, deployments: [{modle: m}, {}]}
tiers: [{name: a, ttft_p95_s: 0}, {name: B, ttft_p95_s: x}]
limits: {queue_size: 0, idle_gap_s: -1}
"""
    assert [p.split(": ")[0] + " " + p.split(": ")[1] for p in problems(text)] == [
        "1:1 listne",
        "3:5 providers[0].nmae",
        "5:5 providers[0].base_url",
        "6:15 providers[0].api_key.evn",
        "7:30 providers[0].deployments[0].teir",
        "7:47 providers[0].deployments[0].price.input_usd_per_mtok",
        "8:15 providers[1].shape",
        "9:58 providers[2].deployments[0].model",
        "9:68 providers[2].deployments[0].weight",
        "10:58 providers[3].deployments[0].modle",
        "11:19 tiers[0].ttft_p95_s",
        "11:36 tiers[1].name",
        "11:45 tiers[1].ttft_p95_s",
        "12:10 limits.queue_size",
        "12:25 limits.idle_gap_s",
    ]


def test_a_mistyped_key_is_not_also_told_as_missing() -> None:
    """One mistake, one problem; a key that is missing beside it is told."""
    assert problems(P.replace("model: m", "mdoel: m")) == [
        "1:84: providers[0].deployments[0].mdoel: unknown key (did you mean model?)"
    ]
    found = problems(P.replace("model: m", "frobnicate: m"))
    assert [p.split(": ")[2].split(".")[0] for p in found] == ["`model` is missing", "unknown key"]


def test_a_thousand_wrong_keys_do_not_flood() -> None:
    """Fifty of one entry are enough to see what is the matter."""
    assert len(problems(P + "".join(f"x{i}: 1\n" for i in range(1000)))) == 50


def test_a_json_file_is_a_configuration() -> None:
    """With tabs, on one line, and with the reference to its schema that editors look for."""
    provider = '{"name": "a", "shape": "vllm","base_url":"http://127.0.0.1/v1","deployments":[{"model":"m"}]}'
    text = f'{{\n\t"$schema": "lbd.schema.json",\n\t"providers": [{provider}]\n}}\n'
    assert [d.id for d in checked(text).deployments] == ["a/m"]
    assert problems(text.replace('"model"', '"modle"'))[0].startswith(
        "3:95: providers[0].deployments[0].modle: unknown"
    )


def test_loading_gives_the_value_and_its_places(tmp_path: Path) -> None:
    """What is found wrong later can still be pointed at."""
    path = tmp_path / "lbd.yaml"
    path.write_text(LOCAL)
    config, tree = load(path, {name: shape.config for name, shape in plugins.load().shapes.items()})
    assert config.providers[0].deployments[0].model == "m"
    place = tree.place(("providers", 0, "base_url"))
    assert place is not None and (place.line, place.column) == (4, 5)


def test_lists_and_rules_keep_their_order_and_kind() -> None:
    """Entries are typed one by one; the result is as if they had not been."""
    tiers = "tiers: [{name: b, ttft_p95_s: 1}, {name: a, ttft_p95_s: 2}]\n"
    text = P + tiers + "routing_rules: {z: {primary: m}, a: {primary: [m]}}\n"
    config = typed(parse(text, "f"), {name: shape.config for name, shape in plugins.load().shapes.items()})
    assert [t.name for t in config.tiers] == ["b", "a"]
    assert list(config.routing_rules) == ["z", "a"]
    assert config.routing_rules["a"].primary == ["m"]


# --- whatever the text -----------------------------------------------------------------------------------


def sources() -> Iterator[tuple[str, str]]:
    """Return what is spoiled: a name and a text."""
    for name in ("lbd.yaml", "routing-guide.json", "minimal.yaml"):
        yield name, (ETC / name).read_text()


DROP_IN = """\
providers:
  - name: house
    region: cellar
    deployments: [{model: other, tier: tertiary}]
  - {name: more, shape: vllm, base_url: "http://127.0.0.1:1/v1", deployments: [{model: x}]}
limits: {}
models: {x: auto}
"""


@pytest.mark.parametrize("block", range(10))
@pytest.mark.parametrize("name", ["lbd.yaml", "routing-guide.json", "minimal.yaml", "conf.d/x.yaml"])
def test_a_spoiled_configuration_loads_or_says_where_it_is_wrong(name: str, block: int, tmp_path: Path) -> None:
    """No exception but ConfigError, every problem has a place, and none takes long; seeds are the numbers shown."""
    texts = dict(sources())
    path = tmp_path / ("lbd.yaml" if name.startswith("conf.d") else name)
    path.write_text(texts[path.name])
    target = tmp_path / name
    target.parent.mkdir(exist_ok=True)
    text = texts.get(name, DROP_IN)
    environ = environment("".join(texts.values()))
    with mock.patch.dict(os.environ, environ):
        for seed in range(block * 20, block * 20 + 20):
            target.write_bytes(spoiled(text, seed).encode("utf-8", "replace"))
            began = time.perf_counter()
            try:
                read_config(path)
            except ConfigError as e:
                assert e.problems, seed
                for problem in e.problems:
                    assert problem.place is not None and problem.place.file.startswith(str(tmp_path)), (seed, problem)
                    lines = Path(problem.place.file).read_text("utf-8", "replace").split("\n")
                    assert 1 <= problem.place.line <= len(lines), (seed, problem)
                    assert len(problem.reason) < 600, seed
            except Exception as e:
                raise AssertionError(f"seed {seed}") from e
            assert time.perf_counter() - began < 2, seed
