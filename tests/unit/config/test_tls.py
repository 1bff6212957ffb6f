"""Certificates that cannot be used are told of when the configuration is read, each with its file and what to do."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest

from lbd.config.schema import TlsConfig
from lbd.config.tls import context, narrower
from tests.fakes.configs import LOCAL, checked, problems
from tests.fakes.trust import Authority


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority with two certificates, and files that are none."""
    authority = Authority(tmp_path_factory.mktemp("ca"))
    authority.server("api", "DNS:localhost,IP:127.0.0.1")
    authority.server("other", "DNS:other")
    (authority.folder / "junk").write_text("junk")
    command = ["openssl", "pkey", "-in", "api.key", "-aes256", "-passout", "pass:x", "-out", "locked.key"]
    subprocess.run(command, cwd=authority.folder, check=True, capture_output=True)
    return authority


def told(own: Authority, cert: str, key: str, ca: str | None = None) -> tuple[dict[str, str], ssl.SSLContext | None]:
    """Return what is said of these files."""
    said: dict[str, str] = {}
    f = own.folder
    config = TlsConfig(
        cert_file=str(f / cert), key_file=str(f / key), client_ca_file=None if ca is None else str(f / ca)
    )
    return said, context(config, said.__setitem__)


def test_a_good_pair_makes_a_context(own: Authority) -> None:
    """TLS 1.2 or later, HTTP/1.1, and no client's certificate is asked for."""
    said, made = told(own, "api.pem", "api.key")
    assert not said and made is not None
    assert made.minimum_version is ssl.TLSVersion.TLSv1_2 and made.verify_mode is ssl.CERT_NONE


def test_with_an_authority_every_client_owes_a_certificate(own: Authority) -> None:
    """It is asked for and checked in the handshake."""
    said, made = told(own, "api.pem", "api.key", "ca.pem")
    assert not said and made is not None and made.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("cert", "key", "ca", "at", "words"),
    [
        ("gone.pem", "api.key", None, "cert_file", "cannot be read: No such file"),
        ("api.pem", "gone.key", None, "key_file", "cannot be read: No such file"),
        ("api.pem", "api.key", "gone.pem", "client_ca_file", "cannot be read: No such file"),
        ("junk", "api.key", None, "cert_file", "holds no certificate in PEM"),
        ("api.pem", "junk", None, "key_file", "holds no private key in PEM"),
        ("api.pem", "api.key", "junk", "client_ca_file", "holds no certificate of an authority"),
        ("api.pem", "other.key", None, "key_file", "is not the key of the certificate in"),
        ("api.pem", "locked.key", None, "key_file", "needs a passphrase"),
        ("\0", "api.key", None, "cert_file", "cannot be read"),
        (".", "api.key", None, "cert_file", "cannot be read: Is a directory"),
    ],
)
def test_what_cannot_be_used_is_named(own: Authority, cert: str, key: str, ca: str | None, at: str, words: str) -> None:
    """The key of the configuration, the file, and why; no terminal is asked for a passphrase."""
    said, _ = told(own, cert, key, ca)
    assert list(said) == [at]
    assert words in said[at]
    assert repr(str(own.folder / {"cert_file": cert, "key_file": key, "client_ca_file": ca or ""}[at])) in said[at]


def test_everything_that_is_wrong_is_told_at_once(own: Authority) -> None:
    """One run of ``lbd check`` is enough."""
    assert sorted(told(own, "gone", "gone too", "junk")[0]) == ["cert_file", "client_ca_file", "key_file"]


def test_a_configuration_is_refused_with_the_place_of_the_file(own: Authority) -> None:
    """As all that is wrong with it."""
    good = f"tls: {{cert_file: {own.folder}/api.pem, key_file: {own.folder}/api.key}}\n"
    assert checked(LOCAL + good).tls is not None
    assert checked(LOCAL).tls is None
    (said,) = problems(LOCAL + good.replace("api.key", "other.key"))
    assert "tls.key_file: " in said and "other.key' is not the key of the certificate" in said
    (said,) = problems(LOCAL + good + "listen: unix:/run/x\n")
    assert "tls: is for a TCP listener" in said
    (said,) = problems(LOCAL + "tls: {cert_file: x}\n")
    assert "`key_file` is missing" in said


