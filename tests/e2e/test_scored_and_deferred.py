"""Answers scored beside a real daemon, and single requests in its queue, with OpenAI's own client."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import openai
import pytest

from tests.e2e.conftest import Daemon
from tests.fakes.stub_provider import StubProvider

PRICE = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 4}


class World:
    """A daemon before a dear and a cheap provider."""

    def __init__(self, folder: Path, dear: StubProvider, cheap: StubProvider) -> None:
        self.dear, self.cheap = dear, cheap
        config = {
            "providers": [
                dear.config(deployment={"model": "big", "price": PRICE, "quality": {"default": 0.9}}),
                cheap.config(tier="secondary", deployment={"model": "small", "price": PRICE}),
            ],
            "evaluate": {
                "share": 1.0,
                "budget_usd_per_day": 1.0,
                "score": "chrf",
                "metrics": ["exact"],
                "reference": "big",
            },
            "probes": {"completion": "never"},
        }
        self.daemon = Daemon(folder, config)
        self.daemon.start()

    def client(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.daemon.url}/v1", api_key="any", max_retries=0)

    def until(self, path: str, wanted: Callable[[Any], bool], timeout: float = 30.0) -> Any:
        """Wait until a page of the admin API is as wanted."""
        end = time.monotonic() + timeout
        while not wanted(told := self.daemon.get(path)):
            assert time.monotonic() < end, told
            time.sleep(0.05)
        return told

    def scores(self, row: str, count: int) -> None:
        """Wait until so many scores of a deployment are seen."""
        self.daemon.wait_row(row, lambda now: [s["count"] for s in now["scores"] if s["family"] == "all"] == [count])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with StubProvider("dear") as dear, StubProvider("cheap") as cheap:
        made = World(tmp_path_factory.mktemp("scored"), dear, cheap)
        yield made
        made.daemon.stop()


def test_answers_are_scored_beside_the_requests(world: World) -> None:
    """By the metric, in a process of its own, against the reference's answer; it is paid for as evaluation."""
    world.cheap.say("tokens=4")
    world.dear.say("tokens=4")
    with world.client() as client:
        for stream in (False, True):
            got = client.chat.completions.create(
                model="small", messages=[{"role": "user", "content": "hello"}], stream=stream
            )
            text = (
                "".join(c.choices[0].delta.content or "" for c in got if c.choices)
                if stream
                else (got.choices[0].message.content)
            )
            assert text.split() == ["w0", "w1", "w2", "w3"]
    told = world.until("/v1/evaluation", lambda t: t["counts"].get("scored", 0) >= 2)
    assert {(m["metric"], m["mean"]) for m in told["measured"]} == {("chrf", 1.0), ("exact", 1.0)}
    world.scores("cheap/small", 2)
    entries = world.until("/v1/ledger?since=1h&kind=evaluation", lambda t: len(t["data"]) == 2)["data"]
    assert {e["deployment"] for e in entries} == {"dear/big"} and all(e["cost"] > 0 for e in entries)
    assert told["spent_today_usd"] > 0


def test_a_client_brings_an_answer_and_a_reference(world: World) -> None:
    """It is told that it waits; then the table knows."""
    with world.client() as client:
        got = client.chat.completions.with_raw_response.create(
            model="big", messages=[{"role": "user", "content": "hello"}]
        )
        asked = {"request_id": got.headers["x-request-id"], "answer": "w0", "reference": "w0", "metric": "exact"}
        body = json.dumps(asked).encode()
        request = Request(f"{world.daemon.url}/v1/feedback", body, {"content-type": "application/json"})
        with urlopen(request, timeout=5) as response:
            assert json.load(response)["status"] == "queued"
    world.until("/v1/evaluation", lambda t: t["counts"].get("compared") == 1)
    world.scores("dear/big", 2)  # its own sample, which is as good as itself, and the comparison


def finished(client: openai.OpenAI, name: str) -> Any:
    end = time.monotonic() + 40
    while (got := client.responses.retrieve(name)).status in ("queued", "in_progress"):
        assert time.monotonic() < end, got
        time.sleep(0.1)
    return got


def test_a_response_waits_in_the_queue_through_a_kill(world: World) -> None:
    """Taken in, under way, killed: it is there again, sent again, and answered."""
    world.cheap.say("tokens=3 first=1.5")
    with world.client() as client:
        asked = [client.responses.create(model="small", input="hello", background=True) for _ in range(5)]
        assert {got.status for got in asked} == {"queued"} and asked[0].background
        deadline = time.monotonic() + 10
        while client.responses.retrieve(asked[0].id).status != "in_progress":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        world.daemon.stop(signal.SIGKILL)
        world.daemon.start()
        for got in asked:
            done = finished(client, got.id)
            assert done.status == "completed" and done.output_text.split() == ["w0", "w1", "w2"], done
            assert done.id == got.id and done.usage is not None
        cancelled = client.responses.create(model="small", input="hello", background=True)
        assert client.responses.cancel(cancelled.id).status == "cancelled"
        client.responses.delete(asked[0].id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(asked[0].id)


def test_what_fails_is_a_dead_letter(world: World) -> None:
    """With its reason for the client, and for the operator in a list."""
    world.cheap.say("status=400")
    with world.client() as client:
        name = client.responses.create(model="small", input="hello", background=True).id
        done = finished(client, name)
        assert done.status == "failed" and done.error is not None and "scripted" in done.error.message
    letters = world.daemon.get("/v1/queue")["dead_letters"]
    assert [(letter["id"], letter["object"], letter["failed"]) for letter in letters] == [(name, "response", 1)]
