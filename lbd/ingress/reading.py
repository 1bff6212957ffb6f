"""What a client sends on its connection, as requests: HTTP/1.1 by httptools, each request bounded.

The parser (llhttp, Node's) is the one that aiohttp compiles in too; what strangers may make it hold is bounded here:
head, fields, body, and what never ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import httptools

from lbd.ingress.crowd import Room
from lbd.ingress.inbound import Inbound
from lbd.ingress.repeat import Repeat, learn
from lbd.model.failure import Failure, FailureKind
from lbd.model.units import Instant
from lbd.ports import Env

MOST_HEAD = 64 * 1024
MOST_FIELDS = 128
MOST_MISSES = 4  # a client whose heads differ as often as this in a row is not worth looking for a repetition
MOST_READ = 256 * 1024  # bytes that one read may bring, the end of another request included


class Host(Protocol):
    """The listener that a request comes to, as far as reading it takes."""

    env: Env
    max_body: Callable[[], int]
    room: Room


class Reading:
    """Reads one connection's requests.

    ``take`` gets each when it is whole. ``asks`` is called where the client wants to know whether to send its body;
    ``waits`` stands while it has no answer to that.
    """

    __slots__ = (
        "_asks",
        "_body",
        "_body_size",
        "_gathered",
        "_head_size",
        "_host",
        "_inbound",
        "_latest",
        "_misses",
        "_offered",
        "_parser",
        "_repeat",
        "_take",
        "_url",
        "begun",
        "since",
        "waits",
    )

    def __init__(self, host: Host, take: Callable[[Inbound], None], asks: Callable[[], None]) -> None:
        self._host = host
        self._take = take
        self._asks = asks
        self._parser = httptools.HttpRequestParser(self)
        self._inbound: Inbound | None = None  # being received
        self._latest: Inbound | None = None  # received last
        self._repeat: Repeat | None = None
        self._misses = 0
        self._offered: Inbound | None = None  # offers another protocol, and its body is not read yet
        self._url = b""
        self._body: list[bytes] = []
        self._body_size = 0
        self._head_size = 0
        self._gathered: tuple[Inbound | None, int, int] = (None, 0, 0)
        self.begun = False  # a request, which is not whole yet
        self.since: Instant = 0.0  # when it began
        self.waits = False

    def feed(self, data: bytes) -> Failure | None:
        """Take in what came. Returns why nothing behind it can be understood, None while all can."""
        begun = self.begun
        if self._repeat is not None and not begun:
            inbound = self._repeat.read(data, self._host.max_body())
            if inbound is not None:
                self._misses = 0
                self._take_in(inbound)
                return None
            self._misses += 1
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as e:
            rest = data[e.args[0] :]
        except httptools.HttpParserError as e:
            cause = e.__context__
            if isinstance(cause, _Enough):
                return cause.failure
            return Failure(FailureKind.BAD_REQUEST, f"not an HTTP/1.1 request: {e}", code="bad_http")
        else:
            latest, self._latest = self._latest, None
            if self.begun:
                return self._unfinished(len(data))
            if not begun and latest is not None and self._misses < MOST_MISSES:
                self._repeat = learn(data, latest)
            return None
        return self._decline(rest)

    def _unfinished(self, size: int) -> Failure | None:
        """Bound what the parser gathers without a word: a field, or a trailer, that never ends."""
        of, seen, body = self._gathered
        if of is not self._inbound or body != self._body_size:
            seen = 0
        seen += size
        self._gathered = (self._inbound, seen, self._body_size)
        return _large_head() if seen > MOST_HEAD + MOST_READ else None

    def _decline(self, rest: bytes) -> Failure | None:
        """Decline an offer to speak something else (h2c) by answering in HTTP/1.1.

        The parser takes the body for the other protocol already, so the request is read again without the offer.
        """
        offered, self._offered = self._offered, None
        self._parser = httptools.HttpRequestParser(self)
        if offered is None:
            return None
        if offered.method == "CONNECT" or offered.refusal is not None:
            offered.keep_alive = False  # what follows was meant for the tunnel
            self._take(offered)
            return None
        return self.feed(offered.head(self._url) + rest)

    def _take_in(self, inbound: Inbound) -> None:
        """Serve a request that was read without the parser."""
        refusal = self._host.room.grow(0, len(inbound.body))
        if refusal is None:
            inbound.held = len(inbound.body)
        else:
            inbound.refusal, inbound.body = refusal, b""
        self._take(inbound)

    @property
    def in_head(self) -> bool:
        """Tell whether a head has begun that is not whole."""
        return self.begun and self._inbound is not None and not self._inbound.method

    @property
    def size(self) -> int:
        """Return how many bytes have come of a body that is not whole."""
        return self._body_size

    def drop(self) -> Inbound:
        """Give up what is not whole; returns it as far as its head was read."""
        self._drop_body()
        return Inbound() if self._inbound is None else self._inbound.again(b"")

    def close(self) -> None:
        """Let go of what knows this, when the connection has ended: else all would wait for the cycle collector."""
        self._drop_body()
        del self._parser
        self._take = self._asks = _nobody

    def _drop_body(self) -> None:
        self._host.room.release(self._body_size)
        self._body, self._body_size = [], 0

    # --- httptools -----------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        self._inbound = Inbound()
        self._url = b""
        self._head_size = 0
        self.begun = True
        self.since = self._host.env.now()

    def on_url(self, url: bytes) -> None:
        """A piece of the request target."""
        self._url += url
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header field."""
        self._head_size += len(name) + len(value) + 4
        if self._head_size > MOST_HEAD:
            self._count(0)
        inbound = self._inbound
        if inbound is not None and inbound.add(name, value) > MOST_FIELDS:
            raise _Enough(Failure(FailureKind.TOO_LARGE, f"more than {MOST_FIELDS} header fields", status=431))

    def _count(self, size: int) -> None:
        self._head_size += size
        if self._head_size > MOST_HEAD:
            raise _Enough(_large_head())

    def on_headers_complete(self) -> None:
        """The head is complete."""
        inbound = self._inbound
        if inbound is None:
            return
        inbound.method = self._parser.get_method().decode("latin-1")
        path, _, query = self._url.partition(b"?")
        inbound.path, inbound.query = path.decode("latin-1"), query.decode("latin-1")
        version = self._parser.get_http_version()
        if version not in ("1.0", "1.1"):
            raise _Enough(Failure(FailureKind.BAD_REQUEST, f"HTTP/{version} is not spoken here", code="bad_http"))
        inbound.old = version == "1.0"
        if (unsure := inbound.unsure_end()) is not None:
            raise _Enough(unsure)
        told = inbound.field(b"content-length")
        if told is not None and int(told) > self._host.max_body():
            raise _Enough(self._too_large())
        if inbound.field(b"host") is None and not inbound.old and inbound.refusal is None:
            inbound.refusal = Failure(FailureKind.BAD_REQUEST, "an HTTP/1.1 request needs a Host header")
        expect = inbound.field(b"expect")
        if expect is not None and expect.lower() == b"100-continue" and not inbound.old:  # RFC 9110, 10.1.1
            self.waits = True
            self._asks()

    def on_chunk_header(self) -> None:
        """A chunk of the body begins, or the trailers do."""
        if self._inbound is not None and not self._inbound.closed:
            self._inbound.close()

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        size = self._body_size + len(data)
        if size > self._host.max_body():
            raise _Enough(self._too_large())
        refusal = self._host.room.grow(self._body_size, size)
        if refusal is not None:
            raise _Enough(refusal)
        self._body_size = size
        self._body.append(data)
        self.waits = False

    def _too_large(self) -> Failure:
        limit = self._host.max_body()
        text = f"the body is larger than limits.max_body_bytes, {limit}"
        return Failure(FailureKind.TOO_LARGE, text, code="body_too_large")

    def on_message_complete(self) -> None:
        """The request is complete: serve it, or keep it while another one is being served."""
        inbound, self._inbound = self._inbound, None
        if inbound is None:
            return
        inbound.keep_alive = self._parser.should_keep_alive()
        self._latest = inbound
        body = self._body
        inbound.body = body[0] if len(body) == 1 else b"".join(body)
        inbound.held = self._body_size
        self._body, self._body_size = [], 0
        self.begun = False
        if self._parser.should_upgrade():
            self._offered = inbound
        else:
            self.waits = False
            self._take(inbound)


def _large_head() -> Failure:
    return Failure(FailureKind.TOO_LARGE, f"a request head over {MOST_HEAD} bytes", status=431)


def _nobody(*_: object) -> None:
    pass


class _Enough(Exception):
    """Raised out of a parser callback: a bound is broken."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure
