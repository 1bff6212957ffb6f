"""The admin API over TCP and the unix socket: reads are free, changes need a right and leave an event."""

from __future__ import annotations

import asyncio
import getpass
import gzip
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from lbd.ingress import admin as module
from lbd.model.table import AdminState
from tests.fakes.house import House
from tests.fakes.relay import row
from tests.fakes.stage import answer, end, head, refusal, say, stream, whole
from tests.fakes.wire import a_moment, until

READS = {
    "/": "application/json",
    "/livez": "text/plain",
    "/readyz": "text/plain",
    "/health": "application/health+json",
    "/metrics": "text/plain",
    "/v1/providers": "application/json",
    "/v1/events": "application/json",
    "/v1/decisions": "application/json",
    "/v1/config": "application/json",
}
ACTIONS = ("drain", "ready", "maint", "weight", "reset-breaker", "probe-now")
CHANGES = [f"/v1/deployments/a/m-a/{action}" for action in ACTIONS] + ["/v1/config/reload", "/v1/config/check"]
BODY = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}
TOKEN = "admin-token-1"


async def problem(response: aiohttp.ClientResponse, status: int) -> dict[str, Any]:
    """Return the problem document of an answer."""
    assert response.status == status, await response.text()
    assert response.content_type == "application/problem+json"
    document = await response.json(content_type=None)
    assert document["status"] == status and document["title"] and document["detail"]
    assert document["type"] == "about:blank"
    return dict(document)


# --- reads --------------------------------------------------------------------------------------------


async def test_every_read_is_answered_on_both_listeners(tmp_path: Path) -> None:
    """GET and HEAD, with the right type; from this host no token is asked."""
    async with House(tmp_path) as house:
        await until(lambda: house.app.owner.rows[0].probes)
        for client in (house.tcp, house.unix):
            for path, kind in READS.items():
                async with client.get(path) as response:
                    assert response.status == 200, (path, await response.text())
                    assert response.content_type == kind
                    size = len(await response.read())
                async with client.head(path) as response:
                    assert response.status == 200 and not await response.read()
                    assert abs(int(response.headers["content-length"]) - size) < 200


async def test_the_index_lists_every_path(tmp_path: Path) -> None:
    """Nothing has to be guessed."""
    async with House(tmp_path) as house, house.tcp.get("/") as response:
        told = await response.json()
        assert set(READS) <= set(told["paths"])
        assert {"/v1/explain", "/v1/config/reload", "/v1/config/check", "/v1/decisions/{id}"} <= set(told["paths"])
        assert "/v1/deployments/{provider}/{name}/{action}" in told["paths"]


async def test_what_is_not_there_and_what_may_not_be_done_are_problems(tmp_path: Path) -> None:
    """404 with a hint, 405 with what is taken, in problem+json like everything else."""
    async with House(tmp_path) as house:
        for client in (house.tcp, house.unix):
            async with client.get("/v2") as response:
                assert "GET / lists" in (await problem(response, 404))["detail"]
        async with house.unix.delete("/v1/providers") as response:
            assert "GET" in (await problem(response, 405))["detail"]
        async with house.unix.get("/v1/explain") as response:
            assert "POST" in (await problem(response, 405))["detail"]


async def test_readiness_follows_the_table_and_the_drain(tmp_path: Path) -> None:
    """503 and why, in a word; liveness stays."""
    async with House(tmp_path) as house:
        async with house.tcp.get("/readyz") as response:
            assert (response.status, await response.text()) == (200, "ready\n")
        for made in house.app.owner.rows:
            house.app.owner.order(made, AdminState.MAINT, by="me", reason="x")
        async with house.tcp.get("/readyz") as response:
            assert (response.status, await response.text()) == (503, "no deployment can serve\n")
        house.app.draining = True
        async with house.tcp.get("/readyz") as response:
            assert (response.status, await response.text()) == (503, "draining\n")
        async with house.tcp.get("/livez") as response:
            assert response.status == 200
        async with house.tcp.get("/health") as response:
            assert response.status == 503
            document = await response.json(content_type=None)
            assert document["status"] == "fail" and document["output"]


