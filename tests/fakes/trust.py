"""A certificate authority and servers' certificates, made with the openssl command for one test run."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

_CA = """
[ca]
default_ca = own
[own]
dir = {folder}
database = {folder}/index.txt
serial = {folder}/serial
new_certs_dir = {folder}
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
"""


def _openssl(*args: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, args)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class Authority:
    """Issues certificates into ``folder``; ``ca`` is what a client must trust."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / "ca.pem"
        self._key("ca")
        _openssl("req", "-x509", "-new", "-key", folder / "ca.key", "-subj", "/CN=test", "-days", "2", "-out", self.ca)
        (folder / "ca.cnf").write_text(_CA.format(folder=folder))
        (folder / "index.txt").write_text("")
        (folder / "serial").write_text("01")

    def _key(self, name: str) -> None:
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.folder / f"{name}.key")

    def server(self, name: str, san: str, *, expired: bool = False) -> ssl.SSLContext:
        """Return a server's context with a certificate for these names."""
        f = self.folder
        self._key(name)
        _openssl(
            *("req", "-new", "-key", f / f"{name}.key", "-subj", f"/CN={name}", "-addext", f"subjectAltName={san}"),
            *("-out", f / f"{name}.csr"),
        )
        when = ("-startdate", "20200101000000Z", "-enddate", "20200201000000Z") if expired else ("-days", "2")
        _openssl(
            *("ca", "-batch", "-config", f / "ca.cnf", "-in", f / f"{name}.csr", "-out", f / f"{name}.pem", "-notext"),
            *when,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f / f"{name}.pem", f / f"{name}.key")
        return context
