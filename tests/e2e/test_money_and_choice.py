"""Money and choice through a real daemon with OpenAI's own client: budgets, rates, rules, and what survives a kill."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import openai
import pytest

from tests.e2e.conftest import Daemon
from tests.fakes.stub_provider import StubProvider

TOKENS = 100
PRICES: tuple[dict[str, float], ...] = (
    {"input_usd_per_mtok": 10, "output_usd_per_mtok": 30},
    {"input_usd_per_mtok": 0.1, "output_usd_per_mtok": 0.4},
)
PRAISE = "Thanks a lot, that helped!"
PROOF = "Prove that every continuous function on a closed interval is bounded, and explain each step of the argument."


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with StubProvider("dear") as dear, StubProvider("cheap") as cheap:
        for provider in (dear, cheap):
            provider.say(f"tokens={TOKENS}")
        big, small = (
            {"model": model, "price": price, "quality": {"default": quality}}
            for model, price, quality in zip(("big", "small"), PRICES, (0.9, 0.7), strict=True)
        )
        config = {
            "providers": [dear.config(deployment=big), cheap.config(tier="secondary", deployment=small)],
            "allow_inline_secrets": True,
            "clients": [
                {"name": "poor", "key": "poor", "budget": {"usd_per_month": 0.02}},
                {"name": "slow", "key": "slow", "limit": {"requests_per_min": 3}},
                {"name": "free", "key": "free"},
            ],
            "routing_rules": {
                "simple_queries": {"primary": "small", "fallback": "big"},
                "complex_reasoning": {"primary": "big", "fallback": "small"},
            },
            "probes": {"completion": "never"},
        }
        running = Daemon(tmp_path_factory.mktemp("money"), config)
        running.start()
        yield running
        running.stop()


def ask(daemon: Daemon, key: str, model: str, text: str = "hello", **more: Any) -> Any:
    with openai.OpenAI(base_url=f"{daemon.url}/v1", api_key=key, max_retries=2) as client:
        return client.chat.completions.with_raw_response.create(
            model=model, messages=[{"role": "user", "content": text}], max_tokens=200, **more
        )


def told(daemon: Daemon, path: str) -> Any:
    with urlopen(f"{daemon.admin}{path}", timeout=5) as response:
        return json.load(response)


def test_a_budget_is_never_passed_by_many_at_once(daemon: Daemon) -> None:
    """What does not fit goes to nobody, and the client's own library does not ask again; others are served."""
    outcomes: list[str] = []

    def one() -> None:
        try:
            outcomes.append(ask(daemon, "poor", "big").headers["x-lbd-deployment"])
        except openai.RateLimitError as e:
            outcomes.append(str(e.code))

    threads = [threading.Thread(target=one) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(outcomes) == {"dear/big", "insufficient_quota"}
    (budget,) = [b for b in told(daemon, "/v1/budgets")["data"] if b["name"] == "poor"]
    assert budget["spent_usd"] <= 0.02 and budget["reserved_usd"] == 0
    assert ask(daemon, "poor", "small").headers["x-lbd-deployment"] == "cheap/small"
    assert ask(daemon, "free", "big").headers["x-lbd-deployment"] == "dear/big"


def test_a_client_over_its_rate_is_told_how_long_to_wait(daemon: Daemon) -> None:
    """And what is refused takes nothing."""
    with openai.OpenAI(base_url=f"{daemon.url}/v1", api_key="slow", max_retries=0) as client:
        asked: Any = {"model": "small", "messages": [{"role": "user", "content": "x"}]}
        for _ in range(3):
            client.chat.completions.create(**asked)
        with pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(**asked)
    assert 15_000 < int(caught.value.response.headers["retry-after-ms"]) <= 20_000


def test_easy_prompts_go_to_the_cheap_model_and_hard_ones_to_the_dear_one(daemon: Daemon) -> None:
    """Over a whole conversation, and the record says what was held of the prompt and which rule was taken."""
    easy, hard = ask(daemon, "free", "auto", PRAISE), ask(daemon, "free", "auto", PROOF)
    assert (easy.headers["x-lbd-deployment"], hard.headers["x-lbd-deployment"]) == ("cheap/small", "dear/big")
    record = told(daemon, f"/v1/decisions/{hard.headers['x-request-id']}")
    assert record["judged"]["rule"] == "complex_reasoning" and record["judged"]["difficulty"] >= 0.6
    assert record["judged"]["fired"]
    with openai.OpenAI(base_url=f"{daemon.url}/v1", api_key="free") as client:
        messages: Any = [
            {"role": "user", "content": PROOF},
            {"role": "assistant", "content": "Shall I go on?"},
            {"role": "user", "content": "yes, go on"},
        ]
        again = client.chat.completions.with_raw_response.create(model="auto", messages=messages)
    assert again.headers["x-lbd-deployment"] == "dear/big"


def test_the_ledger_survives_a_kill(daemon: Daemon) -> None:
    """Every attempt once, and the sums are those of its entries."""
    for _ in range(5):
        ask(daemon, "free", "auto", PRAISE)
    time.sleep(0.3)
    before = told(daemon, "/v1/savings?since=1h&by=model")
    budgets = {b["name"]: b["spent_usd"] for b in told(daemon, "/v1/budgets")["data"]}
    daemon.stop(signal.SIGKILL)
    daemon.start()
    after = told(daemon, "/v1/savings?since=1h&by=model")
    for name in ("requests", "attempts", "cost_usd", "saved_usd", "tokens", "by"):
        assert after[name] == before[name], name
    entries = told(daemon, "/v1/ledger?since=1h&kind=client")["data"]
    assert len({e["id"] for e in entries}) == len(entries) == after["attempts"]
    assert sum(e["cost"] for e in entries) == round(after["cost_usd"] * 1e9)
    kept = {b["name"]: b["spent_usd"] for b in told(daemon, "/v1/budgets")["data"]}
    assert all(kept[name] >= spent for name, spent in budgets.items())


def test_the_report_says_what_was_saved(daemon: Daemon, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """In the terminal, and as a table for a spreadsheet."""
    from lbd.cli.main import main

    ask(daemon, "free", "auto", PRAISE)
    assert main(["report", "--admin", f"unix:{daemon.socket}", "--by", "model"]) == 0
    out = capsys.readouterr().out
    assert " saved, " in out.splitlines()[0] and "small" in out and "lbd itself: probes" in out
    assert main(["report", "--admin", f"unix:{daemon.socket}", "--rows", "3"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert main(["advise", "--admin", f"unix:{daemon.socket}"]) == 0
    assert "routing does not pay" in capsys.readouterr().out
