"""The operator's page over HTTP."""

from __future__ import annotations

import gzip
from pathlib import Path

import aiohttp
import pytest

from lbd.ingress.problem import Problem
from lbd.model.batch import Batch, Counts, Status
from lbd.page import forms, shell, table
from lbd.ports import StoreError
from tests.fakes.house import House
from tests.fakes.relay import row
from tests.fakes.scenes import Read
from tests.fakes.stage import answer, refusal, whole
from tests.fakes.wire import until
from tests.unit.ingress.test_door import HTML, house, signed_in


async def test_a_browser_gets_the_page_and_a_script_the_index(tmp_path: Path) -> None:
    """From the same path."""
    async with House(tmp_path) as of:
        async with of.tcp.get("/", headers=HTML) as response:
            assert response.status == 200 and response.content_type == "text/html"
            read = Read(await response.text())
        read.harmless()
        assert {"row-a/m-a", "row-b/m-b", "flow", "money", "events"} <= {a.get("id") for _, a in read.elements}
        async with of.tcp.get("/", headers={"accept": "*/*"}) as response:
            assert "/decisions/{id}" in (await response.json())["paths"]


async def test_every_page_has_the_policy_and_is_not_kept(tmp_path: Path) -> None:
    """Also those that say what is wrong."""
    async with House(tmp_path) as of:
        of.stage.plan(0.001, *answer(whole()), host="a")
        await of.ask()
        id_ = of.app.journal.last(1)[0].id
        for path in (
            "/",
            "/decisions",
            f"/decisions/{id_}",
            "/events",
            "/deployments/a/m-a",
            "/sign-in",
            "/decisions/x",
        ):
            async with of.tcp.get(path, headers=HTML) as response:
                for name, value in shell.HEADERS.items():
                    assert response.headers[name] == value, (path, name)
                Read(await response.text()).harmless()


async def test_background_work_is_shown_where_there_is_some(tmp_path: Path) -> None:
    """What waits, until when, and what got no answer; hidden before."""
    late = Batch("b1", "bot", "/v1/embeddings", "f", "24h", 1, 9, status=Status.EXPIRED, counts=Counts(3, 1, 2))
    for kept in ({}, {"b1": late}):
        async with House(tmp_path) as of:
            of.app.shelf.batches.update(kept)
            async with of.tcp.get("/", headers=HTML) as response:
                panel = Read(await response.text()).all("section", id="queue")[0]
                assert ("hidden" in panel) is not bool(kept)


async def test_a_page_view_asks_no_provider_anything(tmp_path: Path) -> None:
    """Whatever is opened."""
    async with House(tmp_path) as of:
        await until(lambda: all(r.probes for r in of.app.owner.rows))
        asked = len(of.stage.taken)
        for path in ("/", "/decisions", "/events", "/deployments/a/m-a", "/v1/deployments/a/m-a"):
            async with of.tcp.get(path, headers=HTML) as response:
                assert response.status == 200
        assert len(of.stage.taken) == asked


async def test_a_page_is_packed_where_that_is_taken(tmp_path: Path) -> None:
    """To a fraction."""
    async with House(tmp_path) as of:
        client = aiohttp.ClientSession(f"http://127.0.0.1:{of.port}", auto_decompress=False)
        async with client, client.get("/", headers={**HTML, "accept-encoding": "gzip"}) as response:
            body = await response.read()
        assert response.headers["content-encoding"] == "gzip" and len(body) < len(gzip.decompress(body)) / 2


async def test_a_row_opens_with_its_failures_and_its_history(tmp_path: Path) -> None:
    """As a page, and as JSON for the chart."""
    async with House(tmp_path) as of:
        of.stage.plan(0.001, *answer(refusal("<b>boom</b>"), 500), host="a")
        of.stage.plan(0.001, *answer(whole()), host="b")
        await of.ask()
        async with of.tcp.get("/v1/deployments/a/m-a") as response:
            told = await response.json()
        assert ("server_error", "b/m-b") in [(f["kind"], f["served_by"]) for f in told["failures"]]
        async with of.tcp.get("/deployments/a/m-a", headers=HTML) as response:
            read = Read(await response.text())
        read.harmless()
        assert "<b>boom</b>" in read.text and read.all("a", href=f"/decisions/{told['failures'][0]['request']}")
        assert told["deployment"]["id"] == "a/m-a" and told["tier"] == "primary"
        assert len(told["history"]["ttft_p95_s"]) == 360 == len(told["history"]["rps"])
        for id_ in ("a/none", "none/m-a"):
            async with of.tcp.get(f"/v1/deployments/{id_}") as response:
                assert response.status == 404
            async with of.tcp.get(f"/deployments/{id_}", headers=HTML) as response:
                assert response.status == 404


async def test_a_name_with_a_slash_has_a_page(tmp_path: Path) -> None:
    """As model names of open weights have."""
    async with House(tmp_path, row("a", model="org/model")) as of:
        id_ = of.app.owner.rows[0].spec.id
        async with of.tcp.get(table.path(id_), headers=HTML) as response:
            assert response.status == 200 and f"<h1>{id_}</h1>" in await response.text()


async def test_a_decision_opens_to_its_candidates(tmp_path: Path) -> None:
    """The list leads there."""
    async with House(tmp_path) as of:
        of.stage.plan(0.001, *answer(whole()), host="a")
        await of.ask()
        id_ = of.app.journal.last(1)[0].id
        async with of.tcp.get("/decisions", headers=HTML) as response:
            assert f'href="/decisions/{id_}"' in await response.text()
        async with of.tcp.get(f"/decisions/{id_}", headers=HTML) as response:
            text = Read(await response.text()).text
        assert "Decision 1" in text and "latency x1" in text


