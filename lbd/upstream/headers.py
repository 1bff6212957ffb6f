"""Response headers as they came, decoded when somebody looks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


class RawHeaders(Mapping[str, str]):
    """A mapping over raw header fields; names in lower case, repeated fields joined with a comma."""

    __slots__ = ("_decoded", "fields")

    def __init__(self, fields: list[tuple[bytes, bytes]]) -> None:
        self.fields = fields
        self._decoded: dict[str, str] | None = None

    def _all(self) -> dict[str, str]:
        if self._decoded is None:
            out: dict[str, str] = {}
            for raw_name, raw_value in self.fields:
                name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1").strip()
                out[name] = f"{out[name]}, {value}" if name in out else value
            self._decoded = out
        return self._decoded

    def __getitem__(self, name: str) -> str:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())
