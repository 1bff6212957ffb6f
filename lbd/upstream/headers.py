"""Response headers as they came, decoded when somebody looks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar, overload

T = TypeVar("T")


class RawHeaders(Mapping[str, str]):
    """A mapping over raw header fields, names in lower case. Looking one up decodes only that one."""

    __slots__ = ("fields",)

    def __init__(self, fields: dict[bytes, bytes]) -> None:
        self.fields = fields

    @overload
    def get(self, key: str, /) -> str | None: ...

    @overload
    def get(self, key: str, /, default: str) -> str: ...

    @overload
    def get(self, key: str, /, default: T) -> str | T: ...

    def get(self, key: str, /, default: object = None) -> object:
        """Return a header's value, or the default."""
        value = self.fields.get(key.encode())
        return default if value is None else value.decode("latin-1").strip()

    def __getitem__(self, key: str) -> str:
        return self.fields[key.encode()].decode("latin-1").strip()

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self.fields)

    def __len__(self) -> int:
        return len(self.fields)


def event_stream(headers: Mapping[str, str]) -> str | None:
    """Return the content type if it is that of an event stream, else None.

    Amazon's is binary, and never goes on as it came: what its client gets is of the usual kind.
    """
    kind = headers.get("content-type", "")
    if kind.lower().startswith("application/vnd.amazon.eventstream"):
        return "text/event-stream"
    return kind if kind.startswith("text/event-stream") or kind.lower().startswith("text/event-stream") else None
