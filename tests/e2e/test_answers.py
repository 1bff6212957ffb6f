"""Answers held to what was asked of them, through a real daemon with OpenAI's own client."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import openai
import pytest

from tests.e2e.conftest import Daemon
from tests.fakes.strict_provider import StrictProvider
from tests.fakes.stub_provider import StubProvider

ASKED: Any = {"model": "m", "messages": [{"role": "user", "content": "tell me"}]}
LONG = 50  # tokens of a good answer; a bad one has 1


@pytest.fixture(scope="module")
def curt() -> Iterator[StubProvider]:
    """It gives short answers."""
    with StubProvider("curt") as running:
        running.say("tokens=1")
        yield running


@pytest.fixture(scope="module")
def daemon(curt: StubProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """The cheap one is preferred, and not good enough."""
    with StubProvider("wordy") as wordy:
        wordy.say(f"tokens={LONG}")
        cheap, dear = ({"price": {"input_usd_per_mtok": n, "output_usd_per_mtok": n}} for n in (0.01, 100))
        config = {
            "providers": [curt.config(deployment=cheap), wordy.config(tier="secondary", deployment=dear)],
            "surfaces": [{"name": "long", "validate": {"min_chars": 20}}],
            "probes": {"completion": "never"},
        }
        running = Daemon(tmp_path_factory.mktemp("answers"), config)
        running.start()
        yield running
        running.stop()


def settled(daemon: Daemon) -> int:
    """Return how many answers were not good enough, once the table tells of all of them."""
    time.sleep(0.5)
    return int(daemon.rows()["curt/m"]["quality_failures"]["n"])


def until(holds: Callable[[], bool]) -> None:
    """Wait for the table's next snapshot."""
    end = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def asked(daemon: Daemon, headers: dict[str, str], **more: Any) -> tuple[Any, Any]:
    """Return the headers and the answer."""
    with openai.OpenAI(base_url=f"{daemon.url}/v1", api_key="x", max_retries=0) as client:
        told = client.chat.completions.with_raw_response.create(**ASKED, **more, extra_headers=headers)
        return told.headers, list(told.parse()) if "stream" in more else told.parse()


@pytest.mark.parametrize("headers", [{"x-lbd-surface": "long"}, {"x-lbd-validate": "min_chars=20"}])
def test_an_answer_that_is_not_good_enough_is_asked_of_the_next(daemon: Daemon, headers: dict[str, str]) -> None:
    """By a surface's rule and by the request's own; it counts as quality, and not against health."""
    before = settled(daemon)
    told, answer = asked(daemon, headers)
    assert told["x-lbd-deployment"] == "wordy/m" and told["x-lbd-attempts"] == "2"
    assert len(answer.choices[0].message.content or "") >= 20
    until(lambda: daemon.rows()["curt/m"]["quality_failures"]["n"] == before + 1)
    row = daemon.rows()["curt/m"]
    assert row["quality_failures"]["of"] >= row["quality_failures"]["n"]
    assert row["breaker"]["state"] == "closed" and row["health"] != "down"
    with urlopen(f"{daemon.admin}/v1/decisions/{told['x-request-id']}", timeout=5) as response:
        tried = json.load(response)["attempts"]
    assert [a["failure"] for a in tried] == ["invalid_answer", None]


def test_without_a_rule_it_is_the_answer(daemon: Daemon) -> None:
    """And a stream is never held back."""
    assert asked(daemon, {})[0]["x-lbd-deployment"] == "curt/m"
    told, chunks = asked(daemon, {"x-lbd-surface": "long"}, stream=True)
    assert told["x-lbd-deployment"] == "curt/m" and chunks


def test_when_nobody_s_answer_is_good_enough(daemon: Daemon) -> None:
    """An error that says so, or the last answer with a mark, as is wished."""
    with pytest.raises(openai.APIStatusError) as caught:
        asked(daemon, {"x-lbd-validate": "min_chars=100000"})
    assert caught.value.status_code == 502 and caught.value.code == "invalid_answer"
    told, answer = asked(daemon, {"x-lbd-validate": "min_chars=100000, on_failure=pass"})
    assert told["x-lbd-validation"] == "failed" and answer.choices[0].message.content


@pytest.mark.parametrize("value", ["min_chars=x", "nonsense", "json_schema, min_chars=5, max_chars=4"])
def test_a_rule_that_cannot_be_is_a_400(daemon: Daemon, value: str) -> None:
    """It names the header."""
    with pytest.raises(openai.BadRequestError) as caught:
        asked(daemon, {"x-lbd-validate": value})
    assert "x-lbd-validate" in str(caught.value)


def test_a_deployment_s_own_prompt_reaches_every_shape(strict_provider: StrictProvider, tmp_path: Path) -> None:
    """Passed through or translated, its words stand around the client's; a hash of them is on record."""
    providers = strict_provider.config()
    for provider in providers:
        for row in provider["deployments"]:
            if "serves" not in row:
                row["prompt"] = {"system": "Be kind.", "prefix": "<<", "suffix": ">>"}
    daemon = Daemon(tmp_path, {"providers": providers, "probes": {"completion": "never"}}, {"STRICT_KEY": "strict"})
    daemon.start()
    strict_provider.refused.clear()
    versions = set()
    try:
        with openai.OpenAI(base_url=f"{daemon.url}/v1", api_key="x", max_retries=0) as client:
            for shape in ("openai", "anthropic", "gemini", "bedrock"):
                strict_provider.asked.clear()
                told = client.chat.completions.with_raw_response.create(
                    model=f"m-{shape}", messages=[{"role": "user", "content": "hello"}]
                )
                ((_, body),) = strict_provider.asked
                words = json.dumps(body)
                assert "Be kind." in words and "<<hello>>" in words, words
                with urlopen(f"{daemon.admin}/v1/decisions/{told.headers['x-request-id']}", timeout=5) as response:
                    versions |= {a["prompt"] for a in json.load(response)["attempts"]}
    finally:
        daemon.stop()
    assert len(versions) == 1 and all(versions)
    assert not strict_provider.refused