def test_the_admin_listener_has_a_certificate_of_its_own(own: Authority) -> None:
    """Told of at its own place."""
    files = f"cert_file: {own.folder}/api.pem, key_file: {own.folder}/api.key"
    made = checked(LOCAL + f"admin: {{tls: {{{files}}}}}\n")
    assert made.admin_tls is not None and made.tls is None
    (said,) = problems(LOCAL + f"admin: {{tls: {{{files.replace('api.key', 'other.key')}}}}}\n")
    assert "admin.tls.key_file: " in said
    for listen in ("null", "unix:/run/x"):
        (said,) = problems(LOCAL + f"admin: {{listen: {listen}, tls: {{{files}}}}}\n")
        assert "admin.tls: is for a TCP listener" in said


def test_who_would_not_be_let_in_any_more_is_known_from_the_contexts(own: Authority, tmp_path: Path) -> None:
    """A certificate that is asked for anew, or an authority that is taken away; one that is added harms nobody."""
    second = Authority(tmp_path)
    (own.folder / "two.pem").write_bytes(own.ca.read_bytes() + second.ca.read_bytes())
    plain, one, two = (told(own, "api.pem", "api.key", ca)[1] for ca in (None, "ca.pem", "two.pem"))
    for before, after in ((None, one), (plain, one), (two, one)):
        assert narrower(before, after)
    for before, after in ((None, None), (None, plain), (one, plain), (one, None), (one, one), (one, two)):
        assert not narrower(before, after)


def test_a_certificate_that_is_trusted_itself_may_be_gone(own: Authority) -> None:
    """A context does not tell which those are that are of no authority: whoever is connected has to connect again."""
    made = ("req", "-x509", "-new", "-key", own.folder / "api.key", "-subj", "/CN=bot", "-days", "2")
    leaf = ("-addext", "basicConstraints=critical,CA:FALSE", "-out", own.folder / "leaf.pem")
    subprocess.run(["openssl", *made, *leaf], check=True, capture_output=True)
    (own.folder / "both.pem").write_bytes(own.ca.read_bytes() + (own.folder / "leaf.pem").read_bytes())
    both, one = (told(own, "api.pem", "api.key", ca)[1] for ca in ("both.pem", "ca.pem"))
    assert narrower(both, one)
    assert not narrower(one, both)


def clients(own: Authority, text: str, *, ca: bool = True) -> str:
    """Return a configuration with these clients behind a certificate."""
    more = f", client_ca_file: {own.folder}/ca.pem" if ca else ""
    return (
        LOCAL
        + f"tls: {{cert_file: {own.folder}/api.pem, key_file: {own.folder}/api.key{more}}}\n"
        + "allow_inline_secrets: true\n"
        + f"clients: [{text}]\n"
    )


def test_clients_are_known_by_the_names_of_their_certificates(own: Authority) -> None:
    """One or several, with a key or without; several clients may share one where each has a key."""
    text = (
        "{name: a, key: ka, certificate: 'dns:Bot.example'},"
        " {name: b, key: kb, certificate: ['DNS:bot.example', 'CN:b']},"
        " {name: c, certificate: 'URI:spiffe://h/c'}, {name: d, key: kd}"
    )
    a, b, c, d = checked(clients(own, text)).clients
    assert a.certificates == {"DNS:bot.example"} and b.certificates == {"DNS:bot.example", "CN:b"}
    assert (c.certificates, c.key_sha256) == ({"URI:spiffe://h/c"}, b"") and a.key_sha256
    assert not d.certificates


@pytest.mark.parametrize(
    ("text", "ca", "at", "words"),
    [
        ("{name: a}", True, "clients[0]", "needs a key, a certificate (of tls.client_ca_file), or both"),
        ("{name: a, key: k, certificate: 'DNS:a'}", False, "clients[0].certificate", "needs tls.client_ca_file"),
        ("{name: a, certificate: []}", True, "clients[0].certificate", "names no certificate: write DNS:"),
        ("{name: a, certificate: bot.example}", True, "clients[0].certificate", "'bot.example' is no name of a"),
        ("{name: a, key: k, certificate: ['DNS:a', 'IP:1.2.3.4']}", True, "clients[0].certificate", "'IP:1.2.3.4' is"),
        (
            "{name: a, certificate: 'DNS:x'}, {name: b, certificate: ['DNS:y', 'dns:X']}",
            True,
            "clients[1].certificate",
            "DNS:x alone is client 'a' already: give one of them a key",
        ),
        ("{name: a, key: k}, {name: b, key: k}", True, "clients[1].key", "the same key as client 'a'"),
    ],
)
def test_what_cannot_tell_clients_apart_is_an_error(own: Authority, text: str, ca: bool, at: str, words: str) -> None:
    """At its place, with the remedy."""
    (said,) = problems(clients(own, text, ca=ca))
    assert f"{at}: " in said and words in said
