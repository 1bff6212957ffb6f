"""Load: what runs and waits inside the server. A queue is busy, never down."""

from __future__ import annotations

import pytest

from lbd.model.failure import FailureKind
from lbd.model.outcome import Load, Verdict
from probes import load
from tests.fakes.targets import FakeTarget, answer, failing, shape


def gauges(
    running: int, waiting: int, prefix: str = "llamacpp:requests_processing,llamacpp:requests_deferred"
) -> bytes:
    """Return a metrics page."""
    first, second = prefix.split(",")
    return f"# HELP x y\n{first} {running}\n{second} {waiting}\n".encode()


@pytest.mark.parametrize(
    ("running", "waiting", "verdict"),
    [(0, 0, "up"), (1, 0, "up"), (2, 0, "busy"), (2, 9, "busy"), (0, 1, "busy")],
)
async def test_a_full_server_is_busy_and_never_down(running: int, waiting: int, verdict: str) -> None:
    """Two slots: full or queueing is busy."""
    answers = {"/metrics": answer(200, gauges(running, waiting)), "/props": answer(200, b'{"total_slots": 2}')}
    result = await load.run(FakeTarget("llamacpp", answers))
    assert result is not None
    assert result.verdict == verdict
    assert result.load == Load(running, waiting, 2)
    assert result.detail == f"{running} running, {waiting} waiting"
    assert result.failure is None


async def test_a_server_that_does_not_tell_its_slots_is_judged_by_its_queue() -> None:
    """vLLM tells no slots; llama.cpp may refuse /props."""
    vllm = gauges(40, 0, "vllm:num_requests_running,vllm:num_requests_waiting")
    result = await load.run(FakeTarget("vllm", {"/metrics": answer(200, vllm)}))
    assert result is not None
    assert (result.verdict, result.load) == (Verdict.UP, Load(40, 0))
    answers = {"/metrics": answer(200, gauges(2, 0)), "/props": answer(403)}
    result = await load.run(FakeTarget("llamacpp", answers))
    assert result is not None
    assert (result.verdict, result.load) == (Verdict.UP, Load(2, 0))


@pytest.mark.parametrize("status", [401, 404, 500, 501])
async def test_a_server_without_gauges_is_no_news(status: int) -> None:
    """The page may be switched off."""
    assert await load.run(FakeTarget("llamacpp", {"/metrics": answer(status)})) is None


@pytest.mark.parametrize("page", [b"", b"<html>", b"other 1\n", b"llamacpp:requests_deferred 3\n", b"\xff\xfe"])
async def test_a_page_without_the_gauge_is_no_news(page: bytes) -> None:
    """Nothing is read into what is not there."""
    assert await load.run(FakeTarget("llamacpp", {"/metrics": answer(200, page)})) is None


async def test_nobody_there_is_no_news() -> None:
    """Liveness says so."""
    assert await load.run(FakeTarget("llamacpp", {"/metrics": failing(FailureKind.CONNECT)})) is None
    answers = {"/metrics": answer(200, gauges(0, 0)), "/props": failing(FailureKind.RESET)}
    assert await load.run(FakeTarget("llamacpp", answers)) is None


async def test_a_shape_that_tells_no_load_is_not_asked() -> None:
    """It does not apply, and asks nothing if it is run all the same."""
    target = FakeTarget("openai")
    assert not load.applies(shape("openai"), target.provider)
    assert load.applies(shape("vllm"), target.provider)
    assert await load.run(target) is None
    assert target.asked == []
