"""Real faults of real model servers: crash, hang, cold start, brown-out, full queue, wrong key, abandoned work."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import aiohttp
import openai
import pytest

from lbd.demo import traffic
from lbd.demo.servers import ModelServers, ModelSpec
from tests.e2e.conftest import MESSAGES, Daemon, tiers

pytestmark = pytest.mark.real


def running(servers: ModelServers, name: str) -> int:
    """Return how many requests a server works on, by its own word."""
    with urlopen(f"http://127.0.0.1:{servers.specs[name].port}/slots", timeout=2) as response:
        return sum(slot["is_processing"] for slot in json.load(response))


def sdk(daemon: Daemon, **headers: str) -> openai.AsyncOpenAI:
    """Return the official client, which does not try again by itself."""
    return openai.AsyncOpenAI(base_url=f"{daemon.url}/v1", api_key="x", max_retries=0, default_headers=headers)


async def streamed(
    client: openai.AsyncOpenAI, *, comes: asyncio.Event | None = None, **more: Any
) -> tuple[str, str | None, float]:
    """Stream one answer; returns text, error code, and seconds to the first content. ``comes``: set with some."""
    asked: dict[str, Any] = {"model": "auto", "messages": MESSAGES, "max_tokens": 12, "temperature": 0, **more}
    began, first, text = time.monotonic(), 0.0, ""
    try:
        async for event in await client.chat.completions.create(stream=True, **asked):
            for choice in event.choices:
                text += choice.delta.content or ""
                first = first or (time.monotonic() - began if text else 0.0)
            if comes is not None and len(text) > 20:
                comes.set()
    except openai.APIError as e:
        return text, e.code, first
    return text, None, first


async def test_a_crash_in_the_middle_of_a_stream_ends_in_a_typed_error(daemon: Daemon, mended: ModelServers) -> None:
    """Where it is not to be spliced, the client gets what came, then an error event; never a fake end.

    The next request goes elsewhere.
    """
    async with sdk(daemon, **{"x-lbd-after-content": "error"}) as client:
        comes = asyncio.Event()
        task = asyncio.ensure_future(streamed(client, comes=comes, max_tokens=400, extra_body={"ignore_eos": True}))
        await asyncio.wait_for(comes.wait(), 20)
        mended.signal("a", signal.SIGKILL)
        text, error, _ = await task
        assert text and error == "broken_stream"
        text, error, first = await streamed(client)
        assert text and error is None and first < 3.0
    mended.start("a")
    mended.wait_ready("a")
    assert daemon.wait_state("a/m", "recovering", "up") < 30.0


async def test_a_frozen_server_costs_a_request_its_cut_off_and_only_those_already_there(
    daemon: Daemon, mended: ModelServers
) -> None:
    """SIGSTOP: connects, then never a byte. The answer begins within 3 s, from the next tier."""
    async with sdk(daemon) as client:
        await streamed(client)
        mended.signal("a", signal.SIGSTOP)
        text, error, first = await streamed(client)
        assert text and error is None and first < 3.0
        text, error, first = await streamed(client)
        assert text and error is None and first < 1.0, "the second request tried the frozen server"
        assert daemon.wait_state("a/m", "down", timeout=10) < 10
        mended.signal("a", signal.SIGCONT)
        assert daemon.wait_state("a/m", "recovering", "up", timeout=30) < 30


async def test_a_cold_server_is_loading_then_serves(daemon: Daemon, mended: ModelServers) -> None:
    """Refused, then 503 while loading, then 200: no client sees any of it."""
    async with sdk(daemon) as client:
        mended.signal("a", signal.SIGKILL)
        text, error, _ = await streamed(client, max_tokens=2)
        assert text and error is None, error
        mended.start("a")
        for i in range(20):
            if i % 2:
                text, error, _ = await streamed(client, max_tokens=2)
                assert text and error is None, error
            else:
                whole = await client.chat.completions.create(model="auto", messages=MESSAGES, max_tokens=2)  # type: ignore[arg-type]
                assert whole.choices[0].message.content
    assert daemon.wait_state("a/m", "recovering", "up") < 30.0


async def said(client: openai.AsyncOpenAI, question: str, *, stream: bool) -> tuple[str, str | None]:
    """Return a whole answer and why it ended, however it came. What breaks it raises."""
    asked = traffic.body(question, "auto", stream)
    asked["extra_body"] = {"cache_prompt": asked.pop("cache_prompt")}
    if not stream:
        (choice,) = (await client.chat.completions.create(**asked)).choices
        return choice.message.content, choice.finish_reason
    text, finish = "", None
    async for event in await client.chat.completions.create(**asked):
        for choice in event.choices:
            assert finish is None, "something follows the finish"
            text, finish = text + (choice.delta.content or ""), choice.finish_reason
    return text, finish


async def test_a_brown_out_never_breaks_an_answer(daemon: Daemon, mended: ModelServers) -> None:
    """SIGSTOP and SIGCONT in turn: slow and uneven, but every answer is right, whole or streamed."""
    right = await traffic.references(mended.base_url("b"))
    stop = threading.Event()

    def brown_out() -> None:
        while not stop.is_set():
            mended.signal("a", signal.SIGSTOP)
            stop.wait(0.08)
            mended.signal("a", signal.SIGCONT)
            stop.wait(0.02)

    thread = threading.Thread(target=brown_out)
    thread.start()
    try:
        async with sdk(daemon) as client:
            tasks = []
            for number in range(36):
                question = traffic.QUESTIONS[number % len(traffic.QUESTIONS)]
                tasks.append(asyncio.ensure_future(said(client, question, stream=number % 2 == 1)))
                await asyncio.sleep(1 / 3)
            async with asyncio.timeout(60):
                answers = await asyncio.gather(*tasks)
    finally:
        stop.set()
        thread.join()
        mended.signal("a", signal.SIGCONT)
    for number, (text, finish) in enumerate(answers):
        assert text == right[number % len(right)], number
        assert finish in ("stop", "length"), number
    assert daemon.rows()["a/m"]["state"] != "down"


async def test_a_full_queue_is_busy_not_down_and_lbd_waits_instead_of_the_server(
    daemon: Daemon, mended: ModelServers
) -> None:
    """Twelve requests on two slots: none is queued inside the server, all are answered."""
    daemon.wait_row("c/m", lambda now: now["limit"] == 2)  # as its first load probe tells
    async with aiohttp.ClientSession() as session:
        body = {"model": "other", "messages": MESSAGES, "max_tokens": 30, "temperature": 0}
        tasks = [asyncio.ensure_future(session.post(f"{daemon.url}/v1/chat/completions", json=body)) for _ in range(12)]
        most = 0
        while not all(t.done() for t in tasks):
            async with session.get(f"http://127.0.0.1:{mended.specs['c'].port}/metrics") as response:
                text = await response.text()
            deferred = next(line for line in text.splitlines() if line.startswith("llamacpp:requests_deferred "))
            most = max(most, int(float(deferred.split()[1])))
            await asyncio.sleep(0.05)
        assert {(await t).status for t in tasks} == {200}
        for task in tasks:
            task.result().close()
        assert most == 0
        assert daemon.rows()["c/m"]["breaker"]["opened_total"] == 0


def test_a_wrong_key_is_found_though_liveness_says_200(weights: Path, tmp_path: Path) -> None:
    """``/health`` needs no key: only the models probe, or a request, can tell."""
    with ModelServers([ModelSpec("locked", key="sk-right", slots=1), ModelSpec("open", slots=1)], weights) as servers:
        providers = [
            {
                "name": name,
                "shape": "llamacpp",
                "base_url": servers.base_url(name),
                "api_key": {"env": "LOCKED_KEY"},
                "deployments": [{"model": "m", "tier": tier}],
            }
            for name, tier in (("locked", "primary"), ("open", "secondary"))
        ]
        daemon = Daemon(tmp_path, {"providers": providers}, {"LOCKED_KEY": "sk-wrong"})
        daemon.start()
        try:
            daemon.wait_state("locked/m", "locked", timeout=5)
            probes = {p["kind"]: p["verdict"] for p in daemon.rows()["locked/m"]["probes"]}
            assert probes["liveness"] == "up" and probes["models"] == "down"
            status, headers, _ = daemon.chat()
            assert status == 200 and headers["x-lbd-deployment"] == "open/m"
        finally:
            daemon.stop()


def test_context_overflow_moves_once_to_a_larger_context_and_is_held_against_nobody(
    weights: Path, tmp_path: Path
) -> None:
    """400 exceed_context_size goes to the row with more room; nobody's error ratio changes."""
    specs = [ModelSpec("small", context=512, slots=1), ModelSpec("large", context=2048, slots=1)]
    with ModelServers(specs, weights) as servers:
        providers = [
            {
                "name": name,
                "shape": "llamacpp",
                "base_url": servers.base_url(name),
                "deployments": [{"model": "m", "tier": tier}],
            }
            for name, tier in (("small", "primary"), ("large", "secondary"))
        ]
        daemon = Daemon(tmp_path, {"providers": providers, "deadlines": {"interactive_first_content_s": 30}})
        daemon.start()
        try:
            long = [{"role": "user", "content": "word " * 700}]
            status, headers, _ = daemon.chat(messages=long, max_tokens=2)
            assert status == 200
            assert headers["x-lbd-deployment"] == "large/m" and headers["x-lbd-attempts"] == "2"
            assert daemon.rows()["small/m"]["errors"]["ratio"] in (None, 0.0)
        finally:
            daemon.stop()


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_frees_the_servers_slot_within_100_ms(
    daemon: Daemon, mended: ModelServers, stream: bool
) -> None:
    """Unary, too: it is asked for as a stream, which a cut stops at once."""
    body = {"model": "auto", "messages": MESSAGES, "max_tokens": 900, "ignore_eos": True, "stream": stream}
    freed = []
    for _ in range(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", daemon.api)
        raw = json.dumps(body).encode()
        head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        writer.write(f"{head}content-length: {len(raw)}\r\n\r\n".encode() + raw)
        await writer.drain()
        for _ in range(200):
            if await asyncio.to_thread(running, mended, "a"):
                break
            await asyncio.sleep(0.01)
        else:
            raise AssertionError("the request never ran")
        await asyncio.sleep(0.2)
        writer.close()
        left = time.monotonic()
        while await asyncio.to_thread(running, mended, "a"):
            await asyncio.sleep(0.005)
        freed.append(time.monotonic() - left)
        await writer.wait_closed()
        del reader
    assert sorted(freed)[len(freed) // 2] < 0.1, freed
    row = daemon.rows()["a/m"]
    assert row["errors"]["ratio"] in (None, 0.0) and row["inflight"] == 0


async def test_back_to_back_requests_meet_no_stale_connection(daemon: Daemon) -> None:
    """llama.cpp closes after a stream while it announces keep-alive: 1,000 mixed requests, 0 visible errors."""
    async with aiohttp.ClientSession() as session:

        async def chain(number: int) -> None:
            for i in range(250):
                body = {"model": "auto", "messages": MESSAGES, "max_tokens": 1, "stream": (i + number) % 2 == 0}
                async with session.post(f"{daemon.url}/v1/chat/completions", json=body) as response:
                    data = await response.read()
                    assert response.status == 200, data
                    assert b'"error"' not in data

        await asyncio.gather(*(chain(n) for n in range(4)))
    assert all(r["breaker"]["opened_total"] == 0 for r in daemon.rows().values())


def test_every_answer_says_who_served_and_the_decision_can_be_read_and_replayed(daemon: Daemon) -> None:
    """x-lbd-* on every answer; /v1/decisions/<id> holds candidates, terms, exclusions, and replays."""
    status, headers, _ = daemon.chat()
    assert status == 200 and headers["x-lbd-deployment"] == "a/m" and headers["x-lbd-attempts"] == "1"
    assert float(headers["x-lbd-overhead-us"]) > 0
    found = daemon.get(f"/v1/decisions/{headers['x-request-id']}")
    attempt = found["attempts"][0]
    assert attempt["replays"] is True
    listed = [c["deployment"] for s in attempt["ranking"]["stages"] for c in s["candidates"]]
    assert sorted(listed) == ["a/m", "b/m", "c/m"]
    chosen = next(c for s in attempt["ranking"]["stages"] for c in s["candidates"] if c["chosen"])
    assert set(chosen["terms"]) == {"latency", "errors", "load", "cost", "quality", "affinity"}
    _, failed, _ = daemon.chat(model="nothing")
    assert failed["x-request-id"].startswith("req_")


def test_a_drained_deployment_gets_nothing_and_finishes_what_it_has(daemon: Daemon, servers: ModelServers) -> None:
    """Drain over the unix socket: no new requests; the event says who and why."""
    import http.client
    import socket as sockets

    def order(action: str) -> int:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
        connection.sock.connect(str(daemon.socket))
        body = json.dumps({"reason": "maintenance window"})
        connection.request("POST", f"/v1/deployments/a/m/{action}", body, {"content-type": "application/json"})
        status = connection.getresponse().status
        connection.close()
        return status

    assert order("drain") == 200
    for _ in range(5):
        assert daemon.chat(max_tokens=2)[1]["x-lbd-deployment"] == "b/m"
    (event,) = [e for e in daemon.get("/v1/events")["events"] if e["kind"] == "admin_drain"]
    assert event["reason"] == "maintenance window" and "unix socket" in event["by"]
    assert order("ready") == 200
    assert daemon.chat(max_tokens=2)[1]["x-lbd-deployment"] == "a/m"


def test_state_survives_a_kill(servers: ModelServers, tmp_path: Path) -> None:
    """kill -9: percentiles and admin orders are there again after the restart."""
    daemon = Daemon(tmp_path, tiers(servers))
    daemon.start()
    for _ in range(5):
        daemon.chat(max_tokens=2)
    time.sleep(8)  # one save, and more
    daemon.stop(signal.SIGKILL)
    daemon.start()
    try:
        assert daemon.rows()["a/m"]["ttft_s"]["1h"]["n"] >= 5
    finally:
        daemon.stop()
