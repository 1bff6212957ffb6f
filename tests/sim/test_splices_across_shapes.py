"""A stream that breaks at a provider of one shape is gone on with at one of another, and its client notices nothing.

The answers are those of :mod:`tests.fakes.golden`, which says the same in every provider's language.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from lbd.upstream.service import Settings
from tests.fakes import garbles, golden, readings
from tests.fakes.harness import SimInbound
from tests.fakes.relay import Relay, row
from tests.fakes.stage import cut, end, head, say
from tests.fakes.tongues import CLIENTS, request
from tests.fakes.virtual import VirtualEnv, run

SHAPES = {"chat": "openai", "messages": "anthropic", "gemini": "gemini", "bedrock": "bedrock"}
KEYS = {"bedrock": {"aws_access_key_id": "AKIAX", "aws_secret_access_key": "s" * 40, "region": "eu-west-1"}}
HEADS = {"bedrock": {"content_type": "application/vnd.amazon.eventstream"}}
ANSWERS = ("text", "call", "length")
PAIRS = list(itertools.permutations(SHAPES, 2))


def breaks(tongue: str) -> dict[str, tuple[Any, ...]]:
    """Return the ways in which a stream of this language breaks."""
    said, _ = garbles.errors(tongue, SHAPES[tongue])[0]
    return {"cut": (cut(),), "stops": (), "error": (say(said),)}


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_what_broke_in_one_language_is_gone_on_with_in_another(first: str, second: str) -> None:
    """For each client the whole answer, its end, and one stream: behind any event that its client has content by."""

    async def once(env: VirtualEnv, client: str, name: str, shown: int, acts: tuple[Any, ...]) -> bool:
        rows = [
            row(host, tier=tier, shape=SHAPES[tongue], **KEYS.get(tongue, {}))
            for host, tier, tongue in (("a", "primary", first), ("b", "secondary", second))
        ]
        relay = Relay(env, *rows, settings=Settings(idle_gap_s=3.0), allow_inline_secrets=True)
        told = [golden.of(tongue, client)[name] for tongue in (first, second)]
        begin, whole = ([event.raw for event in answer.events] for answer in told)
        relay.stage.plan(0.1, head(**HEADS.get(first, {})), say(*begin[:shown]), 0.05, *acts, host="a")
        relay.stage.always(0.1, head(**HEADS.get(second, {})), say(*whole), end, host="b")
        heard = relay.heard(stream=True)
        inbound = SimInbound(env.now(), {})
        await relay.pipeline.handle(
            inbound, request(client, stream=True, model="m"), relay.plugins.clients[client], heard
        )
        where = (client, name, shown, relay.last.outcome, relay.last.splices)
        assert relay.last.outcome == "ok", where
        got = readings.STREAMS[client](heard.asked.body)
        calls = [(name, json.loads(given)) for name, given in got.calls]
        assert (got.text, got.reason, got.ended) == (told[0].text, told[0].reason, True), where
        assert calls == ([] if told[0].call is None else [told[0].call]), where
        relay.check()
        return relay.last.spliced

    spliced = 0
    how = itertools.cycle(breaks(first).values())
    for client, name in itertools.product(CLIENTS, ANSWERS):
        if client == "openai.completions" and (name == "call" or "chat" in (first, second)):
            continue  # there it has a language of its own, which has no calls
        last = golden.of(first, client)[name].place("finish")
        for shown in {max(1, last // 2), last}:
            acts = next(how)
            spliced += run(lambda env, c=client, n=name, s=shown, a=acts: once(env, c, n, s, a))  # type: ignore[misc]
    assert spliced >= 8, "or nothing was shown"
