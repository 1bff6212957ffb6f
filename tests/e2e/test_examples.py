"""The examples in ``etc/examples`` are what they say: check and schema find nothing, and the daemon serves them."""

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
import yaml

from lbd import plugins
from lbd.cli import schema
from lbd.cli.main import main
from tests.fakes.configs import ETC
from tests.fakes.moved import CREDENTIAL, Moved, models
from tests.fakes.strict_provider import HELLO, StrictProvider
from tests.fakes.trust import Authority

EXAMPLES = sorted((ETC / "examples").iterdir())
# who asks (none: everybody on this host), for what, and who may answer
REQUESTS: dict[str, list[tuple[str | None, str, str]]] = {
    "small.yaml": [(None, "gpt-4o", "openai/gpt-4.1-mini"), (None, "qwen3-8b", "house/qwen3-8b")],
    "medium.yaml": [
        ("support-bot", "auto", r"(openai|anthropic)/.+"),
        ("nightly-drafts", "auto", "house/llama-3.3-70b"),
        ("nightly-drafts", "claude-sonnet", "anthropic/claude-sonnet"),
    ],
    "large.yaml": [
        ("support-bot", "auto", r"(?!gpu).+"),
        ("contracts", "claude-3-opus", r"(openai-eu|openai-us|azure-eu)/gpt-4.1"),
        ("code-review", "claude-sonnet", r"(anthropic|bedrock-eu)/claude-sonnet"),
        ("enrichment", "auto", r"gpu-[ab]/llama-3.3-70b"),
    ],
}
# prompts of both kinds: those that a rule keeps from the dear models, and those that it keeps from the cheap ones
PROMPTS = (
    "What is 2 + 2?",
    "Prove that there are infinitely many primes of the form 4n + 3, and say why 4n + 1 is harder.",
)


def named(path: Path) -> str:
    return path.name


@pytest.fixture(scope="module")
def provider() -> Iterator[StrictProvider]:
    """Every house of the examples, with the models that they are asked for."""
    with StrictProvider(*models(path.read_text() for path in EXAMPLES)) as running:
        yield running


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority with a certificate of the API and one of a client."""
    own = Authority(tmp_path_factory.mktemp("ca"))
    for name, san in (("api", "IP:127.0.0.1"), ("client", "DNS:client")):
        own.server(name, san)
    for name in ("clients", "gpu-ca"):
        (own.folder / f"{name}.pem").write_bytes(own.ca.read_bytes())
    return own


@pytest.fixture(params=EXAMPLES, ids=named)
def example(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    provider: StrictProvider,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> Moved:
    """Each of them, on this machine."""
    path: Path = request.param
    made = Moved(path.read_text(), tmp_path, provider, authority, name=path.stem)
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    return made


def test_there_are_three_sizes() -> None:
    """And each has requests above."""
    assert {path.name for path in EXAMPLES} == set(REQUESTS)


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_an_example_says_how_it_is_checked_and_names_its_schema(path: Path) -> None:
    """An editor has nothing to say against it; where it lists its keys' files, it lists all of them."""
    text = path.read_text()
    assert text.startswith("# yaml-language-server: $schema=../lbd.schema.json\n")
    assert f"lbd check -c {path.name}" in text
    valid = jsonschema.Draft202012Validator(schema.configuration())
    assert not [e.message for e in valid.iter_errors(yaml.safe_load(text))]
    for listed in re.findall(r"with one file each: ([^.]*)\.", text.replace("\n#", "")):
        assert set(listed.split(", ")) == set(CREDENTIAL.findall(text))


def test_the_check_has_nothing_to_say(example: Moved, capsys: pytest.CaptureFixture[str]) -> None:
    """Not even a warning. (What this machine may open of descriptors is no matter of the file.)"""
    assert plugins.read_config(example.path).warnings == ()
    assert main(["check", "-c", str(example.path)]) == 0
    assert ": good (" in capsys.readouterr().out


def test_it_is_started_every_row_is_well_and_requests_are_answered(example: Moved, provider: StrictProvider) -> None:
    """By whom the file says; and nothing that lbd sends is refused by a provider that is as strict as the real ones."""
    refused = len(provider.refused)
    with example:
        assert {row: state for row, state in example.rows().items() if state != "up"} == {}
        assert len(example.rows()) == sum(len(p["deployments"]) for p in example.config["providers"])
        for client, model, by in REQUESTS[example.path.name]:
            status, headers, body = example.ask(None if client is None else f"key-of-{client}", model)
            assert status == 200 and re.fullmatch(by, headers["x-lbd-deployment"]), (client, model, headers, body)
            assert body["choices"][0]["message"]["content"] == HELLO
        for client, ref in example.clients.items() if example.clients else [(None, None)]:
            for prompt in PROMPTS:  # no surface's floor or cap is one that a rule's models do not keep
                status, _, body = example.ask(ref and f"key-of-{client}", "auto", prompt)
                assert status == 200, (client, prompt, body)
        if example.clients:
            assert example.ask("somebody-else", "auto")[0] == 401
        if example.tls is not None:  # a key without a certificate is not enough
            assert example.tls.get_ca_certs()
            example.tls = ssl.create_default_context(cafile=str(example.config["tls"]["client_ca_file"]))
            with contextlib.suppress(OSError):
                raise AssertionError(example.ask("key-of-support-bot", "auto"))
    assert provider.refused[refused:] == []
