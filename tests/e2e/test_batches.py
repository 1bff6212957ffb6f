"""OpenAI's Batch API through a real daemon, with OpenAI's own client."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import openai
import pytest

from tests.e2e.conftest import Daemon
from tests.fakes.strict_provider import HELLO
from tests.fakes.stub_provider import StubProvider

CHAT = "/v1/chat/completions"


def line(number: int, body: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    asked = {"model": "m", "messages": [{"role": "user", "content": f"Häi {number}"}], **(body or {})}
    return {"custom_id": f"line-{number}", "method": "POST", "url": CHAT, "body": asked, **more}


def jsonl(*lines: Any) -> bytes:
    return "\n".join(json.dumps(x, ensure_ascii=False) if not isinstance(x, str) else x for x in lines).encode() + b"\n"


CLIENTS: list[openai.OpenAI] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Each test's clients let go of their connections."""
    yield
    while CLIENTS:
        CLIENTS.pop().close()


def sdk(daemon: Daemon, key: str = "x") -> openai.OpenAI:
    client = openai.OpenAI(base_url=f"{daemon.url}/v1", api_key=key, max_retries=0)
    CLIENTS.append(client)
    return client


def begin(client: openai.OpenAI, content: bytes, **more: Any) -> Any:
    file = client.files.create(file=("in.jsonl", content), purpose="batch")
    asked: dict[str, Any] = {"endpoint": CHAT, "completion_window": "24h", **more}
    return client.batches.create(input_file_id=file.id, **asked)


def until(client: openai.OpenAI, batch_id: str, *statuses: str, timeout: float = 30.0) -> Any:
    """Wait until a batch stands there."""
    end = time.monotonic() + timeout
    while (batch := client.batches.retrieve(batch_id)).status not in statuses:
        assert time.monotonic() < end, batch
        time.sleep(0.05)
    return batch


def results(client: openai.OpenAI, file_id: str | None) -> dict[str, dict[str, Any]]:
    """Return the lines of a file of results by their custom_id, each of them once."""
    if file_id is None:
        return {}
    lines = [json.loads(x) for x in client.files.content(file_id).text.splitlines()]
    assert len({x["id"] for x in lines}) == len({x["custom_id"] for x in lines}) == len(lines)
    assert all(set(x) == {"id", "custom_id", "response", "error"} for x in lines)
    return {x["custom_id"]: x for x in lines}


# --- files -----------------------------------------------------------------------------------------------


def test_files_come_and_go(strict_daemon: Daemon) -> None:
    """Created, listed, shown, read byte for byte, deleted."""
    client = sdk(strict_daemon)
    content = bytes(range(256)) * 5000 + b"\r\n--not-a-boundary\r\n"
    file = client.files.create(file=('ein "Name".jsonl', content), purpose="batch")
    assert (file.bytes, file.purpose, file.filename, file.object) == (len(content), "batch", 'ein "Name".jsonl', "file")
    assert client.files.retrieve(file.id) == file
    assert client.files.content(file.id).content == content
    assert file.id in [f.id for f in client.files.list(purpose="batch")]
    assert file.id not in [f.id for f in client.files.list(purpose="batch_output")]
    told = client.files.with_raw_response.retrieve(file.id)
    assert told.headers["x-request-id"].startswith("req_") and told.headers["x-lbd-attempts"] == "0"
    gone = client.files.delete(file.id)
    assert (gone.id, gone.deleted) == (file.id, True)
    for ask in (client.files.retrieve, client.files.delete, client.files.content):
        with pytest.raises(openai.NotFoundError) as e:
            ask(file.id)
        assert isinstance(e.value.body, dict) and e.value.body["type"] == "invalid_request_error"


# --- batches ---------------------------------------------------------------------------------------------


