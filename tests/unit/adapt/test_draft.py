"""A draft: references for secrets, names that are free, what nobody offers taken out."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random  # noqa: TID251  seeded
from typing import Any

import pytest

from lbd.adapt import adapt
from lbd.adapt.draft import Choices, Draft
from lbd.adapt.source import SourceError, read
from lbd.adapt.write import yaml_text
from lbd.cli.adapt import faults

EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.*"))
FILES = [p for p in EXAMPLES if p.suffix in (".yaml", ".json")]


def draft(text: str = "{}", **environ: str) -> Draft:
    return Draft(read(text, "f"), Choices(), environ)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_no_secret_is_written(path: Path) -> None:
    """Not into the configuration, not into a note."""
    result = adapt(path.read_text(), path.name, path.name.partition("-")[0].partition(".")[0], Choices(("m",)), {})
    told = yaml_text(result.config, map(str, result.notes)) + json.dumps(result.config) + repr(result.notes)
    assert "canary" not in told.lower(), path.name


@pytest.mark.parametrize("text", ["os.environ/A_KEY", "env.A_KEY", "${A_KEY}", "$A_KEY", "{{ A_KEY }}", "env:A_KEY"])
def test_a_reference_stays_one(text: str) -> None:
    """However it is written."""
    assert draft().secret(text, (), "USUAL") == {"env": "A_KEY"}


def test_inline_secrets_get_names_that_are_free() -> None:
    """The same secret one name; another secret another, and none that the source means something else by."""
    kept = draft("{a: os.environ/K}")
    assert kept.secret("one", (), "K") == kept.secret("one", (), "K") == {"env": "K_2"}
    assert kept.secret("two", (), "K") == {"env": "K_3"} and kept.secret(None, (), "L") == {"env": "L"}
    assert [n.level for n in kept.notes] == ["secret"] * 2 and "one" not in str(kept.notes[0]).split()
    assert kept.finish().environment == ("K_2", "K_3", "L")


def test_an_address_loses_its_user_and_query() -> None:
    """And is followed in the environment, unless what lies there looks like a key."""
    kept = draft(URL="http://h/v1", KEY="sk-0123456789abcdef")
    assert kept.url("https://u:p@h/v1?k=1", ()) == "https://h/v1"
    assert kept.url("env.URL", ()) == "http://h/v1" and kept.url("h.example.net", ()) == "https://h.example.net"
    assert kept.url("env.KEY", ()) == "https://set-key.invalid" and kept.url(None, ()) is None


def test_headers_with_secrets_are_left_out() -> None:
    """By their name, or by what they hold."""
    given = {"X-Team": "a", "X-Api-Key": "b", "X-Other": "Bearer abcdefghijklmnop", "X-Env": "env.X"}
    assert draft().headers(given, ()) == {"X-Team": "a"}


def test_accounts_are_one_where_everything_agrees() -> None:
    """Another key is another account, with a name of its own."""
    kept = draft()
    one = kept.provider("o", "openai", "https://h/v1", key={"env": "A"}, more={"headers": {}})
    assert kept.provider("p", "openai", "https://h/v1", key={"env": "A"}) is one
    assert kept.provider("o", "openai", "https://h/v1", key={"env": "B"})["name"] == "o-2"


def test_rows_have_names_of_their_own_and_can_serve() -> None:
    """auto is lbd's word; what a shape cannot serve is said."""
    kept = draft()
    at = kept.provider("a", "anthropic", "https://h/v1", key=None)
    assert (kept.deploy(at, "auto", "x", ()) or {})["model"] == "auto-model"
    kept.deploy(at, "m", "x", ())
    assert (kept.deploy(at, "m", "y", ()) or {})["name"] == "m-y"
    assert kept.deploy(at, "e", "e", (), serves=["embeddings"]) is None and kept.notes[-1].level == "lost"


def test_what_nobody_offers_is_taken_out() -> None:
    """Entries of rules, rules, names, providers; each is said."""
    kept = draft()
    kept.deploy(kept.provider("v", "vllm", "http://h/v1", key=None), "m", "m", ())
    kept.provider("empty", "openai", "https://h/v1", key=None)
    kept.rules = {"r": {"primary": "gone", "fallback": ["m"]}, "s": {"primary": "gone"}}
    kept.aliases = {"a": "m", "b": "gone"}
    config: dict[str, Any] = kept.finish().config
    assert [p["name"] for p in config["providers"]] == ["v"]
    assert config["routing_rules"] == {"r": {"primary": "m"}} and config["models"] == {"a": "m"}


