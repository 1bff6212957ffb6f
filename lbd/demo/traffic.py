"""Steady traffic through lbd, each answer judged: was it whole, was it the right text, how did it get here?

Greedy answers of one model are the same on each of the demonstration's servers, so every answer, moved or not,
must be the reference text, byte for byte.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import aiohttp
import msgspec

from lbd.demo.load import LENGTHS, Load, fitting

QUESTIONS = (
    "What is the capital of France?",
    "Name three colours.",
    "What do bees make?",
    "How many legs has a spider?",
    "What is water made of?",
)
TOKENS = 24
PATIENCE_S = 60.0  # more than lbd's deadline in the demonstration: it is lbd that has the last word


class Fate(StrEnum):
    """What became of a request, seen by its client."""

    OK = "ok"
    MOVED = "moved before the first content"
    TYPED_ERROR = "ended by a typed error after content"
    REFUSED = "failed before the first content"
    LOST = "lost or corrupt"


class Judged(msgspec.Struct):
    """One request."""

    fate: Fate
    stream: bool
    began: float
    took_s: float
    first_s: float | None
    deployment: str | None  # as the headers told; they may go out before it is known
    detail: str = ""
    model: str | None = None  # as the answer told: a server of the demonstration says its own name


def body(question: str, model: str, stream: bool, tokens: int = TOKENS) -> dict[str, Any]:
    """Return a request whose answer does not depend on who answers."""
    return {
        "model": model,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": question},
        ],
        "max_tokens": tokens,
        "temperature": 0,
        "cache_prompt": False,
        "stream": stream,
    }


class Traffic:
    """Asks the same questions over and over, unary and streamed in turn."""

    def __init__(self, url: str, model: str, reference: Sequence[str], tokens: int = TOKENS) -> None:
        self._url = f"{url}/v1/chat/completions"
        self._model = model
        self._reference = reference
        self._tokens = tokens
        self.judged: list[Judged] = []
        self.under_way = 0

    def counts(self) -> Counter[Fate]:
        """Return how many requests had which fate."""
        return Counter(j.fate for j in self.judged)

    async def run(self, rate: float, seconds: float) -> None:
        """Start ``rate`` requests a second for so long, then wait for the last."""
        tasks = []
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_S)) as session:
            begin = time.monotonic()
            number = 0
            while (now := time.monotonic() - begin) < seconds:
                if number <= now * rate:
                    tasks.append(asyncio.ensure_future(self._one(session, number)))
                    number += 1
                else:
                    await asyncio.sleep(number / rate - now)
            await asyncio.gather(*tasks)

    async def _one(self, session: aiohttp.ClientSession, number: int) -> None:
        question = number % len(QUESTIONS)
        stream = number % 2 == 1
        began = time.monotonic()
        self.under_way += 1
        judged = Judged(Fate.LOST, stream, began, 0.0, None, None)
        try:
            asked = body(QUESTIONS[question], self._model, stream, self._tokens)
            async with session.post(self._url, json=asked) as response:
                judged.deployment = response.headers.get("x-lbd-deployment")
                moved = int(response.headers.get("x-lbd-attempts", "1")) > 1
                if response.status != 200:
                    judged.fate, judged.detail = Fate.REFUSED, words(response.status, await response.text())
                elif stream:
                    await self._stream(response, self._reference[question], judged, moved)
                else:
                    whole = await response.json()
                    answer, judged.model = whole["choices"][0]["message"]["content"], whole.get("model")
                    self._compare(judged, answer, self._reference[question], moved)
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError) as e:
            judged.fate, judged.detail = Fate.LOST, f"{type(e).__name__}: {e}"
        finally:
            self.under_way -= 1
            judged.took_s = time.monotonic() - began
            self.judged.append(judged)

    async def _stream(self, response: aiohttp.ClientResponse, reference: str, judged: Judged, moved: bool) -> None:
        text, finished, done = "", False, False
        async for line in response.content:
            if not line.startswith(b"data: "):
                continue
            data = line[6:].strip()
            if data == b"[DONE]":
                done = True
                continue
            event = json.loads(data)
            if "error" in event:
                whole = reference.startswith(text)
                judged.fate = (Fate.TYPED_ERROR if text else Fate.REFUSED) if whole else Fate.LOST
                judged.detail = _said(event["error"])
                return
            judged.model = event.get("model", judged.model)
            for choice in event.get("choices", ()):
                piece = choice["delta"].get("content") or ""
                if piece and judged.first_s is None:
                    judged.first_s = time.monotonic() - judged.began
                text += piece
                finished = finished or bool(choice.get("finish_reason"))
        if finished and done:
            self._compare(judged, text, reference, moved)
        else:
            judged.detail = f"the stream ended after {len(text)} characters without a finish"

    @staticmethod
    def _compare(judged: Judged, answer: str, reference: str, moved: bool) -> None:
        if answer == reference:
            judged.fate = Fate.MOVED if moved else Fate.OK
        else:
            judged.fate, judged.detail = Fate.LOST, f"another text: {answer[:80]!r} instead of {reference[:80]!r}"


def words(status: int, text: str) -> str:
    """Return what a refusal says, without the wire format around it."""
    try:
        return f"{status} {_said(json.loads(text)['error'])}"
    except (ValueError, KeyError, TypeError):
        return f"{status} {text[:300]}"


def _said(error: Any) -> str:
    if not isinstance(error, dict):
        return str(error)
    return ": ".join(str(error[key]) for key in ("code", "message") if error.get(key))


async def references(base_url: str, tokens: int = TOKENS) -> list[str]:
    """Return the right answers, asked of one server directly, one after the other."""
    out = []
    async with aiohttp.ClientSession() as session:
        for question in QUESTIONS:
            asked = body(question, "any", False, tokens)
            async with session.post(f"{base_url}/chat/completions", json=asked) as response:
                out.append((await response.json())["choices"][0]["message"]["content"])
    return out


async def measured(base_url: str) -> tuple[Load, list[str]]:
    """Return the load that a server like this one can answer alone, and the right answers. Raises DemoError."""
    load: Load | None = None
    lengths = iter(LENGTHS)
    while load is None:  # the shortest length is taken or refused
        tokens, began = next(lengths), time.monotonic()
        right = await references(base_url, tokens)
        load = fitting(tokens, (time.monotonic() - began) / len(right))
    return load, right
