"""Alerts are silenced by a form of the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbd.page.forms import silence_path
from tests.fakes.scenes import Read
from tests.unit.ingress.test_alerts import alarm
from tests.unit.ingress.test_door import HTML, house, signed_in

ALERT = "error_rate:a/m-a"


async def test_an_alert_is_silenced_with_a_reason_and_an_end(tmp_path: Path) -> None:
    """By who signed in; and can be heard again."""
    async with house(tmp_path) as of:
        alarm(of)
        browser, csrf = await signed_in(of)
        path = silence_path(ALERT)
        async with browser.get(path, headers=HTML) as response:
            read = Read(await response.text())
        read.harmless()
        assert read.all("form", action=path) and read.all("input", name="csrf")[0]["value"] == csrf
        sent = {"csrf": csrf, "reason": "known <since> monday", "for_s": "3600"}
        async with browser.post(path, data=sent, headers=HTML) as response:
            assert response.status == 200
        (silence,) = of.app.alerts.document()["silences"]
        assert ALERT in silence.values() and "anna (page)" in silence.values()
        async with browser.post(path, data={**sent, "for_s": "0"}, headers=HTML) as response:
            assert response.status == 200
        assert not of.app.alerts.document()["silences"]


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"reason": " ", "for_s": "60"}, "Say why"),
        ({"reason": "x", "for_s": ""}, "The time must be"),
        ({"reason": "x", "for_s": "-1"}, "The time must be"),
        ({"reason": "x", "for_s": "99999999"}, "The time must be"),
    ],
)
async def test_a_wrong_form_is_asked_again(sent: dict[str, str], words: str, tmp_path: Path) -> None:
    """Nothing is silenced by it."""
    async with house(tmp_path) as of:
        alarm(of)
        browser, csrf = await signed_in(of)
        async with browser.post(silence_path(ALERT), data={**sent, "csrf": csrf}, headers=HTML) as response:
            assert response.status == 422 and words in await response.text()
        assert not of.app.alerts.document()["silences"]


async def test_only_who_is_signed_in_silences_what_there_is(tmp_path: Path) -> None:
    """Others are led to the form; what is not watched cannot be silenced."""
    async with house(tmp_path) as of:
        alarm(of)
        async with of.tcp.get(silence_path(ALERT), headers=HTML, allow_redirects=False) as response:
            assert response.status == 303 and response.headers["location"].startswith("/sign-in?next=%2Falerts")
        async with of.tcp.post(silence_path(ALERT), data={"reason": "x", "for_s": "60"}, headers=HTML) as response:
            assert response.status == 401
        async with of.tcp.get(silence_path("nothing:at-all"), headers=HTML) as response:
            assert response.status == 404
        assert not of.app.alerts.document()["silences"]
