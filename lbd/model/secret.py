"""Keys: a reference in the configuration, and the text it stands for, which refuses to be shown."""

from __future__ import annotations

import hmac
from typing import NoReturn

import msgspec


class SecretRef(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a secret lies: exactly one of an environment variable, a file, or a systemd credential.

    env: name of an environment variable.
    file: path of a file, read again at every reload.
    credential: name of a credential that systemd passes (LoadCredential=name:/path).
    """

    env: str | None = None
    file: str | None = None
    credential: str | None = None


class Secret:
    """A key that refuses to be printed, logged, encoded or pickled. ``reveal`` is the only way to its text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the secret text; for the one place that puts it on the wire."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a secret is not to be stored: pickle what names it, a SecretRef")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, _memo: object) -> Secret:
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(other._text.encode(), self._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)
