"""What providers and deployments become."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbd.config.offers import FREE
from tests.fakes.configs import checked, file, problems, provider, warnings


@pytest.mark.parametrize(
    ("model", "name"),
    [("gpt-4.1", "gpt-4.1"), ("meta-llama/Llama-3.3 70B", "meta-llama-llama-3.3-70b"), ("qwen2.5:7b", "qwen2.5-7b"),
     ("Ünïcode", "n-code"), ("..", "model"), ("日本", "model"), ("--x--", "x")],
)  # fmt: skip
def test_a_deployment_is_named_after_its_model(model: str, name: str) -> None:
    """In letters that a URL's path can carry."""
    assert checked(file(provider().replace("model: m", f"model: '{model}'"))).deployments[0].id == f"a/{name}"


def test_an_own_server_is_free_and_a_foreign_one_is_not() -> None:
    """A hosted row without a price counts as unknown, and that is worth a warning."""
    assert checked(file()).deployments[0].price == FREE
    text = file(provider(shape="openai"))
    assert checked(text).deployments[0].price is None
    [told] = warnings(text)
    assert told.startswith("2:75: warning: providers[0].deployments[0]: no price: its cost counts as unknown,")
    assert told.endswith(" and a cost cap or a hard budget rules it out")


@pytest.mark.parametrize(
    "url", ["http://localhost:8000", "HTTPS://H.example/v1/", "http://[::1]:80/v1", "https://a_b.c-d.e:8443/x/y~z/%20", "https://10.0.0.1"]
)  # fmt: skip
def test_urls_that_servers_have_are_taken(url: str) -> None:
    """Ports, IPv6, paths of several parts."""
    assert warnings(file(provider(url=url))) == []


def test_plain_http_to_another_host_is_worth_a_warning() -> None:
    """Keys and prompts would be read on the way; loopback is not the way."""
    assert warnings(file(provider(url="http://10.0.0.1/v1"))) == [
        "2:26: warning: providers[0].base_url: plain http to another host: keys and prompts travel unencrypted"
    ]


def test_a_ca_file_is_opened_at_once(tmp_path: Path) -> None:
    """It must hold certificates, not just be there."""
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n")
    assert "cannot be used" in problems(file(provider(f"ca_file: {tmp_path}/ca.pem")))[0]


def test_further_secrets_of_a_shape_are_followed_like_the_key() -> None:
    """By the keys of its own configuration; those that are not given are not there."""
    more = "aws_access_key_id: {env: A}, aws_secret_access_key: {env: B}"
    got = checked(file(provider(more, shape="bedrock", url="https://h")), {"A": "id-1", "B": "secret-1"})
    (spec,) = got.providers
    assert [(name, secret.reveal()) for name, secret in spec.secrets] == [
        ("aws_access_key_id", "id-1"),
        ("aws_secret_access_key", "secret-1"),
    ]
    (found,) = problems(file(provider("aws_session_token: {env: GONE}", shape="bedrock", url="https://h")))
    assert "providers[0].aws_session_token: the environment variable GONE is not set" in found
