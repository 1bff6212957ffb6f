"""``lbd schema``: what editors get is right, complete, and agrees with ``lbd check``."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from lbd import plugins
from lbd.cli import schema
from lbd.cli.main import main
from lbd.config.tree import parse
from tests.fakes.configs import ETC, LOCAL, checked, environment, problems

README = (Path(__file__).parents[3] / "README.md").read_text()
SNIPPETS = re.findall(r"^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
OTHERS = ("lbd.schema.json", "sbom.cdx.json")
EXAMPLES = sorted(p.name for p in ETC.iterdir() if p.suffix in (".yaml", ".json") and p.name not in OTHERS)
CONFIGURATION = schema.configuration()


def faults(value: Any, of: dict[str, Any] = CONFIGURATION) -> list[str]:
    """Return what a validator has to say of a value."""
    return [e.message for e in jsonschema.Draft202012Validator(of).iter_errors(value)]


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """Return what a command prints, read as JSON."""
    assert main(["schema", *words]) == 0
    return json.loads(capsys.readouterr().out)


def test_schemas_are_valid_schemas_of_2020_12(capsys: pytest.CaptureFixture[str]) -> None:
    """As their ``$schema`` says."""
    for document in (printed(capsys), printed(capsys, "config"), printed(capsys, "providers")):
        assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        jsonschema.Draft202012Validator.check_schema(document)


def test_the_shipped_schema_is_up_to_date() -> None:
    """``lbd schema > etc/lbd.schema.json`` after every change of a key or a description."""
    assert json.loads((ETC / "lbd.schema.json").read_text()) == CONFIGURATION


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_valid_and_loads(name: str) -> None:
    """For an editor and for the daemon."""
    text = (ETC / name).read_text()
    assert faults(parse(text, name).value) == []
    assert problems(text, environment(text)) == []


@pytest.mark.parametrize("text", SNIPPETS, ids=lambda t: t.partition("\n")[0])
def test_every_snippet_of_the_readme_is_valid_and_loads(text: str) -> None:
    """What is copied works."""
    assert faults(parse(text, "README").value) == []
    assert problems(text, environment(text)) == []


def test_the_readme_has_snippets() -> None:
    """Else the test above says nothing."""
    assert len(SNIPPETS) >= 2


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_names_its_schema(name: str) -> None:
    """In the way of its format, relative to itself."""
    first, second = (ETC / name).read_text().split("\n")[:2]
    if name.endswith(".yaml"):
        assert first == "# yaml-language-server: $schema=lbd.schema.json"
    else:
        assert second.strip() == '"$schema": "lbd.schema.json",'


def test_the_complete_example_has_every_key() -> None:
    """It is where one looks a key up; keys that would be in the way stand there commented out."""
    text = (ETC / "lbd.yaml").read_text()
    keys = {
        key
        for name, definition in CONFIGURATION["$defs"].items()
        if name != "SecretRef"
        for key in definition.get("properties", {})
    }
    missing = {key for key in keys - {"$schema"} if not re.search(rf"(^|[ {{]){key}:", text, re.MULTILINE)}
    assert not missing


def test_the_usual_values_of_the_complete_example_are_the_defaults() -> None:
    """Its head says so; a copy of it behaves as a file without these keys."""
    text = (ETC / "lbd.yaml").read_text()
    shown = checked(text, environment(text)).config
    usual = checked(LOCAL).config
    for key in ("listen", "tiers", "deadlines", "scorer", "store", "workers", "limits", "allow_inline_secrets"):
        assert getattr(shown, key) == getattr(usual, key), key
    assert (shown.log.level, shown.log.requests) == (usual.log.level, usual.log.requests)
    assert set(shown.probes.kinds or ()) == set(plugins.load().probes)
    assert (shown.probes.every_s, shown.probes.budget_usd_per_day) == (20.0, 0.5)


@pytest.mark.parametrize("definition", CONFIGURATION["$defs"].values(), ids=CONFIGURATION["$defs"])
def test_everything_is_described(definition: dict[str, Any]) -> None:
    """Title and sentence of each struct, a sentence for each key."""
    assert definition["title"] and definition["description"]
    for key, part in definition.get("properties", {}).items():
        assert part.get("description") or key == "shape", key
        assert "\n" not in part.get("description", "")


def test_a_description_belongs_to_its_own_key() -> None:
    """Moved out of the docstring, which keeps its first paragraph."""
    tier = CONFIGURATION["$defs"]["TierConfig"]
    assert tier["description"] == "A quality and latency level; tiers are listed best first."
    assert tier["properties"]["ttft_p95_s"]["description"].startswith("target for the 95th percentile")
    shape = CONFIGURATION["$defs"]["LlamaCpp"]
    assert shape["description"] == "A llama.cpp server."
    assert shape["properties"]["base_url"]["description"].startswith("what stands before"), "the base's word"


def test_providers_are_told_apart_by_their_shape() -> None:
    """A union over every registered shape."""
    root = CONFIGURATION["$defs"]["Config"]["properties"]["providers"]["items"]
    assert len(root["anyOf"]) == len(plugins.load().shapes)
    assert set(root["discriminator"]["mapping"]) == set(plugins.load().shapes)


GOOD = parse((ETC / "lbd.yaml").read_text(), "lbd.yaml").value
CHANGES = [
    (("listen",), 8080, "a number for a text"),
    (("listne",), "x", "an unknown key"),
    (("limits", "journal_days"), 7, "a key that moved"),
    (("alerts", "error_rate"), 2, "a share over 1"),
    (("alerts", "rules", "probe_stale", "severity"), "fatal", "an unknown severity"),
    (("providers",), [], "no provider"),
    (("providers", 0, "shape"), "nope", "an unknown shape"),
    (("providers", 0, "name"), "A B", "a name that is no slug"),
    (("providers", 0, "name"), "..", "a name that is a path"),
    (("providers", 0, "deployments", 0, "price", "input_usd_per_mtok"), -1, "a negative price"),
    (("providers", 0, "api_key"), {}, "a reference to nothing"),
    (("providers", 0, "api_key"), {"env": "A", "file": "b"}, "a reference to two places"),
    (("providers", 0, "api_key"), {"vault": "x"}, "a reference of an unknown kind"),
    (("routing_rules", "simple_queries", "primary"), 5, "a number for one or more models"),
    (("routing_rules", "simple_queries", "max_latency_ms"), 0, "a bound of nothing"),
    (("surfaces", 0, "class"), "urgent", "an unknown class"),
    (("surfaces", 0, "quality_floor"), 85, "a share over 1"),
    (("clients", 0, "may"), ["everything"], "an unknown permission"),
    (("probes", "every_s"), "20s", "a unit behind a number"),
    (("log", "level"), "trace", "an unknown level"),
    (("limits", "queue_size"), 0, "a count of nothing"),
    (("tiers",), [], "no tier"),
]


@pytest.mark.parametrize(("path", "value", "what"), CHANGES, ids=[what for _, _, what in CHANGES])
def test_what_the_check_refuses_by_its_kind_the_schema_refuses_too(
    path: tuple[Any, ...], value: Any, what: str
) -> None:
    """An editor marks it while it is typed."""
    changed: Any = copy.deepcopy(GOOD)
    part = changed
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    assert faults(changed), what
    assert problems(yaml.safe_dump(changed), environment((ETC / "lbd.yaml").read_text())), what


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("routing_rules", "simple_queries", "fallback"), []),
        (("routing_rules", "simple_queries", "primary"), "gpt-4.1"),
        (("routing_rules", "simple_queries", "primary"), ["gpt-4.1"]),
        (("providers", 0, "api_key"), {"file": "/dev/null"}),
        (("providers", 0, "api_key"), {"credential": "x"}),
        (("providers", 0, "api_key"), None),
        (("admin", "listen"), None),
        (("workers",), 1),
    ],
)
def test_one_or_more_and_references_are_in_the_schema(path: tuple[Any, ...], value: Any) -> None:
    """A word or a list of words; a secret by any of its three ways."""
    changed: Any = copy.deepcopy(GOOD)
    part = changed
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    assert faults(changed) == []


def test_the_dashboards_schema_describes_what_is_answered() -> None:
    """The report's own struct; keys as they are on the wire."""
    document = schema.dashboard()
    windows = document["$defs"]["WindowsOut"]["properties"]
    assert set(windows) == {"1m", "5m", "1h"}
    assert {"tiers", "generation", "data_age_ms"} <= set(document["$defs"]["ProvidersOut"]["properties"])
    assert faults({"schema": "lbd/providers/v1"}, document), "keys are required"


def test_a_word_that_is_no_schema_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With the two that there are."""
    with pytest.raises(SystemExit) as caught:
        main(["schema", "metrics"])
    assert caught.value.code == 2
    assert "providers" in capsys.readouterr().err
