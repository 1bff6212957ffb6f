"""A mixed workload: prompts of every kind go to ``auto``, and a table shows what each was held to be, who answered, and
what that cost. Answers are scored beside it (validators, and how like the premium model's they are). Prices and
qualities are made up and stated; all three servers have the same small weights, so no answer is worse for its model.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

PROMPTS: tuple[str, ...] = (
    "What is the capital of France?",
    "Translate to German: good morning, how are you?",
    "Thanks a lot, that helped!",
    "Give me three names for a cat.",
    "Which planet is closest to the sun?",
    "Write a short birthday wish for a colleague.",
    "A train leaves at 14:10 and arrives at 17:45. How long does the journey take?",
    "Sam has 3 boxes with 12 pencils each. He gives away 7 pencils and buys 2 more boxes. How many pencils has he?",
    "Prove that the square root of 2 is irrational.",
    "Let f be continuous on [0,1] with f(0)=f(1). Show that there is an x with f(x)=f(x+1/2).",
    "Write a Python function that merges overlapping intervals, and explain its complexity.",
    "def f(xs): return [x for x in xs if x not in set(xs)] # why does this return an empty list?",
    "Which of the following is a tort of strict liability? A. Libel B. Keeping a dangerous animal C. Trespass D. Fraud",
    "A patient has a low TSH and a high free T4. What is the most likely diagnosis, and which test would you order?",
    "Summarise in one sentence: the meeting was moved from Monday to Wednesday because the room was taken.",
    "Extract the date from: 'Your invoice of 3 May 2026 is due within 30 days.'",
)
TOKENS = 24
PAUSE = 0.25  # seconds between two looks
AT_ONCE = 2
_DIRECT = build_opener(ProxyHandler({}))


class Answered(msgspec.Struct):
    """One prompt, and what became of it."""

    prompt: str
    status: int
    deployment: str
    usd: float
    judged: dict[str, Any] | None


def _post(url: str, prompt: str) -> tuple[int, dict[str, str]]:
    body = {
        "model": "auto",
        "max_tokens": TOKENS,
        "temperature": 0,
        "messages": [{"role": "system", "content": "You are helpful."}, {"role": "user", "content": prompt}],
    }
    asked = Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"})
    with _DIRECT.open(asked, timeout=120) as response:
        response.read()
        return response.status, {k.lower(): v for k, v in response.headers.items()}


def _get(url: str) -> dict[str, Any]:
    with _DIRECT.open(url, timeout=30) as response:
        return dict(json.load(response))


async def send(url: str, admin: str, rounds: int = 1) -> list[Answered]:
    """Send every prompt so many times; return what became of each, in order."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(prompt: str) -> Answered:
        async with gate:
            status, told = await asyncio.to_thread(_post, url, prompt)
            record = await asyncio.to_thread(_get, f"{admin}/v1/decisions/{told['x-request-id']}")
        usd = float(told.get("x-lbd-cost-usd", "nan"))
        return Answered(prompt, status, told.get("x-lbd-deployment", "?"), usd, record.get("judged"))

    return list(await asyncio.gather(*(one(prompt) for prompt in PROMPTS * rounds)))


async def scored(admin: str, within_s: float = 60.0) -> dict[str, Any]:
    """Wait until every sampled answer was scored, or for so long; return how the scoring went."""
    for _ in range(int(within_s / PAUSE)):
        told = await asyncio.to_thread(_get, f"{admin}/v1/evaluation")
        counts = told["counts"]
        if sum(n for what, n in counts.items() if what.startswith(("scored", "unscored"))) >= counts.get("sampled", 0):
            break
        await asyncio.sleep(PAUSE)
    return told


def quality(console: Console, document: dict[str, Any], told: dict[str, Any]) -> None:
    """Print how good the answers were held to be, by deployment."""
    likeness = {m["deployment"]: m["mean"] for m in told["measured"]}
    count = told["counts"].get("scored", 0)
    console.print(f"\n[bold]{count} answers scored[/] beside the requests; by model, with chrF to the premium's:")
    for row in (r for tier in document["tiers"] for r in tier["deployments"]):
        every = next((s for s in row["scores"] if s["family"] == "all"), None)
        if every is None:
            continue
        like = likeness.get(row["id"])
        text = f"  {row['model']:12} {every['value']:.2f} ({every['low']:.2f} to {every['high']:.2f})"
        text += f" of {every['count']} scores"
        console.print(text if like is None else f"{text}; chrF {like:.2f}")
    console.print(f"[dim]references and scores cost {told['spent_today_usd']:.6f} USD[/]")


def show(console: Console, answered: list[Answered], savings: dict[str, Any], headline: str) -> None:
    """Print the table and what was saved."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold", expand=True)
    table.add_column("PROMPT", overflow="ellipsis", no_wrap=True, ratio=1)
    for head, right in (("KIND", False), ("HARD", True), ("RULE", False), ("MODEL", False), ("USD", True)):
        table.add_column(head, justify="right" if right else "left", no_wrap=True)
    for one in answered:
        judged = one.judged or {}
        difficulty = judged.get("difficulty")
        table.add_row(
            Text(one.prompt, overflow="ellipsis"),
            str(judged.get("family") or "·"),
            "·" if difficulty is None else f"{difficulty:.2f}",
            str(judged.get("rule") or "·"),
            one.deployment.partition("/")[2],
            f"{one.usd:.6f}",
        )
    console.print(table)
    console.print(f"\n[bold]{headline}[/]")
    compared = savings["compared"]
    console.print(
        f"{compared['requests']} requests: {compared['premium_usd']:.6f} USD at the premium model,"
        f" {compared['cost_usd']:.6f} USD as routed (made-up prices, stated in the table of `lbd status`)"
    )