def test_good_and_failing_lines_part(strict_daemon: Daemon) -> None:
    """Each with its own answer, in the file where it belongs, and the numbers agree."""
    client = sdk(strict_daemon)
    shapes = ("openai", "anthropic", "gemini", "bedrock")
    good = [line(i, {"model": f"m-{shapes[i % 4]}"}) for i in range(20)]
    bad = [line(90, {"model": "unknown"}), line(91, {"model": "m-openai", "messages": "none"})]
    batch = begin(client, jsonl(*good, *bad), metadata={"what": "mixed"})
    assert batch.status in ("validating", "in_progress") and batch.metadata == {"what": "mixed"}
    assert batch.expires_at - batch.created_at == 86400
    batch = until(client, batch.id, "completed", "failed")
    assert batch.status == "completed", batch
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (22, 20, 2)
    done = results(client, batch.output_file_id)
    assert set(done) == {x["custom_id"] for x in good}
    for told in done.values():
        assert told["error"] is None and told["response"]["status_code"] == 200
        assert told["response"]["request_id"].startswith("req_")
        assert told["response"]["body"]["choices"][0]["message"]["content"] == HELLO
    failed = results(client, batch.error_file_id)
    assert failed["line-90"]["response"]["status_code"] == 404
    assert failed["line-90"]["response"]["body"]["error"]["code"] == "model_not_found"
    assert failed["line-91"]["response"]["status_code"] == 400 and failed["line-91"]["error"] is None
    stamps = (batch.created_at, batch.in_progress_at, batch.finalizing_at, batch.completed_at)
    assert list(stamps) == sorted(stamps)
    assert client.files.retrieve(batch.output_file_id).purpose == "batch_output"
    assert f'"subject":"{batch.id}"' in strict_daemon.log().replace(": ", ":")


@pytest.mark.parametrize("shape", ["openai", "anthropic"])
@pytest.mark.parametrize(
    ("endpoint", "asked"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}]}),
        ("/v1/completions", {"prompt": "hi"}),
        ("/v1/responses", {"input": "hi"}),
    ],
)
def test_usage_and_model_are_told(strict_daemon: Daemon, shape: str, endpoint: str, asked: dict[str, Any]) -> None:
    """The tokens of all answers together, whatever the words of their shape; a line that failed used none."""
    client = sdk(strict_daemon)
    lines = [line(i, url=endpoint) | {"body": {"model": f"m-{shape}", **asked}} for i in range(5)]
    lines[4]["body"] = {"model": f"m-{shape}", **dict.fromkeys(asked, 7)}
    batch = begin(client, jsonl(*lines), endpoint=endpoint)
    assert batch.usage.total_tokens == 0 and batch.model is None
    batch = until(client, batch.id, "completed", "failed")
    assert (batch.request_counts.completed, batch.request_counts.failed) == (4, 1), results(client, batch.error_file_id)
    assert batch.model == f"m-{shape}"
    used = batch.usage
    assert (used.input_tokens, used.output_tokens, used.total_tokens) == (4 * 20, 4 * 9, 4 * 29)
    if endpoint != "/v1/completions":  # which knows no details where it is translated
        assert used.input_tokens_details.cached_tokens == 4 * 8
    if shape == "openai" and endpoint != "/v1/completions":
        assert used.output_tokens_details.reasoning_tokens == 4 * 3


def test_lines_of_more_than_one_model_have_no_model_together(strict_daemon: Daemon) -> None:
    """None is told; usage all the same."""
    client = sdk(strict_daemon)
    lines = [line(i, {"model": f"m-{shape}"}) for i, shape in enumerate(("openai", "anthropic", "gemini"))]
    batch = until(client, begin(client, jsonl(*lines)).id, "completed")
    assert batch.model is None and batch.usage.output_tokens >= 3 * 9


def metrics(daemon: Daemon) -> dict[str, float]:
    """Return the samples on batches by their name with labels. The page is drawn at most once a second."""
    with urlopen(f"{daemon.admin}/metrics", timeout=5) as response:
        lines = [text.rpartition(" ") for text in response.read().decode().splitlines() if text.startswith("lbd_batch")]
    return {name: float(value) for name, _, value in lines}


def test_an_input_that_is_none_is_told_line_by_line(strict_daemon: Daemon) -> None:
    """With numbers, and nothing is sent."""
    client = sdk(strict_daemon)
    lines = [
        line(1),
        "no json",
        line(1),
        {**line(2), "custom_id": None},
        line(3, method="GET"),
        line(4, url="/v1/embeddings"),
        line(5, {"stream": True}),
    ]
    batch = until(client, begin(client, jsonl(*lines)).id, "failed")
    assert [(e.line, e.code) for e in batch.errors.data] == [
        (2, "invalid_json_line"),
        (3, "duplicate_custom_id"),
        (4, "missing_required_parameter"),
        (5, "invalid_method"),
        (6, "invalid_url"),
        (7, "unsupported_value"),
    ]
    assert batch.output_file_id is None and batch.error_file_id is None


