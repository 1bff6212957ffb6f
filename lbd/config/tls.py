"""TLS of the listeners: from files that the configuration names to what they speak with; and whose certificates count.

The files are read with the configuration, so that one that cannot be used is told of by ``lbd check`` and by a refused
reload, and never by a client's handshake; a reload reads them again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lbd.config.schema import Config, TlsConfig
from lbd.config.tree import Path_
from lbd.model import peer

if TYPE_CHECKING:
    from ssl import SSLContext

Tell = Callable[[str, str], None]  # a key of the section, and what is wrong with it


def context(config: TlsConfig, error: Tell) -> SSLContext | None:
    """Return what the listener speaks TLS with, from 1.2 on; None where a file cannot be used, which is told."""
    import ssl  # slow, and seldom needed

    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    made.set_alpn_protocols(["http/1.1"])
    files = {"cert_file": config.cert_file, "key_file": config.key_file, "client_ca_file": config.client_ca_file}
    bad = {key: why for key, file in files.items() if file is not None and (why := _unreadable(file)) is not None}
    for key, why in bad.items():
        error(key, f"{files[key]!r}: {why}")
    if "cert_file" not in bad and "key_file" not in bad:
        _load(made, config, error)
    if config.client_ca_file is not None and "client_ca_file" not in bad:
        try:
            made.load_verify_locations(cafile=config.client_ca_file)
        except ssl.SSLError as e:
            text = f"holds no certificate of an authority in PEM ({e.reason or e})"
            error("client_ca_file", f"{config.client_ca_file!r} {text}")
        made.verify_mode = ssl.CERT_REQUIRED
    return made


def narrower(before: SSLContext | None, after: SSLContext | None) -> bool:
    """Tell whether somebody who may be connected under ``before`` could not connect any more: a certificate is asked
    for that was not, or an authority is no longer one.

    Which clients' own certificates are trusted (signed by themselves, and of no authority) a context does not tell:
    where there are any, one of them may be gone.
    """
    if after is None or not after.verify_mode:
        return False
    if before is None or not before.verify_mode:
        return True
    held = before.cert_store_stats()
    if held["x509"] != held["x509_ca"]:
        return True
    return not set(before.get_ca_certs(binary_form=True)) <= set(after.get_ca_certs(binary_form=True))


def certificates(config: Config, error: Callable[[Path_, str], None]) -> list[frozenset[str]]:
    """Return the names of certificates that each client is known by, as :func:`lbd.model.peer.normal` writes them."""
    shown = config.tls is not None and config.tls.client_ca_file is not None
    alone: dict[str, str] = {}  # a name -> the client that needs no key beside it
    out = []
    for i, client in enumerate(config.clients):
        path: Path_ = ("clients", i)
        given = [client.certificate] if isinstance(client.certificate, str) else client.certificate or []
        if client.key is None and client.certificate is None:
            error(path, "needs a key, a certificate (of tls.client_ca_file), or both")
        elif client.certificate is not None and not given:
            error((*path, "certificate"), f"names no certificate: {peer.WANTED}")
        elif given and not shown:
            error((*path, "certificate"), "needs tls.client_ca_file: without it no client shows a certificate")
        names = set()
        for text in given:
            try:
                names.add(peer.normal(text))
            except ValueError as e:
                error((*path, "certificate"), f"{text!r} is no name of a certificate: {e}")
        if client.key is None:
            for name in sorted(names):
                if alone.setdefault(name, client.name) != client.name:
                    text = f"{name} alone is client {alone[name]!r} already: give one of them a key"
                    error((*path, "certificate"), text)
        out.append(frozenset(names))
    return out


def _unreadable(file: str) -> str | None:
    try:
        with Path(file).open("rb"):
            return None
    except (OSError, ValueError) as e:  # ValueError: a path that holds a NUL
        return f"cannot be read: {getattr(e, 'strerror', None) or e}; lbd's own user must be able to"


def _load(made: SSLContext, config: TlsConfig, error: Tell) -> None:
    """Take the certificate and its key in, or tell which of the two cannot be used, and why."""
    import ssl

    try:
        made.load_cert_chain(config.cert_file, config.key_file, password=_no_passphrase)
    except _EncryptedError:
        text = "needs a passphrase, which a daemon cannot type: store it without (openssl pkey -in ... -out ...)"
        error("key_file", f"{config.key_file!r} {text}")
    except ssl.SSLError as e:
        if e.reason == "KEY_VALUES_MISMATCH":
            error("key_file", f"{config.key_file!r} is not the key of the certificate in {config.cert_file!r}")
        elif _certificates(config.cert_file):
            error("key_file", f"{config.key_file!r} holds no private key in PEM ({e.reason or e})")
        else:
            error("cert_file", f"{config.cert_file!r} holds no certificate in PEM ({e.reason or e})")


class _EncryptedError(ValueError):
    """The key asks for a passphrase."""


def _no_passphrase() -> str:
    raise _EncryptedError


def _certificates(file: str) -> bool:
    """Tell whether a file begins with a certificate that can be read."""
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
    except ssl.SSLError:
        return False
    return True
