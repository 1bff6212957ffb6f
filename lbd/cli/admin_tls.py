"""TLS to the admin API: whom the commands trust, what they show of themselves, and what a failure means."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

from lbd.cli.admin_address import AdminError

CA_FILE = "LBD_ADMIN_CA_FILE"
CERT_FILE = "LBD_ADMIN_CERT_FILE"


def context(ca_file: Path | None, cert_file: Path | None, environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return what a command speaks TLS with: it trusts ``ca_file``'s authorities alone, without one the system's.

    ``cert_file`` holds its own certificate and key. Raises AdminError.
    """
    ca = _file(ca_file, CA_FILE, environ)
    own = _file(cert_file, CERT_FILE, environ)
    try:
        made = ssl.create_default_context(cafile=ca)
    except OSError as e:  # ssl.SSLError is one
        raise AdminError(_unusable(e, ca, "no certificate of an authority")) from None
    if own is not None:
        try:
            made.load_cert_chain(own, password=_no_passphrase)
        except _EncryptedError:
            text = "its key needs a passphrase: store it without (openssl pkey -in ... -out ...)"
            raise AdminError(f"cannot use {own}: {text}") from None
        except OSError as e:
            raise AdminError(_unusable(e, own, "no certificate with its key")) from None
    return made


def _file(given: Path | None, variable: str, environ: Mapping[str, str]) -> str | None:
    return str(given) if given is not None else environ.get(variable) or None


def _unusable(error: OSError, file: str | None, lacks: str) -> str:
    if isinstance(error, ssl.SSLError):
        return f"{file} holds {lacks} in PEM ({error.reason or error})"
    return f"cannot read {file}: {error.strerror or error}"


class _EncryptedError(ValueError):
    """The key asks for a passphrase."""


def _no_passphrase() -> str:
    raise _EncryptedError


def why(error: ssl.SSLError, host: str) -> str:
    """Return what a failure of TLS with ``host`` means, and what to do about it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _WRONG_NAME:
            return f"its certificate is not for {host}: name it as the certificate does (--admin https://NAME:PORT)"
        said = error.verify_message
        return f"its certificate is not trusted ({said}): name its authority with --ca-file FILE or {CA_FILE}"
    if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return "what listens there speaks no TLS: write http:// in place of https://"
    reason = error.reason or ""
    if "CERTIFICATE_REQUIRED" in reason:
        return f"it wants a certificate from us: {_SHOW}"
    if "UNKNOWN_CA" in reason:
        return "it does not know the authority of our certificate (admin.tls.client_ca_file)"
    if isinstance(error, ssl.SSLEOFError) or "EOF" in reason:
        return f"it was closed without an answer. {CLOSED_BY_TLS}"
    return f"TLS failed ({error.reason or error})"


_SHOW = f"give --cert-file FILE or {CERT_FILE}"
CLOSED_BY_TLS = f"Does it want a certificate of an authority that it knows (admin.tls.client_ca_file)? Then {_SHOW}"
CLOSED_BY_PLAIN = "Does it speak TLS? Then write https://"
_WRONG_NAME = frozenset({62, 63, 64})  # X509_V_ERR_HOSTNAME_MISMATCH, _EMAIL_, _IP_ADDRESS_
