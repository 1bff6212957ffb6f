"""Puts traces before a collector: OTLP over HTTP, one connection that is kept, no redirects followed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from lbd import __version__
from lbd.model.tracing import PATH, TracesSpec
from lbd.model.units import Seconds, WallTime
from lbd.observe.otlp import CONTENT_TYPE
from lbd.shapes.limits import retry_after_s
from lbd.shapes.veil import Veil
from lbd.upstream import sockets

if TYPE_CHECKING:
    import aiohttp

CONNECT_TIMEOUT: Seconds = 3.0
MOST_READ = 64 * 1024  # bytes of an answer
MOST_SAID = 200  # characters of a refusal that are told
# by the protocol's specification; every other refusal is for good
PASSING = frozenset({429, 502, 503, 504})


class Answered(NamedTuple):
    """What a collector answered. ``status`` 0: nothing. ``wait_s``: how long it asked to be left alone."""

    status: int
    body: bytes = b""
    error: str = ""  # why it was not taken, without the URL and the headers, which may be keys
    wait_s: Seconds | None = None

    @property
    def taken(self) -> bool:
        """Tell whether it took the spans, or said which of them not."""
        return 200 <= self.status < 300

    @property
    def passing(self) -> bool:
        """Tell whether the same may be taken later."""
        return self.status == 0 or self.status in PASSING


class Exports(Protocol):
    """Puts a body before a collector."""

    async def __call__(self, to: TracesSpec, body: bytes, wall: WallTime, within_s: Seconds) -> Answered:
        """Return what it answered within so long. Raises nothing but CancelledError."""

    async def close(self) -> None:
        """Let go of connections."""


class Export:
    """Implements :class:`Exports`. The session is made when the first trace is sent: most daemons send none."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, to: TracesSpec, body: bytes, wall: WallTime, within_s: Seconds) -> Answered:
        """Post it."""
        import aiohttp

        if self._session is None:
            connector = aiohttp.TCPConnector(socket_factory=sockets.new)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        own = {"content-type": CONTENT_TYPE, "user-agent": f"lbd/{__version__}"}
        headers = own | {name: value.reveal() for name, value in to.headers}
        timeout = aiohttp.ClientTimeout(total=within_s, sock_connect=CONNECT_TIMEOUT)
        try:
            sent = self._session.post(
                to.url.reveal(), data=body, headers=headers, timeout=timeout, allow_redirects=False
            )
            async with sent as response:
                told = await response.content.read(MOST_READ)
                if 200 <= response.status < 300:
                    return Answered(response.status, told)
                wait = retry_after_s({k.lower(): v for k, v in response.headers.items()}, wall)
                text = _hidden(f"HTTP {response.status}: {_readable(told)}".rstrip(": "), to)
                return Answered(response.status, told, text, wait)
        except TimeoutError:
            return Answered(0, error=f"no answer within {within_s:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as e:
            return Answered(0, error=_hidden(f"{type(e).__name__}: {e}"[:MOST_SAID], to))

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _readable(told: bytes) -> str:
    """Return the words in an answer: it may be text, or a message of which the text is a part."""
    text = "".join(c if c.isprintable() else " " for c in told.decode("utf-8", "replace") if c != "\ufffd")
    return " ".join(text.split())[:MOST_SAID]


def _hidden(text: str, to: TracesSpec) -> str:
    """Return a text without keys: a header's value, or what of the URL may be one, which leaves its host."""
    url = urlsplit(to.url.reveal())
    user, password = unquote(url.username or ""), unquote(url.password or "")
    keys = [word for _, value in to.headers for word in (value.reveal(), *value.reveal().split()[1:])]
    path = url.path.removesuffix(PATH).strip("/")
    return Veil([*keys, f"{user}:{password}" if password else "", password, user, path, url.query]).hide(text)
