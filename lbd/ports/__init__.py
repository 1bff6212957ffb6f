"""What the inside asks of the outside: protocols, and the small values that cross them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias, TypeVar

import msgspec

from lbd.model.failure import Failure
from lbd.model.ledger import Entry, Total
from lbd.model.units import Instant, Seconds, WallTime


class Timer(Protocol):
    """A scheduled call."""

    def cancel(self) -> None:
        """Forget it; harmless when it has run."""


class Env(Protocol):
    """Time and chance: the one door through which both come in."""

    def now(self) -> Instant:
        """Return the monotonic time in seconds."""

    def wall(self) -> WallTime:
        """Return seconds since the epoch, for records and people only."""

    def uniform(self) -> float:
        """Return a random number in [0, 1)."""

    def bits(self) -> int:
        """Return 64 random bits."""

    def call_at(self, when: Instant, call: Callable[[], object]) -> Timer:
        """Schedule ``call``."""

    async def sleep(self, seconds: Seconds) -> None:
        """Pause the current task."""


class Origin(msgspec.Struct, frozen=True, cache_hash=True):
    """Where a provider is, and how a connection to it is made."""

    scheme: str
    host: str
    port: int
    connect_timeout_s: Seconds = 3.0
    keepalive_s: Seconds = 15.0
    ca_file: str | None = None
    proxy: str | None = None

    @property
    def authority(self) -> str:
        """Return the Host header's value."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = {"http": 80, "https": 443}.get(self.scheme)
        return host if self.port == default else f"{host}:{self.port}"

    def __repr__(self) -> str:
        """Show no proxy: its URL may hold a password."""
        return f"Origin({self.scheme!r}, {self.authority!r})"


class Endpoint(msgspec.Struct, frozen=True):
    """Where and how one kind of request goes: everything about it that does not change from one to the next."""

    origin: Origin
    method: str
    path: str  # with the query
    headers: tuple[tuple[str, str], ...]
    pool: bool = True  # the connection may be used again afterwards
    lasting: bool = True  # False: made for one request, nothing of it is worth remembering
    own: bytes = b""  # header lines of that request alone, each with its line end
    like: Endpoint | None = None  # what it is but for them

    def __repr__(self) -> str:
        """Show no headers: one of them is the key."""
        return f"Endpoint({self.method!r}, {self.origin!r}, {self.path!r})"


Headers: TypeAlias = Mapping[str, str]


class Receiver(Protocol):
    """Takes one answer, in order: head, data and end; or failed, at any point, last."""

    def head(self, status: int, headers: Headers) -> None:
        """The status line and headers came (names in lower case)."""

    def data(self, chunk: bytes) -> None:
        """A piece of the body came."""

    def end(self) -> None:
        """The body is complete."""

    def failed(self, failure: Failure) -> None:
        """The connection broke or could not be made."""


class Exchange(Protocol):
    """One request under way."""

    def cancel(self) -> None:
        """Stop at once: the connection is closed so that the provider stops working. Nothing is called after."""

    def pause(self) -> None:
        """Stop reading: the client cannot take more."""

    def resume(self) -> None:
        """Read on."""

    def look(self) -> None:
        """Let it fail as stale if it is on a kept connection that nothing of it gets through."""


class Transport(Protocol):
    """Sends requests to providers; the answer comes to ``receiver``, and so does what goes wrong later."""

    def reuse(self, endpoint: Endpoint, body: bytes, receiver: Receiver) -> Exchange | None:
        """Send on an idle connection at once; None where there is none."""

    async def open(self, endpoint: Endpoint, body: bytes, receiver: Receiver, *, by: Instant) -> Exchange:
        """Send on a new connection, which must stand by ``by``.

        Raises :class:`~lbd.model.failure.LbdError` where no connection could be made.
        """

    async def close(self) -> None:
        """Close every idle connection."""


class Sends(Protocol):
    """The client's side of an answer that comes whole."""

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """Send a whole answer. ``headers`` are encoded fields, each with its line end."""


class Reply(Sends, Protocol):
    """The client's side of one answer. ``start`` once, then ``write``, then ``end``; or ``send`` alone."""

    @property
    def started(self) -> bool:
        """Tell whether a head went out."""

    def start(self, status: int, headers: bytes) -> None:
        """Send the head of a streamed answer."""

    def write(self, data: bytes) -> None:
        """Send a piece of a streamed answer."""

    def end(self, data: bytes = b"") -> None:
        """Send the last piece and finish."""

    def flow(self, pause: Callable[[], object], resume: Callable[[], object]) -> None:
        """Say whom to stop while the client cannot take more."""


T = TypeVar("T")


class Offload(Protocol):
    """Does long pure work in another thread: the event loop does not wait for it."""

    async def __call__(self, work: Callable[[], T], /) -> T:
        """Return what ``work`` returns, or raise what it raises."""


class StoreError(Exception):
    """The store could not do what was asked."""


class Store(Protocol):
    """Keeps state across restarts. No call of it is on the request path. Every call may raise StoreError."""

    async def load(self, table: str) -> dict[str, bytes]:
        """Return everything kept in ``table``."""

    async def save(self, table: str, rows: Mapping[str, bytes], *, gone: Sequence[str] = ()) -> None:
        """Keep these rows and forget those, in one transaction."""

    async def close(self) -> None:
        """Write what is pending and let go."""


class Blobs(Protocol):
    """Keeps contents of files by name across restarts. Every call may raise StoreError."""

    @property
    def most(self) -> int:
        """Return how many bytes may be kept in all."""

    async def put(self, name: str, data: bytes) -> None:
        """Keep a content as a whole: after a crash it is there or it is not."""

    async def append(self, name: str, data: bytes) -> None:
        """Add to a content, or begin it. Where that fails nothing is added."""

    async def read(self, name: str, offset: int = 0, size: int | None = None) -> bytes:
        """Return a piece of a content; nothing where there is none."""

    async def cut(self, name: str, size: int) -> None:
        """Forget what stands behind ``size`` bytes."""

    async def drop(self, names: Sequence[str]) -> None:
        """Forget these contents; those that are not there, too."""

    async def sizes(self) -> dict[str, int]:
        """Return the bytes of every content by its name."""

    async def close(self) -> None:
        """Finish what was begun, and let go."""


class Books(Protocol):
    """The ledger. No call of it is on the request path. Every call may raise StoreError."""

    async def append(self, entries: Sequence[Entry]) -> int:
        """Write entries that are not there yet; return how many were new."""

    async def totals(
        self, since: WallTime, until: WallTime, by: Sequence[str] = (), where: Mapping[str, str] | None = None
    ) -> list[Total]:
        """Return the sums of whole hours between two times, grouped. Raises ValueError for an unknown group."""

    async def entries(
        self, since: WallTime, until: WallTime, *, limit: int = 1000, where: Mapping[str, str] | None = None
    ) -> list[Entry]:
        """Return entries between two times, the youngest first. Raises ValueError for an unknown name."""

    async def forget(self, before: WallTime) -> int:
        """Delete entries from before a time; their sums stay."""

    async def close(self) -> None:
        """Write what is pending and let go."""