async def test_health_is_the_draft_for_health_checks(tmp_path: Path) -> None:
    """Status, release, and a check with component type and time for each row and the daemon's own parts."""
    async with House(tmp_path) as house, house.tcp.get("/health") as response:
        document = await response.json(content_type=None)
        assert document["status"] in ("pass", "warn") and document["serviceId"] == "lbd"
        assert response.headers["cache-control"] == "max-age=1"
        assert {"a/m-a:state", "a/m-a:responseTime", "b/m-b:errorRate", "store:uptime", "loop:lag"} <= set(
            document["checks"]
        )
        for checks in document["checks"].values():
            for check in checks:
                assert (
                    check["status"] in ("pass", "warn", "fail")
                    and check["time"].endswith("Z")
                    and check["componentType"]
                )


async def test_the_provider_table_is_not_sent_again_while_it_is_the_same(tmp_path: Path) -> None:
    """ETag and 304; another state has another one."""
    async with House(tmp_path) as house:
        await until(lambda: all(r.state == "up" for r in house.app.owner.rows))
        house.env.now = partial(float, house.env.now())
        async with house.tcp.get("/v1/providers") as response:
            etag = response.headers["etag"]
            assert [r["id"] for t in (await response.json())["tiers"] for r in t["deployments"]] == ["a/m-a", "b/m-b"]
            assert response.headers["cache-control"] == "no-cache"
        async with house.tcp.get("/v1/providers", headers={"if-none-match": etag}) as response:
            assert response.status == 304 and response.headers["etag"] == etag and not await response.read()
        house.app.owner.order(house.app.owner.rows[0], AdminState.DRAIN, by="me", reason="x")
        async with house.tcp.get("/v1/providers", headers={"if-none-match": etag}) as response:
            assert response.status == 200 and response.headers["etag"] != etag


async def test_health_is_not_sent_again_while_nothing_has_changed(tmp_path: Path) -> None:
    """ETag and 304, whatever the clock says; but a failure is always told."""
    async with House(tmp_path) as house:
        await until(lambda: all(r.state == "up" for r in house.app.owner.rows))
        async with house.tcp.get("/health") as response:
            etag = response.headers["etag"]
            first = await response.json(content_type=None)
        await a_moment(0.01)
        for told in (etag, f'"x", {etag}', etag.removeprefix("W/"), "*"):
            async with house.tcp.get("/health", headers={"if-none-match": told}) as response:
                assert response.status == 304 and response.headers["etag"] == etag and not await response.read()
                assert response.headers["cache-control"] == "max-age=1"
        house.app.persistence.up = False
        async with house.tcp.get("/health", headers={"if-none-match": etag}) as response:
            assert response.status == 200 and response.headers["etag"] != etag
            assert (await response.json(content_type=None))["status"] == "warn" != first["status"]
        house.app.draining = True
        for told in (etag, "*"):
            async with house.tcp.get("/health", headers={"if-none-match": told}) as response:
                assert response.status == 503 and await response.read()


