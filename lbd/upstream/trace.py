"""W3C trace context: a request goes on in its client's trace, or begins one; each attempt is a span of its own.

Ids are drawn from a Weyl sequence (a counter times an odd constant, from a random start), so they never repeat within
a run, are spread evenly over their range, as samplers by trace id need it, and cost no draw of the daemon's own chance:
decisions stay the same whether requests are traced or not.
"""

from __future__ import annotations

import re
import secrets
from typing import Protocol

import msgspec

from lbd.ports import Endpoint

_WEYL = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio, odd
_MASK = (1 << 64) - 1
_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_NONE = frozenset({"0" * 32, "0" * 16})
_NEVER = "ff"  # the version that there is not
# sampled, and that the id is random; what other flags mean is not known
_FLAGS = {f"{flags:02x}": f"{flags & 0x03:02x}" for flags in range(256)}
LONGEST_STATE = 512  # characters of a tracestate that must be passed on; of a longer one some members go
MOST_MEMBERS = 32  # of a tracestate; one with more is none
_LARGE = 128  # characters of a member that goes before smaller ones
_MEMBER = re.compile(r"([a-z0-9][a-z0-9_*/@-]{0,255})=[ !-+\--<>-~]{0,255}[!-+\--<>-~]", re.ASCII)


class Asks(Protocol):
    """A request as it came."""

    def header(self, name: str) -> str | None:
        """Return a header's value."""


class Trace(msgspec.Struct, frozen=True, gc=False):
    """The trace that one request is part of. ``id``: 32 hexadecimal digits, ``parent``: 16, its client's span."""

    ids: Ids
    id: str
    flags: str = "00"
    state: bytes = b""  # its client's tracestate, as a header line
    parent: str = ""

    def span(self) -> bytes:
        """Return the header lines of one more attempt: a new span of this trace."""
        return f"traceparent: 00-{self.id}-{self.ids.next():016x}-{self.flags}\r\n".encode() + self.state


def span_of(lines: bytes) -> str:
    """Return the id of a span by its header lines, "" where there are none."""
    return lines[49:65].decode("ascii")  # behind the name, the version and the trace's id


def state_of(line: bytes) -> str:
    """Return a tracestate by its header line, "" where there is none."""
    return line[12:-2].decode("ascii")


class Ids:
    """Where the ids of one run come from."""

    __slots__ = ("_at", "_prefix")

    def __init__(self, prefix: int | None = None, start: int | None = None) -> None:
        self._prefix = f"{prefix if prefix is not None else 1 + secrets.randbelow(_MASK):016x}"
        self._at = secrets.randbits(64) if start is None else start

    def next(self) -> int:
        """Return 64 bits that are not all 0."""
        self._at = at = (self._at + _WEYL) & _MASK
        return at or self.next()

    def trace(self, request: Asks) -> Trace:
        """Return the trace of a request: its client's where that is told as it should be, else a new one.

        The new one is not sampled: nobody has recorded it, and providers need not either.
        """
        told = request.header("traceparent")
        if told is not None and (found := _PARENT.fullmatch(told)) is not None:
            version, id_, parent, flags, more = found.groups()
            # a version that is not known yet may have more behind the flags
            if id_ not in _NONE and parent not in _NONE and version != _NEVER and (version != "00" or more is None):
                state = request.header("tracestate")
                return Trace(self, id_, _FLAGS[flags], b"" if state is None else _state(state), parent)
        return Trace(self, f"{self._prefix}{self.next():016x}")


NO_TRACE = Trace(Ids(), "")


def _state(text: str) -> bytes:
    """Return a tracestate as a header line; nothing of one that is not as W3C has it: whoever reads it reads all."""
    members: dict[str, str] = {}
    for part in text.split(","):
        told = part.strip(" \t")
        if not told:  # one may be empty
            continue
        found = _MEMBER.fullmatch(told)
        if found is None or found[1] in members or len(members) == MOST_MEMBERS:
            return b""
        members[found[1]] = told
    kept = _shortened(list(members.values()))
    return b"tracestate: %b\r\n" % ",".join(kept).encode() if kept else b""


def _shortened(members: list[str]) -> list[str]:
    """Return members that fit: the large ones go first, and of those alike the last, whom it is of least news."""
    while members and sum(map(len, members)) + len(members) - 1 > LONGEST_STATE:
        large = [i for i, member in enumerate(members) if len(member) > _LARGE]
        del members[large[-1] if large else -1]
    return members


def traced(endpoint: Endpoint, span: bytes) -> Endpoint:
    """Return the endpoint for one request with these header lines."""
    # by position: by name it takes half as long again
    return Endpoint(
        endpoint.origin, endpoint.method, endpoint.path, endpoint.headers, endpoint.pool, False, span, endpoint
    )
