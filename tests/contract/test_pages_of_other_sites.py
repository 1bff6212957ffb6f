"""What a browser can be made to send by a page of another site is refused by both listeners, and changes nothing.

Each case is what browsers really send: a page that has rebound its own name, a form, a script's simple request, a
picture, a frame, a socket.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.fakes.caller import Listening
from tests.fakes.house import House
from tests.fakes.wire import PATIENCE, on

EVIL = "evil.example"
CROSS = ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors")
BODY = b'{"model":"m-a","messages":[{"role":"user","content":"hi"}]}'
# lines beside the method and path; "HERE" is the listener's own authority
CASES: dict[str, tuple[str, ...]] = {
    "a name that was rebound": (f"Host: {EVIL}", "Content-Type: application/json"),
    "and its own origin": (f"Host: {EVIL}:80", f"Origin: http://{EVIL}:80", "Content-Type: application/json"),
    "a name below localhost": ("Host: localhost.evil.example", "Content-Type: application/json"),
    "localhost with a dot": ("Host: localhost.", "Content-Type: application/json"),
    "a foreign page": ("Host: HERE", f"Origin: https://{EVIL}", "Content-Type: application/json"),
    "a page in a sandbox": ("Host: HERE", "Origin: null", "Content-Type: application/json"),
    "a file": ("Host: HERE", "Origin: file://", "Content-Type: application/json"),
    "another port of this host": ("Host: HERE", "Origin: http://localhost:3000", "Content-Type: application/json"),
    "the same host by another address": ("Host: HERE", "Origin: http://[::1]:80", "Content-Type: application/json"),
    "a simple request": ("Host: HERE", f"Origin: https://{EVIL}", "Content-Type: text/plain"),
    "a simple request without an origin": ("Host: HERE", "Content-Type: text/plain"),
    "a form": ("Host: HERE", f"Origin: https://{EVIL}", "Content-Type: application/x-www-form-urlencoded"),
    "a form without an origin": ("Host: HERE", "Content-Type: application/x-www-form-urlencoded"),
    "no type at all": ("Host: HERE",),
    "by what the browser says": ("Host: HERE", *CROSS, "Content-Type: application/json"),
    "same site, another port": ("Host: HERE", "Sec-Fetch-Site: same-site", "Content-Type: application/json"),
    "a form that opens here": (
        *("Host: HERE", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"),
        "Content-Type: application/json",
    ),
    "a socket": (
        *("Host: HERE", f"Origin: https://{EVIL}", "Connection: Upgrade", "Upgrade: websocket"),
        *("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Content-Type: application/json"),
    ),
}
READS: dict[str, tuple[str, ...]] = {
    "a name that was rebound": (f"Host: {EVIL}",),
    "a picture": ("Host: HERE", *CROSS, "Sec-Fetch-Dest: image"),
    "a script": ("Host: HERE", *CROSS, "Sec-Fetch-Dest: script"),
    "a frame": ("Host: HERE", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"),
    "a fetch": ("Host: HERE", f"Origin: https://{EVIL}", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors"),
    "a socket": ("Host: HERE", f"Origin: https://{EVIL}", "Connection: Upgrade", "Upgrade: websocket"),
}
OWN: dict[str, tuple[str, ...]] = {
    "no browser": ("Host: HERE",),
    "the page itself": ("Host: HERE", "Origin: http://HERE", "Sec-Fetch-Site: same-origin"),
    "a person's address bar": ("Host: HERE", "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"),
    "a link": ("Host: HERE", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"),
    "an address": ("Host: 192.0.2.1:80",),
    "IPv6": ("Host: [::1]:80",),
    "another case": ("Host: LOCALHOST:80",),
}


async def send(port: int, method: str, path: str, lines: tuple[str, ...], body: bytes = b"") -> tuple[int, bytes]:
    """Make one request; return the status and everything that came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    fields = [line.replace("HERE", f"127.0.0.1:{port}") for line in lines]
    if not any("Upgrade" in f for f in fields):
        fields.append("Connection: close")
    writer.write(
        "\r\n".join([f"{method} {path} HTTP/1.1", *fields, f"Content-Length: {len(body)}", "", ""]).encode() + body
    )
    told = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
    writer.close()
    return int(told.split(b" ", 2)[1]), told


def test_no_other_site_s_page_gets_anything_done(tmp_path: Path) -> None:
    """Neither a request to a model nor a change of the daemon."""

    async def main() -> None:
        async with House(tmp_path) as house, Listening(house.app.api.handle, real=house.env) as api:
            asked = len([t for t in house.stage.taken if t.endpoint.method == "POST"])
            for name, lines in CASES.items():
                status, told = await send(api.port, "POST", "/v1/chat/completions", lines, BODY)
                assert status in (403, 415), (name, told)
                for path in ("/v1/deployments/a/m-a/drain", "/v1/config/reload", "/v1/explain"):
                    status, told = await send(house.port, "POST", path, lines, b"{}")
                    assert status in (401, 403, 415), (name, path, told)
                assert b"access-control" not in told.lower(), name
            for name, lines in READS.items():
                for port, path in ((api.port, "/v1/models"), (house.port, "/v1/providers"), (house.port, "/v1/config")):
                    status, told = await send(port, "GET", path, lines)
                    assert status == 403, (name, path, told)
            assert len([t for t in house.stage.taken if t.endpoint.method == "POST"]) == asked
            assert all(row.admin == "ready" for row in house.app.owner.rows)
            assert house.app.reloads.generation == 1

    on("asyncio", main())


def test_who_may_look_may(tmp_path: Path) -> None:
    """The page itself, a person who follows a link, and everything that is no browser."""

    async def main() -> None:
        async with House(tmp_path) as house, Listening(house.app.api.handle, real=house.env) as api:
            for name, lines in OWN.items():
                assert (await send(api.port, "GET", "/v1/models", lines))[0] == 200, name
                assert (await send(house.port, "GET", "/v1/providers", lines))[0] == 200, name

    on("asyncio", main())


def test_no_preflight_is_answered_with_leave(tmp_path: Path) -> None:
    """Neither listener speaks CORS: a browser that asks first gets no yes."""

    async def main() -> None:
        async with House(tmp_path) as house, Listening(house.app.api.handle, real=house.env) as api:
            lines = ("Host: HERE", f"Origin: https://{EVIL}", "Access-Control-Request-Method: POST")
            for port, path in ((api.port, "/v1/chat/completions"), (house.port, "/v1/config/reload")):
                status, told = await send(port, "OPTIONS", path, lines)
                assert status in (403, 405) and b"access-control" not in told.lower()

    on("asyncio", main())