async def test_metrics_are_prometheus_text_or_openmetrics(tmp_path: Path) -> None:
    """By what is accepted; promtool has nothing to say about them."""
    async with House(tmp_path) as house:
        house.stage.plan(0.001, head(), say(stream("hi")), end, host="a")
        await house.ask(stream=True)
        async with house.tcp.get("/metrics") as response:
            text = await response.text()
            assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
            assert "lbd_requests_total{" in text and 'deployment="a/m-a"' in text
        async with house.tcp.get(
            "/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"}
        ) as response:
            opened = await response.text()
            assert response.headers["content-type"].startswith("application/openmetrics-text")
            assert opened.endswith("# EOF\n")
        promtool = shutil.which("promtool")
        if promtool is None:
            pytest.skip("promtool is not installed: only the format was checked")
        done = await asyncio.to_thread(
            subprocess.run, [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0 and not done.stderr, done.stderr


async def test_decisions_are_found_by_request_id_and_replay(tmp_path: Path) -> None:
    """Each with its ranking and that it executes again to the same choice; the last ones are listed, youngest first."""
    async with House(tmp_path) as house:
        house.stage.plan(0.001, *answer(refusal("broken"), 401), host="a")
        house.stage.plan(0.001, *answer(whole()), host="b")
        moved = await house.ask()
        house.stage.plan(0.001, *answer(whole()), host="b")
        plain = await house.ask()
        async with house.tcp.get("/v1/decisions?limit=1") as response:
            assert [d["id"] for d in (await response.json())["decisions"]] == [plain.headers["x-request-id"]]
        async with house.tcp.get(f"/v1/decisions/{moved.headers['x-request-id']}") as response:
            told = await response.json()
            assert told["outcome"] == "ok" and told["served_by"] == "b/m-b" and told["tried"] == ["a/m-a", "b/m-b"]
            assert [a["failure"] for a in told["attempts"]] == ["auth", None]
            assert all(a["replays"] is True and a["ranking"]["stages"] for a in told["attempts"])
        async with house.tcp.get("/v1/decisions/req_nothing") as response:
            assert "req_nothing" in (await problem(response, 404))["detail"]


async def test_explain_says_what_would_be_decided_and_sends_nothing(tmp_path: Path) -> None:
    """The body of a request and its headers; without a right, since it changes nothing."""
    async with House(tmp_path) as house:
        sent = len(house.stage.taken)
        async with house.tcp.post("/v1/explain", json=BODY, headers={"x-lbd-class": "background"}) as response:
            plan = await response.json()
            assert response.status == 200 and plan["ask"]["urgency"] == "background"
            assert {c["deployment"] for s in plan["stages"] for c in s["candidates"]} == {"a/m-a", "b/m-b"}
        async with house.tcp.post("/v1/explain", json={**BODY, "model": "no-such"}) as response:
            assert (await problem(response, 422))["code"] == "model_not_found"
        async with house.tcp.post("/v1/explain", json=BODY, headers={"x-lbd-nonsense": "1"}) as response:
            assert "x-lbd-nonsense" in (await problem(response, 422))["detail"]
        assert not [t for t in house.stage.taken[sent:] if t.endpoint.method == "POST"]


def padded(size: int) -> bytes:
    """Return a request of this many bytes."""
    body = {**BODY, "messages": [{"role": "user", "content": ""}]}
    body["messages"][0]["content"] = "x" * (size - len(json.dumps(body)))  # type: ignore[index]
    return json.dumps(body).encode()


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    """Send a body in chunks, its length untold."""
    for i in range(0, len(body), 50_000):
        yield body[i : i + 50_000]


async def test_what_the_api_takes_can_be_explained(tmp_path: Path) -> None:
    """Up to limits.max_body_bytes, whether the length is told or not; beyond it a problem that names the key."""
    json_type = {"content-type": "application/json"}
    async with House(tmp_path, limits={"max_body_bytes": 300_000}) as house:
        for client in (house.tcp, house.unix):
            for size, status in ((300_000, 200), (300_001, 413), (1_000_000, 413)):
                body = padded(size)
                assert len(body) == size
                for data in (body, pieces(body)):
                    async with client.post("/v1/explain", data=data, headers=json_type) as response:
                        assert response.status == status, await response.text()
                        if status != 200:
                            assert "limits.max_body_bytes, 300000" in (await problem(response, 413))["detail"]
        house.write(limits={"max_body_bytes": 100})
        async with house.unix.post("/v1/config/reload") as response:
            assert response.status == 200
        async with house.tcp.post("/v1/explain", data=padded(120), headers=json_type) as response:
            assert "limits.max_body_bytes, 100" in (await problem(response, 413))["detail"]


async def test_a_compressed_body_is_bounded_by_what_it_holds(tmp_path: Path) -> None:
    """A megabyte of one letter is a kilobyte on the wire."""
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    async with House(tmp_path, limits={"max_body_bytes": 300_000}) as house:
        for size, status in ((300_000, 200), (1_000_000, 413)):
            sent = gzip.compress(padded(size))
            async with house.tcp.post("/v1/explain", data=sent, headers=headers) as response:
                assert response.status == status, await response.text()


@pytest.mark.parametrize(
    "query", ["limit=x", "limit=-1", "limit=1.5", "limit=99999", "limit=\u00b2", "limit=" + "9" * 5000, "after=x"]
)
async def test_a_number_that_is_none_is_a_problem(query: str, tmp_path: Path) -> None:
    """Never a crash."""
    async with House(tmp_path) as house, house.tcp.get(f"/v1/events?{query}") as response:
        assert "whole number" in (await problem(response, 422))["detail"]


# --- who may ------------------------------------------------------------------------------------------


async def test_changes_over_tcp_need_a_token(tmp_path: Path) -> None:
    """Without one configured there is no way but the socket; a wrong one changes nothing."""
    async with House(tmp_path) as house:
        for path in CHANGES:
            async with house.tcp.post(path, json={}) as response:
                assert "unix socket" in (await problem(response, 403))["detail"]
        async with house.tcp.post(CHANGES[0], json={}, headers={"authorization": f"Bearer {TOKEN}"}) as response:
            await problem(response, 403)
        assert house.app.owner.rows[0].admin is AdminState.READY


@pytest.mark.parametrize(
    "sent",
    [
        "",
        TOKEN,
        f"Basic {TOKEN}",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        "Bearer \udcff\udcfe",
    ],
)
async def test_a_wrong_token_is_refused(sent: str, tmp_path: Path) -> None:
    """401, whatever it looks like."""
    async with House(tmp_path, admin={"token": TOKEN}) as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(
            f"POST {CHANGES[0]} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {sent}\r\nConnection: close\r\n".encode(
                "utf-8", "surrogateescape"
            )
            + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        )
        got = await reader.read()
        assert got.startswith(b"HTTP/1.1 401 "), got
        assert TOKEN.encode() not in got
        writer.close()
        await writer.wait_closed()
        assert house.app.owner.rows[0].admin is AdminState.READY


async def test_the_token_allows_changes_over_tcp(tmp_path: Path) -> None:
    """And the event says that it was the token."""
    async with House(tmp_path, admin={"token": TOKEN}) as house:
        headers = {"authorization": f"bearer {TOKEN}"}
        async with house.tcp.post(CHANGES[0], json={"reason": "new disk"}, headers=headers) as response:
            assert response.status == 200
            told = await response.json()
            assert told.pop("state") in {"unknown", "up"}, "the first probe may come in between"
            assert told == {"deployment": "a/m-a", "admin": "drain", "weight": None}
        (event,) = [e for e in house.app.timeline.last() if e.kind == "admin_drain"]
        assert (event.subject, event.reason, event.by) == ("a/m-a", "new disk", "token")


async def test_the_unix_socket_needs_no_token_and_names_the_user(tmp_path: Path) -> None:
    """Whoever may open the file may act, and is known by the kernel."""
    async with House(tmp_path, admin={"token": TOKEN}) as house:
        async with house.unix.post(CHANGES[0], json={"reason": "x"}) as response:
            assert response.status == 200
        (event,) = [e for e in house.app.timeline.last() if e.kind == "admin_drain"]
        assert event.by == f"{getpass.getuser()} (unix socket)"


async def test_a_listener_beyond_this_host_asks_the_token_for_reads_too(tmp_path: Path) -> None:
    """But for the two that orchestrators ask; explain shows the table, so it is a read."""
    async with House(tmp_path, admin={"listen": "0.0.0.0:8081", "token": TOKEN}) as house:
        for path in READS:
            expected = 200 if path in ("/livez", "/readyz") else 401
            async with house.tcp.get(path) as response:
                assert response.status == expected, path
            async with house.tcp.get(path, headers={"authorization": f"Bearer {TOKEN}"}) as response:
                assert response.status == 200
        async with house.tcp.post("/v1/explain", json=BODY) as response:
            await problem(response, 401)
        async with house.unix.get("/v1/providers") as response:
            assert response.status == 200


async def test_foreign_hosts_and_pages_are_refused(tmp_path: Path) -> None:
    """DNS rebinding and cross-site requests, for reads and changes; the unix socket cannot be reached by a page."""
    async with House(tmp_path, admin={"token": TOKEN}, allowed_hosts=["Lbd.Internal"]) as house:
        for path in READS:
            async with house.tcp.get(path, headers={"host": "evil.example"}) as response:
                assert "allowed_hosts" in (await problem(response, 403))["detail"]
            async with house.tcp.get(path, headers={"origin": "https://evil.example"}) as response:
                await problem(response, 403)
            async with house.tcp.get(
                path, headers={"host": "lbd.internal:8081", "origin": "http://lbd.internal:8081"}
            ) as response:
                assert response.status == 200
        auth = {"authorization": f"Bearer {TOKEN}"}
        for more in ({"host": "evil.example"}, {"origin": "https://evil.example"}, {"origin": "null"}):
            async with house.tcp.post(CHANGES[0], json={}, headers={**auth, **more}) as response:
                await problem(response, 403)
        async with house.unix.get("/v1/providers", headers={"host": "evil.example"}) as response:
            assert response.status == 200
        assert house.app.owner.rows[0].admin is AdminState.READY


async def test_a_change_must_be_json(tmp_path: Path) -> None:
    """No form of a page can send it; an empty body is fine."""
    async with House(tmp_path, admin={"token": TOKEN}) as house:
        auth = {"authorization": f"Bearer {TOKEN}"}
        for kind in ("text/plain", "application/x-www-form-urlencoded"):
            async with house.tcp.post(CHANGES[0], data=b"{}", headers={**auth, "content-type": kind}) as response:
                await problem(response, 415)
        async with house.tcp.post(CHANGES[0], headers=auth) as response:
            assert response.status == 200


# --- orders -------------------------------------------------------------------------------------------


async def test_every_order_acts_and_leaves_an_event_with_who_and_why(tmp_path: Path) -> None:
    """State, weight, breaker, probe."""
    async with House(tmp_path) as house:
        await until(lambda: house.app.owner.rows[0].probes)
        target = house.app.owner.rows[0]
        me = f"{getpass.getuser()} (unix socket)"

        async def order(action: str, **body: Any) -> dict[str, Any]:
            async with house.unix.post(
                f"/v1/deployments/a/m-a/{action}", json={"reason": f"why {action}", **body}
            ) as r:
                assert r.status == 200, await r.text()
                event = [e for e in house.app.timeline.last(subject="a/m-a") if e.by is not None][-1]
                assert (event.by, event.reason, event.subject) == (me, f"why {action}", "a/m-a")
                return dict(await r.json()) | {"kind": event.kind}

        assert (await order("drain"))["admin"] == "drain" and target.admin is AdminState.DRAIN
        assert (await order("maint"))["kind"] == "admin_maint"
        assert (await order("ready"))["admin"] == "ready"
        assert (await order("weight", weight=0.25))["weight"] == 0.25
        assert (await order("weight", weight=None))["weight"] is None
        assert (await order("reset-breaker"))["kind"] == "breaker_reset"
        seen = len(house.stage.at("a"))
        assert (await order("probe-now"))["kind"] == "probe_ordered"
        await until(lambda: len(house.stage.at("a")) > seen)


async def test_an_order_without_a_reason_is_taken(tmp_path: Path) -> None:
    """Its event says that it was ordered."""
    async with House(tmp_path) as house:
        async with house.unix.post(CHANGES[0]) as response:
            assert response.status == 200
        assert [e.reason for e in house.app.timeline.last() if e.kind == "admin_drain"] == ["ordered"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/deployments/a/nothing/drain", b"{}", 404),
        ("/v1/deployments/nobody/m-a/drain", b"{}", 404),
        ("/v1/deployments/a/m-a/explode", b"{}", 404),
        ("/v1/deployments/a/m-a/drain", b"{", 422),
        ("/v1/deployments/a/m-a/drain", b"[]", 422),
        ("/v1/deployments/a/m-a/drain", b'{"raeson":"x"}', 422),
        ("/v1/deployments/a/m-a/drain", b'{"reason":5}', 422),
        ("/v1/deployments/a/m-a/weight", b'{"weight":-1}', 422),
        ("/v1/deployments/a/m-a/weight", b"{}", 400),
        ("/v1/deployments/a/m-a/weight", b"", 400),
        ("/v1/deployments/a/m-a/weight", b'{"reason":"forgot it"}', 400),
        ("/v1/deployments/a/m-a/weight", b'{"weight":1001}', 422),
        ("/v1/deployments/a/m-a/weight", b'{"weight":"1"}', 422),
        ("/v1/deployments/a/m-a/drain", b" " * 70_000, 413),
    ],
)
async def test_an_order_that_makes_no_sense_changes_nothing(
    path: str, body: bytes, status: int, tmp_path: Path
) -> None:
    """A problem that says why, and no event."""
    async with House(tmp_path) as house:
        before = len(house.app.timeline.last())
        async with house.unix.post(path, data=body, headers={"content-type": "application/json"}) as response:
            await problem(response, status)
        assert [e for e in house.app.timeline.last()[before:] if e.by] == []
        assert all(r.admin is AdminState.READY and r.admin_weight is None for r in house.app.owner.rows)


async def test_a_forgotten_weight_takes_no_override_back(tmp_path: Path) -> None:
    """The key is named; null, said in so many words, does."""
    async with House(tmp_path) as house:
        target = house.app.owner.rows[0]
        path = "/v1/deployments/a/m-a/weight"
        async with house.unix.post(path, json={"weight": 0.5}) as response:
            assert response.status == 200
        async with house.unix.post(path, json={"reason": "x"}) as response:
            assert "weight" in (await problem(response, 400))["detail"]
        assert target.admin_weight == 0.5
        async with house.unix.post(path, json={"weight": None}) as response:
            assert response.status == 200 and target.admin_weight is None


async def test_an_unknown_deployment_names_the_known_ones(tmp_path: Path) -> None:
    """So that a typing error is seen."""
    async with House(tmp_path) as house, house.unix.post("/v1/deployments/a/x/drain") as response:
        assert "a/m-a, b/m-b" in (await problem(response, 404))["detail"]


# --- configuration ------------------------------------------------------------------------------------


async def test_a_reload_takes_the_file_and_says_what_changed(tmp_path: Path) -> None:
    """check says it without taking it; the event names who."""
    async with House(tmp_path) as house:
        house.rows = [*house.rows, row("c", model="m-c")]
        house.write()
        async with house.unix.post("/v1/config/check") as response:
            assert response.status == 200
            assert "c" in json.dumps(await response.json())
        assert len(house.app.owner.rows) == 2
        async with house.unix.post("/v1/config/reload", json={}) as response:
            assert response.status == 200 and (await response.json())["generation"] == 2
        assert len(house.app.owner.rows) == 3
        event = house.app.timeline.last(1, subject="config")[0]
        assert event.kind == "config_reloaded" and event.by == f"{getpass.getuser()} (unix socket)"


async def test_a_bad_file_is_a_problem_with_places_and_changes_nothing(tmp_path: Path) -> None:
    """422 with file, line and column of everything that is wrong."""
    async with House(tmp_path) as house:
        house.path.write_text(
            'providers:\n  - {name: a, shape: openai, base_url: "ftp://x", deployments: [{model: m}]}\nnonsense: 1\n'
        )
        for path in ("/v1/config/check", "/v1/config/reload"):
            async with house.unix.post(path) as response:
                told = await problem(response, 422)
                assert told["problems"] and {"file", "line", "column", "path", "reason"} == set(told["problems"][0])
                assert any(p["line"] == 3 for p in told["problems"])
        assert [r.spec.id for r in house.app.owner.rows] == ["a/m-a", "b/m-b"]
        async with house.tcp.get("/v1/config") as response:
            told = await response.json()
            assert told["last_reload_ok"] is False and told["last_error"] and told["generation"] == 1


# --- events -------------------------------------------------------------------------------------------


async def test_events_are_listed_and_filtered(tmp_path: Path) -> None:
    """After an id, of a subject, the last so many."""
    async with House(tmp_path) as house:
        for n in range(5):
            house.app.owner.emit("test", f"s{n % 2}", f"r{n}")

        async def events(query: str) -> list[str]:
            async with house.tcp.get(f"/v1/events?{query}") as response:
                return [e["reason"] for e in (await response.json())["events"] if e["kind"] == "test"]

        assert await events("") == ["r0", "r1", "r2", "r3", "r4"]
        assert await events("subject=s1") == ["r1", "r3"]
        assert await events("subject=s0&limit=2") == ["r2", "r4"]
        last = house.app.timeline.last(1, subject="s0")[0].id
        assert await events(f"after={last - 1}") == ["r4"]


async def read_event(response: aiohttp.ClientResponse) -> dict[str, str]:
    raw = await asyncio.wait_for(response.content.readuntil(b"\n\n"), 5)
    return dict(line.split(": ", 1) for line in raw.decode().strip().split("\n"))


async def test_events_can_be_followed(tmp_path: Path) -> None:
    """Server-sent events: what is kept first, then each as it happens, with its id and kind."""
    async with House(tmp_path) as house:
        await until(lambda: all(r.state == "up" for r in house.app.owner.rows))
        house.app.owner.emit("before", "s", "r")
        after = house.app.timeline.last(1)[0].id - 1
        async with house.tcp.get(f"/v1/events?follow&after={after}") as response:
            assert response.content_type == "text/event-stream" and response.headers["cache-control"] == "no-cache"
            first = await read_event(response)
            assert first["event"] == "before" and json.loads(first["data"])["subject"] == "s"
            house.app.owner.emit("later", "s", "r")
            second = await read_event(response)
            assert second["event"] == "later" and int(second["id"]) > int(first["id"])


async def test_headers_alone_follow_nothing(tmp_path: Path) -> None:
    """Else what follows would be taken for the next answer on that connection."""
    async with House(tmp_path) as house, asyncio.timeout(2):
        async with house.tcp.head("/v1/events?follow=1") as response:
            assert response.status == 200 and response.content_type == "text/event-stream"
        async with house.tcp.get("/livez") as response:
            assert await response.text() == "ok\n"
        assert not house.app.timeline._followers


async def test_one_subject_can_be_followed(tmp_path: Path) -> None:
    """Nothing else comes."""
    async with House(tmp_path) as house, house.tcp.get("/v1/events?follow=1&subject=mine&after=999999") as response:
        await until(lambda: house.app.timeline._followers)
        house.app.owner.emit("noise", "other", "r")
        house.app.owner.emit("signal", "mine", "r")
        assert (await read_event(response))["event"] == "signal"


async def test_who_stops_following_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the next thing that is sent; a quiet line is kept alive by comments."""
    monkeypatch.setattr(module, "FOLLOW_PING_S", 0.01)
    async with House(tmp_path) as house:
        async with house.tcp.get("/v1/events?follow&subject=nobody") as response:
            await until(lambda: house.app.timeline._followers)
            assert (await asyncio.wait_for(response.content.readuntil(b"\n\n"), 5)).startswith(b":")
            response.close()
        await until(lambda: not house.app.timeline._followers)


async def test_the_end_of_the_daemon_ends_every_follower(tmp_path: Path) -> None:
    """The stream closes; nobody holds the shutdown up."""
    async with House(tmp_path) as house, house.tcp.get("/v1/events?follow&subject=nobody") as response:
        await until(lambda: house.app.timeline._followers)
        house.app.timeline.close()
        assert await asyncio.wait_for(response.content.read(), 5) == b""


async def test_a_follower_that_is_far_behind_is_let_go(tmp_path: Path) -> None:
    """Its queue is bounded; it can follow again from the last id that it has."""
    async with House(tmp_path) as house:
        async with house.tcp.get("/v1/events?follow&after=999999") as response:
            await until(lambda: house.app.timeline._followers)
            for n in range(600):
                house.app.owner.emit("flood", "s", f"r{n}")
            assert not house.app.timeline._followers
            got = await asyncio.wait_for(response.content.read(), 5)
            assert 0 < got.count(b"event: flood") <= 600
        await a_moment()


async def test_follow_can_be_said_no(tmp_path: Path) -> None:
    """follow=0 is a plain list."""
    async with House(tmp_path) as house:
        for value in ("0", "false"):
            async with house.tcp.get(f"/v1/events?follow={value}") as response:
                assert response.content_type == "application/json"


# --- secrets ------------------------------------------------------------------------------------------

CANARY = "canary"


async def test_no_secret_appears_in_any_answer_or_log_line(tmp_path: Path) -> None:
    """Keys of providers, clients and the admin; configured headers; a proxy's password.

    Also where a provider repeats the key that it refuses, to a probe or to a request.
    """
    rows = [
        row("a", model="m-a", api_key=f"{CANARY}-key-a", headers={"X-Secret": f"{CANARY}-header-a"}),
        row("b", model="m-b", tier="secondary", api_key=f"{CANARY}-key-b"),
        row(
            "c",
            model="m-c",
            tier="tertiary",
            api_key=f"{CANARY}-key-c",
            proxy=f"http://user:{CANARY}-proxy@127.0.0.1:9",
        ),
    ]
    config = {
        "admin": {"token": f"{CANARY}-token"},
        "clients": [{"name": "client", "key": f"{CANARY}-client"}],
        "log": {"requests": "all"},
    }
    async with House(tmp_path, *rows, **config) as house:

        def parrot(taken: Any) -> None:
            """Refuse, and repeat whatever credential came."""
            sent = " ".join(value for name, value in taken.endpoint.headers if CANARY in value)
            status = 400 if taken.endpoint.method == "POST" and len(house.stage.at("a")) % 2 else 401
            taken.head(status, {"content-type": "application/json"})
            taken.say(refusal(f"the key {sent} is wrong", "invalid_request_error"))
            taken.end()

        for host in "abc":
            house.stage.always(0.001, parrot, host=host)
        for made in house.app.owner.rows:
            house.app.probing.kick(made.provider.name)
        await until(lambda: len(house.stage.at("a")) > 1)
        seen = ""
        auth = {"authorization": f"Bearer {CANARY}-client"}
        for streamed in (False, True):
            for model in ("auto", "m-a", "m-b", "m-c"):
                asked = await house.ask(model, stream=streamed, headers=auth)
                seen += repr(asked.headers) + asked.body.decode()
        seen += (await house.ask(headers={"authorization": f"Bearer {CANARY}-wrong"})).body.decode()
        await a_moment(0.02)
        for client in (house.tcp, house.unix):
            for path in [*READS, *(f"/v1/decisions/{r.id}" for r in house.app.journal.last(50))]:
                async with client.get(path) as response:
                    seen += repr(response.headers) + await response.text()
            for path in ["/v1/explain", *CHANGES]:
                async with client.post(path, json={} if path != "/v1/explain" else BODY) as response:
                    seen += repr(response.headers) + await response.text()
        house.path.write_text(house.path.read_text()[:-1] + ', "nonsense": 1}')
        async with house.unix.post("/v1/config/reload") as response:
            assert response.status == 422
            seen += await response.text()
        seen += repr(house.logged) + repr(house.app.timeline.last())
        at = seen.find(f"{CANARY}-")
        assert at < 0, seen[max(0, at - 300) : at + 60]
        assert "***" in seen and "the key" in seen


async def test_an_order_may_be_for_a_time(tmp_path: Path) -> None:
    """It is told with its end; a time that makes no sense orders nothing; ready and a weight taken back have none."""
    async with House(tmp_path) as house:
        row = house.app.owner.rows[0]
        async with house.unix.post("/v1/deployments/a/m-a/drain", json={"reason": "x", "for_s": 60}) as response:
            assert response.status == 200
        async with house.tcp.get("/v1/providers") as response:
            told = (await response.json())["tiers"][0]["deployments"][0]["admin"]
        assert told["state"] == "drain" and told["until"] is not None and told["weight_until"] is None
        for wrong in (0, -1, 1e9, "1h"):
            async with house.unix.post("/v1/deployments/a/m-a/maint", json={"for_s": wrong}) as response:
                await problem(response, 422)
        assert row.admin is AdminState.DRAIN
        for path, body in (("ready", {"for_s": 60}), ("weight", {"weight": None, "for_s": 60})):
            async with house.unix.post(f"/v1/deployments/a/m-a/{path}", json=body) as response:
                assert response.status == 200
        assert row.admin_until is None and row.weight_until is None
