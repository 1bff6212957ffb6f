"""Where secrets come from, and what is refused before it could be sent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lbd.config import secrets
from lbd.config.secrets import SecretError, resolve
from lbd.model.secret import Secret, SecretRef


def refused(ref: SecretRef | str, environ: dict[str, str] | None = None, *, inline: bool = False) -> str:
    """Return why a reference leads nowhere."""
    with pytest.raises(SecretError) as caught:
        resolve(ref, inline=inline, environ=environ or {})
    return str(caught.value)


def test_a_secret_comes_from_the_environment() -> None:
    """As it stands there."""
    assert resolve(SecretRef(env="KEY"), inline=False, environ={"KEY": "sk-1"}).reveal() == "sk-1"


def test_a_secret_comes_from_a_file(tmp_path: Path) -> None:
    """Editors and echo put a line's end behind it."""
    (tmp_path / "key").write_text("\n  sk-1 \r\n")
    assert resolve(SecretRef(file=str(tmp_path / "key")), inline=False, environ={}).reveal() == "sk-1"


def test_a_file_is_read_again_each_time(tmp_path: Path) -> None:
    """That, and a reload, is how a key is rotated."""
    ref = SecretRef(file=str(tmp_path / "key"))
    (tmp_path / "key").write_text("old")
    assert resolve(ref, inline=False, environ={}).reveal() == "old"
    (tmp_path / "key").write_text("new")
    assert resolve(ref, inline=False, environ={}).reveal() == "new"


def test_a_secret_comes_from_the_credentials_that_systemd_passes(tmp_path: Path) -> None:
    """By its name in the folder that CREDENTIALS_DIRECTORY names."""
    (tmp_path / "openai").write_text("sk-1\n")
    ref = SecretRef(credential="openai")
    assert resolve(ref, inline=False, environ={"CREDENTIALS_DIRECTORY": str(tmp_path)}).reveal() == "sk-1"


def test_a_secret_in_plain_text_is_refused_unless_that_is_allowed() -> None:
    """Configuration files end up in version control."""
    said = refused("sk-1")
    assert "plain text" in said and "allow_inline_secrets: true" in said and "sk-1" not in said
    assert resolve("sk-1", inline=True, environ={}) == Secret("sk-1")


@pytest.mark.parametrize(
    "ref", [SecretRef(), SecretRef(env="A", file="b"), SecretRef(env="A", file="b", credential="c")]
)
def test_a_reference_names_exactly_one_place(ref: SecretRef) -> None:
    """None is an oversight, two are a question that nobody answers."""
    assert refused(ref, {"A": "x"}) == "name exactly one of env, file, credential"


def test_a_variable_that_is_not_set_is_named() -> None:
    """One sees at once which."""
    assert refused(SecretRef(env="OPENAI_KEY")) == "the environment variable OPENAI_KEY is not set"


def test_a_credential_without_systemd_says_what_to_do() -> None:
    """The message is the manual."""
    said = refused(SecretRef(credential="openai"))
    assert "CREDENTIALS_DIRECTORY is not set" in said and "LoadCredential=openai:" in said and "{file: ...}" in said


@pytest.mark.parametrize("name", ["../key", "/etc/shadow", "a/b"])
def test_a_credential_does_not_lead_out_of_its_folder(name: str, tmp_path: Path) -> None:
    """It is a name, not a path."""
    assert "has no slash" in refused(SecretRef(credential=name), {"CREDENTIALS_DIRECTORY": str(tmp_path)})


@pytest.mark.parametrize("name", ["..", ".", "", "missing", "\0"])
def test_a_credential_that_is_no_file_is_told(name: str, tmp_path: Path) -> None:
    """A folder, or nothing."""
    assert "cannot be read" in refused(SecretRef(credential=name), {"CREDENTIALS_DIRECTORY": str(tmp_path)})


def test_a_file_that_cannot_be_read_is_told_with_the_reason(tmp_path: Path) -> None:
    """Not there, a folder, a path that no system has."""
    assert "No such file" in refused(SecretRef(file=str(tmp_path / "gone")))
    assert "Is a directory" in refused(SecretRef(file=str(tmp_path)))
    assert "cannot be read" in refused(SecretRef(file="/a\0b"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    """The daemon runs as another user than the one who wrote the file."""
    (tmp_path / "key").write_text("x")
    (tmp_path / "key").chmod(0)
    assert "Permission denied" in refused(SecretRef(file=str(tmp_path / "key")))


def test_a_headers_value_may_have_spaces(tmp_path: Path) -> None:
    """Where it is asked for; a line's end is none of it, and what is no header stays out."""
    (tmp_path / "key").write_text("Bearer abc def\n")
    ref = SecretRef(file=str(tmp_path / "key"))
    assert resolve(ref, inline=False, environ={}, words=True).reveal() == "Bearer abc def"
    assert "holds characters that no key has" in refused(ref)
    for text in ("a\tb", "a\nb", "a\u00e9"):
        with pytest.raises(SecretError, match="characters that no key has"):
            resolve(SecretRef(env="A"), inline=False, environ={"A": text}, words=True)


@pytest.mark.parametrize("text", ["", " ", "\n\n"])
def test_an_empty_secret_is_told(text: str, tmp_path: Path) -> None:
    """It would be sent as no key at all."""
    (tmp_path / "key").write_text(text)
    assert refused(SecretRef(file=str(tmp_path / "key"))).endswith("is empty")
    assert refused(SecretRef(env="A"), {"A": ""}) == "the environment variable A is empty"
    assert refused("", inline=True) == "the inline secret is empty"


@pytest.mark.parametrize(
    "text", ["sk 1", "sk-1\nsk-2", "sk\t1", "sk-\x00", "sk-\x7f", "schlüssel", "sk-1\r", "\x1bsk", " x"]
)
def test_a_secret_holds_only_what_a_header_can_carry(text: str) -> None:
    """White space, control characters and other alphabets: two keys, a paste error, or an attack on the header."""
    assert "characters that no key has" in refused(SecretRef(env="A"), {"A": text})
    assert text not in refused(SecretRef(env="A"), {"A": text})


def test_bytes_that_are_no_text_are_no_secret(tmp_path: Path) -> None:
    """A key in binary form has another encoding first."""
    (tmp_path / "key").write_bytes(b"\xff\xfe\x00key")
    assert "characters that no key has" in refused(SecretRef(file=str(tmp_path / "key")))


def test_a_file_that_does_not_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    """A wrong path must not fill the memory."""
    assert refused(SecretRef(file="/dev/zero")) == "/dev/zero: too long for a key"
    (tmp_path / "key").write_text("x" * (secrets.MOST_BYTES + 1))
    assert "too long for a key" in refused(SecretRef(file=str(tmp_path / "key")))


def test_a_secret_is_not_shown() -> None:
    """Neither printed nor formatted."""
    secret = resolve(SecretRef(env="A"), inline=False, environ={"A": "sk-1"})
    assert "sk-1" not in f"{secret} {secret!r}"


def test_the_environment_is_the_process_own_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read when asked, not when imported."""
    monkeypatch.setenv("LBD_TEST_SECRET", "sk-1")
    assert resolve(SecretRef(env="LBD_TEST_SECRET"), inline=False).reveal() == "sk-1"
