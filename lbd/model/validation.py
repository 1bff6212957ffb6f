"""What an answer is held to before its client gets it."""

from __future__ import annotations

import msgspec

LANGUAGES = ("de", "en", "es", "fr", "it", "nl", "pt")


class Validation(msgspec.Struct, frozen=True):
    """Checks of the text of a whole answer; one that is None or False is not made.

    ``schema`` is an encoded JSON schema, ``own_schema`` means the one that the request itself asked for, if it did.
    ``serve_last``: where every answer failed, the last one goes to the client all the same.
    """

    schema: bytes | None = None
    own_schema: bool = False
    regex: str | None = None
    min_chars: int | None = None
    max_chars: int | None = None
    refusal: bool = False
    language: str | None = None
    serve_last: bool = False

    @property
    def checks(self) -> bool:
        """Tell whether there is anything to check."""
        bounds = (self.schema, self.regex, self.min_chars, self.max_chars, self.language)
        return self.own_schema or self.refusal or any(b is not None for b in bounds)


def joined(surface: Validation | None, wish: Validation | None) -> Validation | None:
    """Return what a surface and a request ask together; where both speak of one thing, the request's word holds."""
    if surface is None or wish is None:
        return wish if surface is None else surface
    return Validation(
        surface.schema,
        wish.own_schema or surface.own_schema,
        surface.regex,
        surface.min_chars if wish.min_chars is None else wish.min_chars,
        surface.max_chars if wish.max_chars is None else wish.max_chars,
        surface.refusal or wish.refusal,
        surface.language if wish.language is None else wish.language,
        surface.serve_last or wish.serve_last,
    )
