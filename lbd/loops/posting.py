"""Sends documents to receivers of alerts: one client of its own, short time-outs, no redirects followed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from lbd.model.secret import Secret
from lbd.model.units import Seconds
from lbd.shapes.veil import Veil
from lbd.upstream import sockets

if TYPE_CHECKING:
    import aiohttp

TIMEOUT: Seconds = 10.0
CONNECT_TIMEOUT: Seconds = 3.0
MOST_SAID = 200  # characters of a refusal that are told


class Posts(Protocol):
    """Puts a document before somebody."""

    async def __call__(self, url: Secret, body: bytes) -> str | None:
        """Return None once it was taken, else why it was not: never with the URL in it, which may be a key."""

    async def close(self) -> None:
        """Let go of connections."""


class Post:
    """Implements :class:`Posts` over HTTP. The session is made when the first alert is sent: most daemons send none."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, url: Secret, body: bytes) -> str | None:
        """Post a JSON document."""
        import aiohttp

        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=TIMEOUT, sock_connect=CONNECT_TIMEOUT)
            connector = aiohttp.TCPConnector(socket_factory=sockets.new)
            jar = aiohttp.DummyCookieJar()
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=jar)
        headers = {"content-type": "application/json", "user-agent": "lbd"}
        try:
            sent = self._session.post(url.reveal(), data=body, headers=headers, allow_redirects=False)
            async with sent as response:
                if 200 <= response.status < 300:
                    return None
                said = (await response.content.read(4 * MOST_SAID)).decode("utf-8", "replace")
                return _hidden(f"HTTP {response.status}: {' '.join(said.split())[:MOST_SAID]}".rstrip(": "), url)
        except TimeoutError:
            return f"no answer within {TIMEOUT:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as e:
            return _hidden(f"{type(e).__name__}: {e}"[:MOST_SAID], url)

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _hidden(text: str, url: Secret) -> str:
    """Return the text without the URL: neither its user and password, nor what follows its host."""
    parts = urlsplit(url.reveal())
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    behind = url.reveal().partition("://")[2].partition("/")[2]
    secrets = [url.reveal(), f"{user}:{password}" if password else "", password, user, *behind.split("/")[-1:], behind]
    return Veil(secrets).hide(text)
