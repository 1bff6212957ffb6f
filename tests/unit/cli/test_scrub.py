"""Secrets are taken out by name, by look, and by what they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lbd.cli.scrub import MASK, known, masked, scrubbed


@pytest.mark.parametrize(
    "name", ["api_key", "token", "aws_secret_access_key", "provenance_key", "webhook", "slack", "password"]
)
def test_texts_under_a_secret_s_name_go(name: str) -> None:
    """References stay: they say where, not what."""
    assert masked({name: "x"}) == {name: MASK}
    assert masked({name: {"env": "X"}}) == {name: {"env": "X"}}
    assert masked({name: ["x"]}) == {name: [MASK]}


def test_other_texts_stay() -> None:
    """Tokens that are counted are no secrets."""
    document = {"input_tokens": 5, "tokens_per_min": 7, "monkey": "x", "keys": 3, "model": "m"}
    assert masked(document) == document


def test_headers_go_whole() -> None:
    """Any of them may carry a credential."""
    assert masked({"headers": {"X-Team": "a"}}) == {"headers": {"X-Team": MASK}}


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdefgh12345678", "sk-ant-api03-abcdefgh", "AKIAIOSFODNN7EXAMPLE", "gsk_abcdefghijkl",
        "Bearer abcdefgh.ijkl", "eyJhbGciOi.eyJzdWIi.c2ln", "AIzaSyA1234567890abc",
        "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----",
    ],
)  # fmt: skip
def test_what_looks_like_a_secret_goes(secret: str) -> None:
    """Wherever it stands."""
    text = scrubbed(f"the provider said: {secret} is wrong")
    assert secret not in text and text.startswith("the provider said: ***")


def test_a_user_in_a_url_goes() -> None:
    """The host stays."""
    assert scrubbed("valkey://u:p@host:6379/0") == "valkey://***@host:6379/0"


def test_secrets_that_the_configuration_names_are_known(tmp_path: Path) -> None:
    """By environment, by file, in the file itself; what leads nowhere is none."""
    (tmp_path / "key").write_text("from-a-file\n")
    tree: Any = {
        "providers": [
            {"api_key": {"env": "K"}, "headers": {"X-A": "from-a-header"}},
            {"api_key": {"file": str(tmp_path / "key")}},
        ],
        "admin": {"token": "in-the-file"}, "clients": [{"key": {"env": "NOT_SET"}}, {"key": {"credential": "none"}}],
    }  # fmt: skip
    found = known(tree, {"K": "from-the-environment"})
    assert found == {"from-a-file", "in-the-file", "from-the-environment", "from-a-header"}
    assert scrubbed("a from-the-environment b", found) == "a *** b"


def test_short_secrets_are_not_replaced_everywhere() -> None:
    """Else half of the words would be gone."""
    assert scrubbed("a cat", {"a"}) == "a cat"
