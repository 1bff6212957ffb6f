"""The commands over TLS: who is trusted, what is shown, and each failure with its remedy."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbd.cli import admin_client
from lbd.cli.admin_address import UNREACHABLE, AdminError, Where
from lbd.cli.admin_client import Client
from lbd.cli.admin_tls import CA_FILE, CERT_FILE, context, why
from tests.fakes.console_server import free_port, serving
from tests.fakes.trust import Authority


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority with the certificates of a daemon, of another one, and of an operator."""
    made = Authority(tmp_path_factory.mktemp("ca"))
    made.server("daemon", "IP:127.0.0.1")
    made.server("elsewhere", "DNS:gateway.example")
    made.server("operator", "email:o@house.example")
    folder = made.folder
    (folder / "both.pem").write_bytes((folder / "operator.pem").read_bytes() + (folder / "operator.key").read_bytes())
    command = ["openssl", "pkey", "-in", "operator.key", "-aes256", "-passout", "pass:x", "-out", "locked.key"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (folder / "locked.pem").write_bytes((folder / "operator.pem").read_bytes() + (folder / "locked.key").read_bytes())
    (folder / "junk").write_text("junk")
    return made


@contextlib.contextmanager
def daemon(own: Authority, name: str = "daemon", *, asks: bool = False) -> Iterator[int]:
    """Answer one question over TLS; ``asks``: for a certificate."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(own.folder / f"{name}.pem", own.folder / f"{name}.key")
    if asks:
        server.verify_mode = ssl.CERT_REQUIRED
        server.load_verify_locations(cafile=str(own.ca))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(5)

        def answer() -> None:
            with contextlib.suppress(OSError):
                sock, _ = listening.accept()
                with server.wrap_socket(sock, server_side=True) as secured:
                    asked = secured.recv(65536)
                    raw = json.dumps({"token": b"Bearer t0ken" in asked}).encode()
                    secured.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(raw), raw))

        thread = threading.Thread(target=answer)
        thread.start()
        yield int(listening.getsockname()[1])
        thread.join()


def client(port: int, ca: Path | None, cert: Path | None = None) -> Client:
    return Client(Where("127.0.0.1", port, named_by="--admin", tls=True), "t0ken", context(ca, cert, {}))


def failure(port: int, ca: Path | None, cert: Path | None = None) -> str:
    with pytest.raises(AdminError) as caught:
        client(port, ca, cert).get("/x")
    assert caught.value.exit_status == UNREACHABLE
    return str(caught.value)


def test_a_document_comes_over_tls_with_the_token(own: Authority) -> None:
    """From whom the authority vouches for."""
    with daemon(own) as port:
        assert client(port, own.ca).get("/x") == {"token": True}


def test_a_daemon_that_asks_for_a_certificate_gets_one(own: Authority) -> None:
    """Without, it is told what to give."""
    with daemon(own, asks=True) as port:
        assert client(port, own.ca, own.folder / "both.pem").get("/x") == {"token": True}
    with daemon(own, asks=True) as port:
        assert "--cert-file" in failure(port, own.ca)


def test_who_is_not_trusted_is_not_asked(own: Authority) -> None:
    """Another authority, another name: the token is not sent, and the remedy told."""
    with daemon(own) as port:
        assert "its certificate is not trusted" in (said := failure(port, None)) and "--ca-file" in said
    with daemon(own, "elsewhere") as port:
        assert "its certificate is not for 127.0.0.1" in (said := failure(port, own.ca)) and "--admin https://" in said


def test_the_wrong_scheme_is_told_both_ways(own: Authority) -> None:
    """TLS to plain HTTP, and plain HTTP to TLS."""
    with serving({"GET /x": {}}) as console:
        assert "write http://" in failure(int(console.url.rpartition(":")[2]), own.ca)
    with daemon(own) as port, pytest.raises(AdminError, match="Then write https://"):
        Client(Where("127.0.0.1", port, named_by="--admin")).get("/x")


def test_nobody_at_an_https_address_is_told_as_nobody(own: Authority) -> None:
    """Not as a failure of TLS."""
    assert "connection refused" in failure(free_port(), own.ca)


def test_the_files_come_from_the_environment_too(own: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """The option wins."""
    good, bad = {CA_FILE: str(own.ca), CERT_FILE: str(own.folder / "both.pem")}, {CA_FILE: "/none", CERT_FILE: "/none"}
    assert len(context(None, None, good).get_ca_certs()) == 1
    assert context(own.ca, own.folder / "both.pem", bad).verify_mode is ssl.CERT_REQUIRED
    assert context(None, None, {CA_FILE: ""}).check_hostname
    monkeypatch.setenv(CA_FILE, "/none")
    with pytest.raises(AdminError, match="cannot read /none"):
        context(None, None, bad)


@pytest.mark.parametrize(
    ("ca", "cert", "words"),
    [
        ("gone", None, "cannot read .*gone: No such file"),
        ("junk", None, "junk holds no certificate of an authority in PEM"),
        ("ca.pem", "gone", "cannot read .*gone: No such file"),
        ("ca.pem", "junk", "junk holds no certificate with its key in PEM"),
        ("ca.pem", "operator.pem", "operator.pem holds no certificate with its key in PEM"),
        ("ca.pem", "locked.pem", "its key needs a passphrase: store it without"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(own: Authority, ca: str, cert: str | None, words: str) -> None:
    """And nobody is asked for a passphrase."""
    with pytest.raises(AdminError, match=words):
        context(own.folder / ca, None if cert is None else own.folder / cert, {})


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("TLSV1_ALERT_UNKNOWN_CA", "admin.tls.client_ca_file"),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "--cert-file"),
        ("UNEXPECTED_EOF_WHILE_READING", "--cert-file"),
        ("NO_CIPHERS", "TLS failed (NO_CIPHERS)"),
        (None, "TLS failed ("),
    ],
)
def test_other_failures_are_told_in_openssl_s_words(reason: str | None, words: str) -> None:
    """Where nothing better is known."""
    error = ssl.SSLError(1, "text")
    error.reason = reason  # type: ignore[assignment]
    assert words in why(error, "h")


def test_the_arguments_make_such_a_client(own: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """For an https address alone: a file that is not needed is not read."""
    import argparse

    monkeypatch.delenv("LBD_ADMIN", raising=False)
    parser = argparse.ArgumentParser()
    admin_client.arguments(parser)
    made = admin_client.client(parser.parse_args(["--admin", "https://a:1", "--ca-file", str(own.ca)]))
    assert made.where.tls and made._context is not None and len(made._context.get_ca_certs()) == 1
    assert admin_client.client(parser.parse_args(["--admin", "a:1", "--ca-file", "/none"]))._context is None