def test_what_cannot_be_asked_is_refused(strict_daemon: Daemon) -> None:
    """Routes, windows, files and batches that are not there; OpenAI's envelope each time."""
    client = sdk(strict_daemon)
    for more in ({"endpoint": "/v1/images/generations"}, {"completion_window": "soon"}):
        with pytest.raises(openai.BadRequestError):
            begin(client, jsonl(line(1)), **more)
    with pytest.raises(openai.NotFoundError):
        client.batches.create(input_file_id="file-x", endpoint="/v1/embeddings", completion_window="24h")
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("batch_x")
    with pytest.raises(openai.BadRequestError):
        client.files.create(file=("a.jsonl", b"x"), purpose="fine-tune")


def test_batches_are_listed_page_by_page(strict_daemon: Daemon) -> None:
    """The newest first, each once."""
    client = sdk(strict_daemon)
    made = [begin(client, jsonl(line(1, {"model": "m-openai"}))).id for _ in range(5)]
    page = client.batches.list(limit=2)
    assert [b.id for b in page.data] == made[:-3:-1] and page.has_more
    assert [b.id for b in client.batches.list(limit=2)][:5] == made[::-1]
    for batch in made:
        until(client, batch, "completed")


# --- a slow provider -------------------------------------------------------------------------------------


@pytest.fixture
def slow() -> Iterator[StubProvider]:
    with StubProvider("slow") as running:
        running.say("first=0.3")
        yield running


def before(slow: StubProvider, folder: Path, **more: Any) -> Daemon:
    config = {"providers": [slow.config()], "probes": {"completion": "never"}, **more}
    return Daemon(folder, config)


def test_a_cancelled_batch_keeps_what_is_done(slow: StubProvider, tmp_path: Path) -> None:
    """What was under way ends; the rest is told as cancelled and never sent."""
    daemon = before(slow, tmp_path)
    daemon.start()
    try:
        client = sdk(daemon)
        batch = begin(client, jsonl(*(line(i) for i in range(100))))
        while client.batches.retrieve(batch.id).request_counts.completed < 5:
            time.sleep(0.05)
        with pytest.raises(openai.ConflictError):
            client.files.delete(batch.input_file_id)
        assert client.batches.cancel(batch.id).status in ("cancelling", "cancelled")
        batch = until(client, batch.id, "cancelled", timeout=10)
        done, rest = results(client, batch.output_file_id), results(client, batch.error_file_id)
        assert 5 <= len(done) < 40 and len(done) + len(rest) == 100 and not done.keys() & rest.keys()
        assert {x["error"]["code"] for x in rest.values()} == {"batch_cancelled"}
        assert slow.seen()["completions"] == len(done) == batch.request_counts.completed
        told = metrics(daemon)
        assert told['lbd_batch_lines_total{outcome="completed"}'] == len(done)
        assert told['lbd_batch_lines_total{outcome="cancelled"}'] == len(rest)
        assert told['lbd_batches{state="cancelled"}'] == 1 and told["lbd_batch_lines_waiting"] == 0
        assert told["lbd_batch_oldest_age_seconds"] == 0
        with pytest.raises(openai.ConflictError):
            client.batches.cancel(batch.id)
        client.files.delete(batch.input_file_id)
    finally:
        assert daemon.stop() == 0
    assert "Traceback" not in daemon.log()


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM], ids=["kill -9", "stop"])
def test_a_batch_goes_on_after_a_restart(slow: StubProvider, tmp_path: Path, signum: int) -> None:
    """Nothing is lost, and nothing is sent twice but what was under way when it was killed."""
    daemon = before(slow, tmp_path)
    daemon.start()
    try:
        client = sdk(daemon)
        batch = begin(client, jsonl(*(line(i) for i in range(60))))
        for n in (10, 30):
            while client.batches.retrieve(batch.id).request_counts.completed < n:
                time.sleep(0.02)
            daemon.stop(signum)
            (tmp_path / "state.files" / "file-stray").write_bytes(b"left by a crash")
            daemon.start()
        told = metrics(daemon)
        assert told['lbd_batches{state="in_progress"}'] == 1 and told["lbd_batch_lines_waiting"] > 0
        assert told["lbd_batch_oldest_age_seconds"] >= 1
        batch = until(client, batch.id, "completed")
        tokens = [x["response"]["body"]["usage"] for x in results(client, batch.output_file_id).values()]
        assert batch.usage.input_tokens == sum(u["prompt_tokens"] for u in tokens) == 60 * 20
        assert batch.usage.output_tokens == sum(u["completion_tokens"] for u in tokens) and batch.model == "m"
        time.sleep(1.1)
        assert 0 < metrics(daemon)['lbd_batch_lines_total{outcome="completed"}'] < 60  # those of this run
        kept = {p.name for p in (tmp_path / "state.files").iterdir()}
        assert kept == {batch.input_file_id, batch.output_file_id}
        told = [e for e in daemon.get("/v1/events")["events"] if e["kind"] == "strays_dropped"]
        assert [e["evidence"] for e in told] == [{"contents": 1, "bytes": 15}]
        counts = batch.request_counts
        assert (counts.total, counts.completed, counts.failed) == (60, 60, 0)
        assert set(results(client, batch.output_file_id)) == {f"line-{i}" for i in range(60)}
        assert batch.error_file_id is None
        again = slow.seen()["completions"] - 60
        assert 0 <= again <= (16 if signum == signal.SIGKILL else 0), again
    finally:
        daemon.stop()
    assert "Traceback" not in daemon.log()