async def test_an_event_has_a_link_to_keep(tmp_path: Path) -> None:
    """Until it is forgotten."""
    async with House(tmp_path) as of:
        of.app.owner.emit("something", "a/m-a", "because")
        number = of.app.timeline.last(1)[0].id
        async with of.tcp.get(f"/events/{number}", headers=HTML) as response:
            read = Read(await response.text())
        assert any(a.get("class", "").endswith("shown") for a in read.all("li", id=f"e{number}"))
        for gone in ("99999", "x", "-1", "9" * 30):
            async with of.tcp.get(f"/events/{gone}", headers=HTML) as response:
                assert response.status == 404
        async with of.tcp.get("/events?subject=nobody", headers=HTML) as response:
            assert "nothing has happened yet" in await response.text()


async def test_a_ledger_that_cannot_be_read_leaves_the_page(tmp_path: Path) -> None:
    """And is said."""
    async with House(tmp_path) as of:

        async def broken(*_: object) -> None:
            raise StoreError("disk")

        of.console.accounts.savings = broken  # type: ignore[method-assign,assignment]
        async with of.tcp.get("/", headers=HTML) as response:
            assert response.status == 200 and "the ledger cannot be read" in await response.text()


# --- orders -------------------------------------------------------------------------------------------


async def test_an_order_is_given_by_a_form_and_leaves_an_event(tmp_path: Path) -> None:
    """With who and why, and an end of its own where one was asked for."""
    async with house(tmp_path) as of:
        browser, csrf = await signed_in(of)
        async with browser.get("/deployments/a/m-a/drain", headers=HTML) as response:
            assert f'value="{csrf}"' in await response.text()
        sent = {"csrf": csrf, "reason": " quota\n moves ", "for_s": "1800"}
        async with browser.post("/deployments/a/m-a/drain", data=sent, headers=HTML) as response:
            text = Read(await response.text()).text
            assert response.status == 200 and "Drain: done." in text and "drain, ends in" in text
        told = of.app.timeline.last(1)[0]
        assert (told.kind, told.by, told.reason) == ("admin_drain", "anna (page)", "quota moves")
        assert of.app.owner.rows[0].admin == "drain" and told.evidence == {"for_s": 1800.0}


@pytest.mark.parametrize("action", forms.ACTIONS)
async def test_every_order_can_be_given(action: str, tmp_path: Path) -> None:
    """Each leaves an event by whoever signed in."""
    async with house(tmp_path) as of:
        browser, csrf = await signed_in(of)
        sent = {"csrf": csrf, "reason": "r", "weight": "0.5", "for_s": ""}
        async with browser.post(
            f"/deployments/a/m-a/{action}", data=sent, headers=HTML, allow_redirects=False
        ) as response:
            assert response.status == 303 and response.headers["location"].endswith(f"?done={action}")
        assert any(e.by == "anna (page)" for e in of.app.timeline.last())


@pytest.mark.parametrize(
    ("action", "sent", "words"),
    [
        ("drain", {"reason": "  "}, "Say why"),
        ("drain", {"reason": "x", "for_s": "soon"}, "The time must be"),
        ("drain", {"reason": "x", "for_s": "99999999"}, "The time must be"),
        ("weight", {"reason": "x", "weight": "many"}, "must be a number"),
        ("weight", {"reason": "x", "weight": "-1"}, "or empty"),
        ("weight", {"reason": "x", "weight": "nan"}, "or empty"),
    ],
)
async def test_a_wrong_order_is_asked_again(action: str, sent: dict[str, str], words: str, tmp_path: Path) -> None:
    """Nothing was done, and what was written is kept."""
    async with house(tmp_path) as of:
        browser, csrf = await signed_in(of)
        async with browser.post(f"/deployments/a/m-a/{action}", data={**sent, "csrf": csrf}, headers=HTML) as response:
            assert response.status == 422 and words in await response.text()
        assert of.app.owner.rows[0].admin == "ready" and of.app.owner.rows[0].admin_weight is None


async def test_who_is_not_signed_in_is_led_to_the_form(tmp_path: Path) -> None:
    """And an order without a session is none; what nobody can order is not there."""
    async with house(tmp_path) as of:
        async with of.tcp.get("/deployments/a/m-a/drain", headers=HTML, allow_redirects=False) as response:
            assert response.headers["location"] == "/sign-in?next=%2Fdeployments%2Fa%2Fm-a%2Fdrain"
        async with of.tcp.post("/deployments/a/m-a/drain", data={"reason": "x"}, headers=HTML) as response:
            assert response.status == 401
        async with of.tcp.get("/deployments/a/m-a/explode", headers=HTML) as response:
            assert response.status == 404
        assert of.app.owner.rows[0].admin == "ready"


async def test_a_plan_that_cannot_be_told_leaves_the_row(tmp_path: Path) -> None:
    """The rest of the page stands."""
    async with House(tmp_path) as of:

        def refuse(*_: object) -> None:
            raise Problem(422, "no")

        of.console.explain = refuse  # type: ignore[method-assign,assignment]
        async with of.tcp.get("/deployments/a/m-a", headers=HTML) as response:
            assert response.status == 200 and "What would be decided" not in await response.text()
