"""The door of the page: signing in and out, and forms that only the page itself can send."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from lbd.ingress import door
from lbd.ingress.session import GUESSES
from tests.fakes.house import House

TOKEN = "let-me-in-1"
HTML = {"accept": "text/html"}


def house(folder: Path, **admin: Any) -> House:
    return House(folder, admin={"token": TOKEN, **admin})


async def signed_in(of: House, name: str = "anna") -> tuple[aiohttp.ClientSession, str]:
    """Return a browser that is signed in, and what its forms carry."""
    jar = aiohttp.CookieJar(unsafe=True)
    browser = of._client(aiohttp.TCPConnector(), f"http://127.0.0.1:{of.port}")
    browser._cookie_jar = jar  # type: ignore[assignment]
    async with browser.post("/sign-in", data={"token": TOKEN, "name": name, "next": "/"}, headers=HTML) as response:
        text = await response.text()
        assert response.status == 200, text
    return browser, text.split('name="csrf" value="')[1].split('"')[0]


async def test_signing_in_sets_a_cookie_that_no_script_and_no_other_site_has(tmp_path: Path) -> None:
    """And leads on to where it began."""
    async with house(tmp_path) as of:
        sent = {"token": TOKEN, "name": "anna", "next": "/decisions"}
        async with of.tcp.post("/sign-in", data=sent, allow_redirects=False) as response:
            assert response.status == 303 and response.headers["location"] == "/decisions"
            cookie = response.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Max-Age=43200" in cookie
        assert cookie.startswith(f"lbd_session_{of.port}=") and TOKEN not in cookie


@pytest.mark.parametrize(
    "next_", ["//evil.example", "https://evil.example", "/\\evil", "x", "/a\r\nb: c", "/" + "a" * 600]
)
def test_nobody_is_led_elsewhere(next_: str) -> None:
    """Whatever stands in the link."""
    assert door._own(next_) == "/"
    assert door._own("/deployments/a/b%2Fc/drain") == "/deployments/a/b%2Fc/drain"


async def test_a_wrong_token_is_refused_and_guessing_made_slow(tmp_path: Path) -> None:
    """In words, without saying how wrong."""
    async with house(tmp_path) as of:
        for _ in range(GUESSES):
            async with of.tcp.post("/sign-in", data={"token": "wrong"}) as response:
                assert response.status == 403 and "not the token" in await response.text()
        async with of.tcp.post("/sign-in", data={"token": TOKEN}) as response:
            assert response.status == 429 and "Too many wrong tokens" in await response.text()


async def test_signing_out_needs_the_page_s_own_form(tmp_path: Path) -> None:
    """Then the cookie is worth nothing any more."""
    async with house(tmp_path) as of:
        browser, csrf = await signed_in(of)
        async with browser.post("/sign-out", data={"csrf": "guess"}, headers=HTML) as response:
            assert response.status == 403
        async with browser.get("/", headers=HTML) as response:
            assert "anna" in await response.text()
        async with browser.post("/sign-out", data={"csrf": csrf}, headers=HTML) as response:
            assert response.status == 200 and "Sign in" in await response.text()


async def test_without_a_token_there_is_no_way_in(tmp_path: Path) -> None:
    """And the page says what to set."""
    async with House(tmp_path) as of:
        async with of.tcp.get("/sign-in", headers=HTML) as response:
            assert "admin.token" in await response.text()
        async with of.tcp.post("/sign-in", data={"token": ""}, headers=HTML) as response:
            assert response.status == 403


async def test_a_form_of_another_site_or_kind_is_refused(tmp_path: Path) -> None:
    """By its Origin, and by its content type."""
    async with house(tmp_path) as of:
        browser, csrf = await signed_in(of)
        path, sent = "/deployments/a/m-a/drain", {"csrf": csrf, "reason": "x"}
        async with browser.post(path, data=sent, headers={"origin": "https://evil.example"}) as response:
            assert response.status == 403
        async with browser.post(path, json=sent) as response:
            assert response.status == 415
        async with browser.post("/v1/deployments/a/m-a/drain", json={"reason": "x"}) as response:
            assert response.status == 401  # the cookie is good for the page's forms alone
        assert of.app.owner.rows[0].admin == "ready"


async def test_from_elsewhere_the_page_wants_a_session(tmp_path: Path) -> None:
    """A browser is led to the form, a script is told; style and form are open."""
    async with house(tmp_path, listen="0.0.0.0:1") as of:
        async with of.tcp.get("/events", headers=HTML, allow_redirects=False) as response:
            assert response.status == 303 and response.headers["location"] == "/sign-in?next=%2Fevents"
        async with of.tcp.get("/v1/providers") as response:
            assert response.status == 401
        for path in ("/sign-in", of.admin.page.assets.css):
            async with of.tcp.get(path, headers=HTML) as response:
                assert response.status == 200, path
        browser, _ = await signed_in(of)
        for path in ("/", "/events", "/v1/providers", "/v1/deployments/a/m-a"):
            async with browser.get(path, headers=HTML) as response:
                assert response.status == 200, path


async def test_a_problem_is_a_page_for_a_browser_and_json_for_others(tmp_path: Path) -> None:
    """With the same status."""
    async with house(tmp_path) as of:
        async with of.tcp.get("/nothing", headers=HTML) as response:
            assert response.status == 404 and response.content_type == "text/html"
        async with of.tcp.get("/nothing") as response:
            assert response.status == 404 and response.content_type == "application/problem+json"