def test_an_outage_costs_a_batch_nothing(slow: StubProvider, tmp_path: Path) -> None:
    """Lines wait for somebody who can serve them; they do not fail one after the other meanwhile."""
    daemon = before(slow, tmp_path, probes={"completion": "never", "every_s": 1})
    daemon.start()
    try:
        client = sdk(daemon)
        batch = begin(client, jsonl(*(line(i) for i in range(40))))
        while client.batches.retrieve(batch.id).request_counts.completed < 8:
            time.sleep(0.02)
        slow.stop()
        time.sleep(3)
        slow.start()
        batch = until(client, batch.id, "completed", timeout=90)
        assert (batch.request_counts.completed, batch.request_counts.failed) == (40, 0)
    finally:
        daemon.stop()


def test_interactive_requests_do_not_wait_for_a_batch(slow: StubProvider, tmp_path: Path) -> None:
    """A provider with few slots, all of them taken by a batch again and again: a person comes first."""
    deployment = {"max_concurrency": 2}
    daemon = Daemon(tmp_path, {"providers": [slow.config(deployment=deployment)], "probes": {"completion": "never"}})
    daemon.start()
    try:
        client = sdk(daemon)
        batch = begin(client, jsonl(*(line(i) for i in range(60))))
        while client.batches.retrieve(batch.id).request_counts.completed < 4:
            time.sleep(0.02)
        began = time.monotonic()
        told = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "now"}])
        assert told.choices and time.monotonic() - began < 1.2  # one slot's rest, then its own 0.3 s
        client.batches.cancel(batch.id)
    finally:
        daemon.stop()


def test_clients_see_their_own(slow: StubProvider, tmp_path: Path) -> None:
    """Another key's files and batches are not there."""
    clients = [{"name": "one", "key": "key-of-one"}, {"name": "two", "key": "key-of-two"}]
    daemon = before(slow, tmp_path, clients=clients, allow_inline_secrets=True)
    daemon.start()
    try:
        one, two = sdk(daemon, "key-of-one"), sdk(daemon, "key-of-two")
        batch = until(one, begin(one, jsonl(line(1))).id, "completed")
        assert results(one, batch.output_file_id)
        assert not list(two.files.list()) and not list(two.batches.list())
        for ask in (
            lambda: two.files.retrieve(batch.input_file_id),
            lambda: two.files.content(batch.output_file_id),
            lambda: two.files.delete(batch.output_file_id),
            lambda: two.batches.retrieve(batch.id),
            lambda: two.batches.cancel(batch.id),
            lambda: (
                begin(two, b"{}", input_file_id=batch.input_file_id)
                if False
                else two.batches.create(
                    input_file_id=batch.input_file_id, endpoint="/v1/chat/completions", completion_window="24h"
                )
            ),
        ):
            with pytest.raises(openai.NotFoundError):
                ask()
        with pytest.raises(openai.AuthenticationError):
            list(sdk(daemon, "none").files.list())
    finally:
        daemon.stop()
