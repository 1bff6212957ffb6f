"""``lbd adapt``: every example passes lbd's own check; statuses, forms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lbd.adapt import adapt
from lbd.adapt.draft import Choices
from lbd.adapt.write import yaml_text
from lbd.cli.adapt import faults
from lbd.cli.main import main
from lbd.config.compiled import Compiled
from lbd.config.tree import parse
from lbd.decide import names, rules
from lbd.model.failure import Failure
from tests.fakes.configs import checked

EXAMPLES = Path(__file__).parents[1] / "adapt" / "examples"
FILES = [p for p in sorted(EXAMPLES.iterdir()) if p.suffix in (".yaml", ".json")]


def run(*words: str | Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    status = main(["adapt", *map(str, words)])
    return status, *capsys.readouterr()


def whose(path: Path) -> str:
    return path.name.partition("-")[0].partition(".")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_every_example_passes_the_check(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without an error; the report names the place of each note."""
    status, out, err = run("--from", whose(path), path, "--model", "gpt-4.1", capsys=capsys)
    assert status == 0 and parse(out, "f").value["providers"]
    assert "canary" not in (out + err).lower()
    for line in err.splitlines()[:-1]:
        assert line.startswith(f"{path}:") and line.split(": ")[1] in ("changed", "secret", "todo", "lost"), line


def test_the_report_may_stand_in_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    """As comments, and nothing on stderr."""
    status, out, err = run("--from", "litellm", EXAMPLES / "litellm-groups.yaml", "--comments", capsys=capsys)
    assert (status, err) == (0, "") and "\n# " in out and "cooldown_time" in out


def test_everything_may_be_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    """For programs."""
    status, out, _ = run("--from", "bifrost", EXAMPLES / "bifrost.json", "--json", capsys=capsys)
    told = json.loads(out)
    assert status == 0 and set(told) == {"config", "environment", "report"}
    assert told["report"][0].keys() == {"file", "line", "column", "path", "level", "reason", "remedy"}
    assert "OPENAI_A_KEY" in told["environment"]


def test_exit_statuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 converted, 1 not, 2 with --strict and something lost."""
    broken = tmp_path / "x.yaml"
    broken.write_text("model_list: [")
    assert run("--from", "litellm", broken, capsys=capsys)[0] == 1
    assert run("--from", "litellm", tmp_path / "none", capsys=capsys)[0] == 1
    assert run("--from", "portkey", EXAMPLES / "portkey-fallback.json", capsys=capsys)[0] == 1  # no model is named
    assert run("--from", "litellm", EXAMPLES / "litellm-groups.yaml", "--strict", capsys=capsys)[0] == 2
    with pytest.raises(SystemExit) as e:
        main(["adapt", "--from", "nobody", "x"])
    assert e.value.code == 2


def test_what_the_check_says_is_said() -> None:
    """A conversion that came out wrong is not handed on."""
    assert faults("providers: [{name: p, shape: openai, base_url: nonsense, deployments: [{model: m}]}]", [])


def compiled(of: str, name: str, *models: str) -> Compiled:
    result = adapt((EXAMPLES / name).read_text(), name, of, Choices(models), {})
    return checked(yaml_text(result.config), {key: f"key-{i}" for i, key in enumerate(result.environment)})


def served(of: Compiled, model: str) -> list[str]:
    """Return the deployments behind a name, in the order in which they are asked."""
    catalogue = names.build(of.deployments, of.tiers, of.rules, of.aliases)
    return [of.deployments[i].id for i in names.rows(catalogue, model)]


def test_names_lead_where_they_led() -> None:
    """A group to its deployments and then to its fallbacks, an alias to its group, provider/model to the model."""
    assert served(compiled("litellm", "litellm-groups.yaml"), "chat") == [
        "openai/chat", "openai/chat-gpt-4.1-mini", "groq/chat", "mistral/spare",
    ]  # fmt: skip
    proxy = compiled("litellm", "litellm-proxy.yaml")
    assert served(proxy, "our-alias") == served(proxy, "gpt-4") and served(proxy, "gpt-4")[-1].startswith("openai/")
    assert served(compiled("bifrost", "bifrost.json"), "azure/gpt-4.1")[-1] == "azure/gpt-4.1"
    portkey = compiled("portkey", "portkey-fallback.json", "gpt-4.1")
    assert [row.partition("/")[0] for row in served(portkey, "gpt-4.1")] == [
        "openai-virtual-key", "azure-prod", "anthropic",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "headers", "rule"),
    [
        ("anything", {"x-meta-user_plan": "paid"}, "finetuned"),
        ("gpt-4.1", {"x-meta-user_plan": "free"}, "cheap"),
        ("o3", {}, "cheap-2"),
        ("claude", {}, "cheap-default"),
    ],
)
def test_conditions_hold_where_they_held(asked: str, headers: dict[str, str], rule: str) -> None:
    """Portkey's, in their order, with the default last."""
    of = compiled("portkey", "portkey-conditional.json")
    catalogue = names.build(of.deployments, of.tiers, of.rules, of.aliases)
    target = names.resolve(catalogue, asked)
    assert not isinstance(target, Failure) and target.key == "auto"
    found, _ = rules.match(of.rules, rules.Traits(asked, input_tokens=10), lambda: "", headers.get)
    assert found is not None and found.name == rule


def test_what_fits_no_rule_stays_at_its_model() -> None:
    """Bifrost's rules move only what they are about."""
    of = compiled("bifrost", "bifrost-governance.json")
    for asked, headers, rule in (
        ("gpt-4.1-mini", {}, "gpt-4.1-mini"),
        ("openai/gpt-4.1-mini", {"x-tier": "premium"}, "premium"),
        ("anthropic/claude-haiku-4-5", {}, "claude-haiku-4-5"),
    ):
        found, _ = rules.match(of.rules, rules.Traits(asked, input_tokens=10), lambda: "", headers.get)
        assert found is not None and found.name == rule, asked


def test_a_file_that_is_no_text_is_told_with_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And the place: among several files one has to know which."""
    (tmp_path / "binary.yaml").write_bytes(b"a: \xff")
    status, out, err = run("--from", "litellm", tmp_path / "binary.yaml", capsys=capsys)
    assert status == 1 and not out
    assert "binary.yaml: not UTF-8, at byte 3" in err