JUNK = (
    None,
    7,
    -1.5,
    True,
    "",
    "x",
    "env.X",
    "*",
    [],
    [7, None],
    {},
    {"a": {"b": [None]}},
    [{}],
    "os.environ/",
    "https://",
)


def spoilt(value: Any, rng: Random) -> Any:
    """Return a value with one part of it replaced by something else."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(sorted(value))
        return {**value, key: spoilt(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.9:
        i = rng.randrange(len(value))
        return [*value[:i], spoilt(value[i], rng), *value[i + 1 :]]
    return rng.choice(JUNK)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_whatever_stands_in_a_source_it_is_converted_or_refused(path: Path) -> None:
    """A spoilt part is left out, noted or refused with its place; never a traceback."""
    rng = Random(path.name)
    whole = read(path.read_text(), path.name).value
    of = path.name.partition("-")[0].partition(".")[0]
    for _ in range(100):
        value = whole
        for _ in range(rng.randrange(1, 4)):
            value = spoilt(value, rng)
        try:
            result = adapt(json.dumps(value), path.name, of, Choices(("m",)), {})
        except SourceError as e:
            assert str(e).startswith(path.name)
        else:
            yaml_text(result.config, map(str, result.notes))


def test_a_note_is_kept_once() -> None:
    """Of one place; and where it need not be told again of others, once at all. Paths begin where they are said to."""
    kept = draft("{part: {a: 1, b: 2}}")
    kept.under = ("part",)
    for path in (("a",), ("a",), ("b",)):
        kept.lost(path, "gone")
        kept.once("todo", path, "look")
    assert [(n.path, n.level) for n in kept.notes] == [("part.a", "lost"), ("part.a", "todo"), ("part.b", "lost")]


def test_rules_have_names_of_their_own_and_lose_nothing_silently() -> None:
    """The second of a name gets a number; what nobody offers is said at the rule's place."""
    kept = draft("{r: 1, s: 2}")
    provider = kept.provider("p", "openai", "https://p.example.net", key=None)
    kept.deploy(provider, "m", "m", ())
    kept.rule("a", {"primary": "gone", "fallback": ["m"]}, ("r",))
    kept.rule("a", {"primary": "gone"}, ("s",))
    result = kept.finish()
    assert result.config["routing_rules"] == {"a": {"primary": "m"}}
    assert [(n.path, n.reason) for n in result.notes if n.level == "lost"] == [
        ("r", "rule a: gone is not offered, and is left out of it"),
        ("s", "rule a-2: none of its models is offered (gone); it is left out"),
    ]


@pytest.mark.parametrize(
    ("of", "text", "lost"),
    [
        ("bifrost", "providers: {openai: {keys: [{models: [m], weight: -1}]}}", "providers.openai.keys[0]"),
        (
            "bifrost",
            "providers: {openai: {keys: [{models: [m]}], network_config: {base_url: 'https://'}}}",
            "providers.openai.network_config.base_url",
        ),
        ("openrouter", '{models: [m, "a\\u0007"]}', ""),
        ("openrouter", '{"a\\u0007": {model: m}}', ""),
        (
            "litellm",
            """model_list: [{model_name: m, litellm_params: {model: openai/m}},
              {model_name: n, litellm_params: {model: openai/n}, model_info: {mode: {}}}]""",
            "model_list[1].model_info.mode",
        ),
        (
            "portkey",
            "{strategy: {mode: fallback}, targets: [7, {provider: openai, override_params: {model: m}}]}",
            "targets[0]",
        ),
    ],
)
def test_what_lbd_check_would_refuse_is_left_out_and_said(of: str, text: str, lost: str) -> None:
    """The rest is accepted."""
    result = adapt(text, "x", of, Choices(), {})
    assert [r["model"] for p in result.config["providers"] for r in p["deployments"]] == ["m"]
    assert lost in {n.path for n in result.notes if n.level == "lost"}
    assert faults(yaml_text(result.config), result.environment) == []


def test_what_is_called_auto_has_another_name_here() -> None:
    """As a model, as a rule, and in a rule."""
    text = """
    model_list: [{model_name: auto, litellm_params: {model: openai/m}}, {model_name: b, litellm_params: {model: gpt-b}}]
    litellm_settings: {fallbacks: [{auto: [b]}]}
    """
    result = adapt(text, "x", "litellm", Choices(), {})
    assert result.config["routing_rules"] == {"auto-model": {"primary": "auto-model", "fallback": ["b"]}}
    assert faults(yaml_text(result.config), result.environment) == []
