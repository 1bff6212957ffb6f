"""Follow references to secrets: an environment variable, a file, or a systemd credential."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from lbd.model.secret import Secret, SecretRef

MOST_BYTES = 64 * 1024  # of a file: a key is short, and some files never end


class SecretError(Exception):
    """A reference that leads nowhere; the message says which and what to do."""


def resolve(
    ref: SecretRef | str, *, inline: bool, environ: Mapping[str, str] = os.environ, words: bool = False
) -> Secret:
    """Return the secret that ``ref`` names. ``inline``: a plain text is allowed in its place.

    ``words``: it may have spaces in it, as the value of a header has (``Bearer ...``).
    """
    if isinstance(ref, str):
        if not inline:
            raise SecretError(
                "a secret stands here in plain text; use {file: ...}, {env: ...} or {credential: ...},"
                " or set allow_inline_secrets: true"
            )
        return _checked(ref, "the inline secret", words)
    named = [(kind, value) for kind in ("env", "file", "credential") if (value := getattr(ref, kind)) is not None]
    if len(named) != 1:
        raise SecretError("name exactly one of env, file, credential")
    kind, value = named[0]
    if kind == "env":
        if value not in environ:
            raise SecretError(f"the environment variable {value} is not set")
        return _checked(environ[value], f"the environment variable {value}", words)
    if kind == "credential":
        folder = environ.get("CREDENTIALS_DIRECTORY")
        if folder is None:
            raise SecretError(
                f"credential {value!r}: CREDENTIALS_DIRECTORY is not set; under systemd use"
                f" LoadCredential={value}:/path, elsewhere {{file: ...}}"
            )
        if "/" in value:
            raise SecretError(f"credential {value!r}: a credential's name has no slash")
        return _read(Path(folder) / value, words)
    return _read(Path(value), words)


def _read(path: Path, words: bool) -> Secret:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as e:  # ValueError: a path that holds a NUL
        raise SecretError(f"{str(path)!r}: cannot be read: {getattr(e, 'strerror', None) or e}") from None
    if len(data) > MOST_BYTES:
        raise SecretError(f"{path}: too long for a key")
    return _checked(data.decode("utf-8", "replace").strip(), str(path), words)


def _checked(text: str, what: str, words: bool) -> Secret:
    if not text:
        raise SecretError(f"{what} is empty")
    least = 0x20 if words else 0x21
    if any(ord(c) < least or ord(c) > 0x7E for c in text):
        raise SecretError(f"{what} holds characters that no key has (white space, control or non-ASCII)")
    return Secret(text)
