"""Thousands of mixed requests, one right after the other, through a real llama.cpp server.

    python -m tests.bench.back_to_back --requests 10000

llama.cpp closes its connection after each stream while it announces keep-alive; a client that reuses it loses
requests. Prints how many were answered wrongly or not at all (0 is right).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections import Counter
from pathlib import Path

import aiohttp

from lbd.demo.servers import ModelServers, ModelSpec
from lbd.demo.weights import fetch
from tests.e2e.conftest import MESSAGES, Daemon


async def ask(url: str, requests: int, workers: int) -> Counter[str]:
    """Ask so many times, unary and streamed in turn; returns what came, counted."""
    seen: Counter[str] = Counter()
    left = iter(range(requests))

    async def chain(session: aiohttp.ClientSession) -> None:
        for number in left:
            body = {"model": "auto", "messages": MESSAGES, "max_tokens": 1, "stream": number % 2 == 0}
            try:
                async with session.post(f"{url}/v1/chat/completions", json=body) as response:
                    data = await response.read()
            except aiohttp.ClientError as e:
                seen[type(e).__name__] += 1
                continue
            whole = b"[DONE]" in data if body["stream"] else b'"finish_reason"' in data
            seen["ok" if response.status == 200 and whole and b'"error"' not in data else f"bad {response.status}"] += 1

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(chain(session) for _ in range(workers)))
    return seen


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=4)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ModelServers([ModelSpec("a", slots=4)], fetch(print)) as servers:
        row = {"model": "m", "tier": "primary"}
        config = {
            "providers": [{"name": "a", "shape": "llamacpp", "base_url": servers.base_url("a"), "deployments": [row]}]
        }
        daemon = Daemon(Path(folder), config)
        daemon.start()
        try:
            seen = asyncio.run(ask(daemon.url, told.requests, told.workers))
        finally:
            daemon.stop()
        print(json.dumps(seen))


if __name__ == "__main__":
    main()
