"""Whose fault an error in connecting is: told by its number, and where that lies, by trying."""

from __future__ import annotations

import errno
import socket
import ssl

import pytest

from lbd.model.failure import FailureKind, Scope
from lbd.upstream.here import no_descriptor, shortage, unreached, untrusted
from tests.fakes.descriptors import exhausted


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EMFILE, "LimitNOFILE="),
        (errno.ENFILE, "fs.file-max"),
        (errno.ENOBUFS, "net.ipv4.tcp_mem"),
        (errno.ENOMEM, "memory"),
        (errno.EADDRNOTAVAIL, "net.ipv4.ip_local_port_range"),
    ],
)
def test_what_this_host_is_short_of_is_its_own_fault_with_a_remedy(number: int, remedy: str) -> None:
    """From the first one on, whoever was asked."""
    for found in (unreached(OSError(number, "x"), "api.example"), untrusted(OSError(number, "x"), "TLS")):
        assert found.kind is FailureKind.LOCAL
        assert found.row.scope is Scope.HERE
        assert remedy in found.message
        assert found.retry_after_s == 1.0


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), FailureKind.CONNECT),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), FailureKind.CONNECT),
        (OSError("Multiple exceptions: refused, unreachable"), FailureKind.CONNECT),
        (UnicodeError("label too long"), FailureKind.DNS),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), FailureKind.DNS),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), FailureKind.DNS),
    ],
)
def test_everything_else_is_told_apart(error: Exception, kind: FailureKind) -> None:
    """With whom it was, and the error's own words."""
    found = unreached(error, "api.example")
    assert found.kind is kind
    assert "api.example" in found.message
    assert str(getattr(error, "strerror", None) or error) in found.message


def test_errors_without_a_number_of_this_kind_are_nothing_of_ours() -> None:
    """Also numbers of name resolution, which mean something else."""
    assert shortage(None) is None
    assert shortage(ValueError("x")) is None
    assert shortage(socket.gaierror(errno.EMFILE, "x")) is None
    assert no_descriptor() is None


def test_without_descriptors_names_and_certificates_are_not_to_blame() -> None:
    """The resolver cannot read its files then, and TLS not its authorities."""
    with exhausted():
        name = unreached(socket.gaierror(socket.EAI_NONAME, "no such name"), "api.example")
        certificate = untrusted(ssl.SSLError(1, "unable to get local issuer certificate"), "TLS")
        several = unreached(OSError("Multiple exceptions"), "api.example")
        refused = unreached(ConnectionRefusedError(errno.ECONNREFUSED, "r"), "api.example")
    assert {f.kind for f in (name, certificate, several)} == {FailureKind.LOCAL}
    assert refused.kind is FailureKind.CONNECT
