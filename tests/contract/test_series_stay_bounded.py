"""Whatever strangers send, the number of metric series, and of things remembered, is the configuration's alone."""

from __future__ import annotations

import json
import re

from lbd.admit.asks import REMEMBERED
from lbd.decide import names
from lbd.ingress.server import Server
from lbd.model.failure import Failure
from tests.fakes.harness import Sim, compiled, provider
from tests.fakes.pipe import Pipe
from tests.fakes.virtual import VirtualEnv, run
from tests.fakes.world import SimHost

CONFIG = {
    "models": {"gpt-*": "auto", "claude-*": "m"},
    "surfaces": [{"name": "support"}],
    "clients": [{"name": "c", "key": "the-key"}],
    "allow_inline_secrets": True,
}


def series(page: bytes) -> set[str]:
    """Return the series of a page: names with their labels."""
    return {line.rpartition(b" ")[0].decode() for line in page.splitlines() if line and not line.startswith(b"#")}


def junk(n: int) -> bytes:
    """Return one of endlessly many requests that nobody has made before."""
    kinds = [
        {"model": f"gpt-{n}"},
        {"model": f"claude-{n}", "stream": True},
        {"model": f"no-such-{n}"},
        {"model": "m", "metadata": {"x-lbd-surface": f"surface-{n}"}},
        {"model": "m", "metadata": {"x-lbd-pin": f"pin-{n}"}},
        {"model": "m", "metadata": {"x-lbd-session": f"session-{n}"}, "user": f"user-{n}"},
        {"model": "m", "metadata": {"x-lbd-class": f"class-{n}"}},
        {"model": "m", "service_tier": f"tier-{n}"},
    ]
    body = {"messages": [{"role": "user", "content": f"hello {n}"}], **kinds[n % len(kinds)]}
    raw = json.dumps(body).encode()
    method, path, key = "POST", "/v1/chat/completions", "the-key"
    match n % 11:
        case 8:
            path = f"/v1/path-{n}"
        case 9:
            method, path = ("PROPFIND", "M-SEARCH", "LINK")[n % 3], f"/v1/models/{n}"
        case 10:
            key = f"key-{n}"
    lines = [f"{method} {path} HTTP/1.1", f"Host: 10.0.{n // 256 % 256}.{n % 256}", "Content-Type: application/json"]
    lines += [f"Authorization: Bearer {key}", f"User-Agent: agent/{n}", f"X-Request-Id: {n}", f"X-Junk-{n}: {n}"]
    return "\r\n".join([*lines, f"Content-Length: {len(raw)}", "", ""]).encode() + raw


def test_new_words_make_no_new_series() -> None:
    """Models, surfaces, pins, sessions, classes, paths, methods, keys, hosts, agents: none becomes a label."""

    async def main(env: VirtualEnv) -> None:
        hosts = [SimHost("a"), SimHost("b")]
        config = {**CONFIG, "providers": [provider(h) for h in hosts]}
        async with Sim(env, hosts, config) as sim:
            server = Server(sim.app.api.handle, env, lambda: 100_000)

            async def ask(numbers: range) -> int:
                pipes = []
                for n in numbers:
                    pipe = Pipe()
                    connection = server()
                    connection.connection_made(pipe)
                    connection.data_received(junk(n))
                    pipes.append((connection, pipe))
                    if n % 88 == 87:
                        await env.sleep(10.0)
                for connection, _ in pipes:
                    connection.connection_lost(None)
                return sum(pipe.out.startswith(b"HTTP/1.1 200") for _, pipe in pipes)

            assert await ask(range(176)) > 50
            before = series((await sim.console.metrics(openmetrics=False))[0])
            await ask(range(1760, 3520))
            await env.sleep(2.0)
            after = series((await sim.console.metrics(openmetrics=False))[0])
            assert after == before
            assert not [
                s for s in after if re.search(r"(gpt|claude|no-such|surface|pin|session|class|tier|path|key)-\d", s)
            ]
            assert len(sim.app.pipeline.asks.known) <= REMEMBERED + 1
            assert len(sim.app.api._known_hosts) <= 64

    run(main)


def test_a_hundred_thousand_names_mean_one_of_few_things() -> None:
    """What a request is counted under is a target of the catalogue, and never the name that was asked for."""
    made = compiled({**CONFIG, "providers": [provider(SimHost("a"))]})
    catalogue = names.build(made.deployments, made.tiers, made.rules, made.aliases)
    found = [names.resolve(catalogue, f"{kind}{n}") for n in range(33_000) for kind in ("gpt-", "claude-", "x-")]
    meant = {f.key for f in found if not isinstance(f, Failure)}
    assert meant == {"auto", "model:m"}
