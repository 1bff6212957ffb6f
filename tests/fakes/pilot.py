"""A limited provider under steady overload, in virtual time: lbd's quota pilot, and a client that only reacts.

Requests come as a Poisson stream of mixed sizes, ``OVERLOAD`` times what the scarcest limit lets through. The
provider is behind a network of 10 to 60 ms either way, so requests overtake each other; answers take seconds, and tell
in their headers how the limits stood when their request came in.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from tests.fakes import stage
from tests.fakes.limiter import Limiter, Sizes, waits
from tests.fakes.relay import Relay, row
from tests.fakes.stage import Taken
from tests.fakes.virtual import VirtualEnv, run
from tests.fakes.world import percentile

OVERLOAD = 1.5
DEADLINE = 10.0  # of a request's wait, as configured by default
FIRST = 0.5  # seconds until an answer begins
CHARS = 4  # to a token
MODEL = "m"


class Case(NamedTuple):
    """A provider and its limits. ``foreign``: the share of them that others use, whom nobody asks."""

    name: str
    kind: str
    limits: dict[str, float]
    foreign: float = 0.0
    bounded: float = 1.0  # the share of requests that say ``max_tokens``
    produced: bool = False  # output counts when it is there
    late: bool = False  # headers tell how things stand when the answer begins, not when the request came in


OPENAI = {"requests": 500.0, "tokens": 2_000_000.0}
OPENAI_TOKENS = {"requests": 5000.0, "tokens": 300_000.0}
ANTHROPIC = {"requests": 400.0, "input-tokens": 2_000_000.0, "output-tokens": 800_000.0}
ANTHROPIC_TOKENS = {"requests": 4000.0, "input-tokens": 200_000.0, "output-tokens": 400_000.0}
ANTHROPIC_OUTPUT = {"requests": 4000.0, "input-tokens": 2_000_000.0, "output-tokens": 120_000.0}
CASES = (
    Case("OpenAI, requests", "openai", OPENAI),
    Case("OpenAI, tokens", "openai", OPENAI_TOKENS, bounded=0.7),
    Case("Anthropic, requests", "anthropic", ANTHROPIC),
    Case("Anthropic, input tokens", "anthropic", ANTHROPIC_TOKENS),
    Case("Anthropic, output tokens", "anthropic", ANTHROPIC_OUTPUT),
    Case("Anthropic, output as produced", "anthropic", ANTHROPIC_OUTPUT, produced=True),
)


@dataclass
class Run:
    """What came of one run."""

    used: float  # of what the scarcest limit had to give, by all
    refused: float  # of lbd's requests, with a 429
    sent: int
    served: int
    turned: int  # clients that were not: answered 429, but for the ``late``
    late: int = 0  # who had waited, and whose stream then came after its deadline
    waits: list[float] = field(default_factory=list)  # of those that were served, before their answer was begun

    def wait(self, q: float) -> float:
        return percentile(self.waits, q) if self.waits else 0.0


class Demand:
    """Sizes of requests: prompts of some hundred tokens, with a long tail; answers of about 150."""

    def __init__(self, case: Case, seed: int) -> None:
        self.random = random.Random(seed)
        self.case = case

    def sizes(self) -> Sizes:
        draw = self.random
        prompt = min(8000, max(20, int(draw.lognormvariate(math.log(350), 0.8))))
        answer = min(1000, max(5, int(draw.lognormvariate(math.log(150), 0.6))))
        if draw.random() >= self.case.bounded:
            return Sizes(prompt, None, answer)
        most = draw.choice((256, 512, 512, 1024, 2048))
        return Sizes(prompt, most, min(answer, most))

    def rate(self) -> float:
        """Return how many requests a second the limits let through."""
        sample = Demand(self.case, 0)
        many = [sample.sizes() for _ in range(2000)]
        limiter = Limiter(self.case.kind, self.case.limits, 0.0)
        most = []
        for what, limit in self.case.limits.items():
            each = [limiter._cost(what, s) for s in many]
            if what == "output-tokens":  # what is given back at the end is there for others
                each = [float(s.answer) for s in many]
            most.append(limit / 60 / (sum(each) / len(each)))
        return min(most)


def latency(sizes: Sizes, draw: random.Random) -> float:
    """Return how long an answer takes: half a second, and 60 tokens a second."""
    return FIRST + sizes.answer / 60 * draw.uniform(0.8, 1.3)


def _network(draw: random.Random) -> float:
    return draw.uniform(0.01, 0.06)


def _body(kind: str, sizes: Sizes) -> bytes:
    text = "w" * sizes.answer
    if kind == "openai":
        return stage.whole(text, sizes.prompt, sizes.answer)
    return orjson.dumps(
        {
            "id": "x",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": sizes.prompt, "output_tokens": sizes.answer},
        }
    )


def _stream(kind: str, sizes: Sizes) -> tuple[bytes, bytes]:
    """Return what a stream begins with, and what it ends with."""
    text = "w" * sizes.answer
    if kind == "openai":
        return stage.ROLE + stage.content(text), stage.STOP + stage.usage(sizes.prompt, sizes.answer) + stage.DONE
    begin = {
        "type": "message_start",
        "message": {
            "id": "x", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
            "stop_sequence": None, "usage": {"input_tokens": sizes.prompt, "output_tokens": 1},
        },
    }  # fmt: skip
    first = (
        begin,
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
    )
    last = (
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": sizes.answer},
        },
        {"type": "message_stop"},
    )
    return b"".join(map(_event, first)), b"".join(map(_event, last))


def _event(what: dict[str, object]) -> bytes:
    return f"event: {what['type']}\ndata: ".encode() + orjson.dumps(what) + b"\n\n"


def _refusal(kind: str) -> bytes:
    if kind == "openai":
        return stage.refusal("Rate limit reached", "rate_limit_exceeded", "tokens")
    return orjson.dumps({"type": "error", "error": {"type": "rate_limit_error", "message": "would exceed the limit"}})


class Host:
    """The provider behind a stage: an act that answers whatever is sent to it."""

    def __init__(self, env: VirtualEnv, limiter: Limiter, seed: int, *, tells: bool = True, late: bool = False) -> None:
        self.env, self.limiter, self.tells, self.late = env, limiter, tells, late
        self.random = random.Random(seed)

    def __call__(self, taken: Taken) -> None:
        env = self.env
        env.call_at(env.now() + _network(self.random), lambda: self._arrive(taken))

    def _arrive(self, taken: Taken) -> None:
        env, draw = self.env, self.random
        asked = json.loads(taken.body)
        text = asked["messages"][-1]["content"]
        text = text if isinstance(text, str) else text[0]["text"]
        answer = int(text[:6])
        most = asked.get("max_tokens") or asked.get("max_completion_tokens")
        sizes = Sizes(len(text) // CHARS, most, answer)
        taken.body = b""
        wait, told = self.limiter.admit(sizes, env.now(), env.wall())
        fields = {"content-type": "application/json", **(told if self.tells else {})}
        if wait is not None:
            fields.update(waits(self.limiter.kind, wait))
            body, status, after = _refusal(self.limiter.kind), 429, 0.0
        else:
            body, status, after = _body(self.limiter.kind, sizes), 200, latency(sizes, draw)

        def now_told() -> dict[str, str]:
            return {**fields, **self.limiter.headers(env.now(), env.wall())} if self.late and self.tells else fields

        def respond() -> None:
            if status == 200:
                self.limiter.ended(sizes, env.now())
            back = env.now() + _network(draw)
            seen = fields if streams or status != 200 else now_told()
            env.call_at(back, lambda: _say(taken, last) if streams else _answer(taken, status, seen, body))

        env.call_at(env.now() + after, respond)
        streams = status == 200 and asked.get("stream", False)
        if streams:
            first, last = _stream(self.limiter.kind, sizes)

            def begin() -> None:
                seen = now_told()
                env.call_at(env.now() + _network(draw), lambda: _begin(taken, seen, first))

            env.call_at(env.now() + min(after, FIRST), begin)


def _begin(taken: Taken, fields: dict[str, str], first: bytes) -> None:
    taken.head(200, {**fields, "content-type": "text/event-stream"})
    taken.say(first)


def _say(taken: Taken, last: bytes) -> None:
    taken.say(last)
    taken.end()


def _answer(taken: Taken, status: int, fields: dict[str, str], body: bytes) -> None:
    taken.head(status, fields)
    taken.say(body)
    taken.end()


def prompt(sizes: Sizes) -> str:
    """Return a prompt of so many tokens, which says how long its answer will be."""
    return f"{sizes.answer:06d}" + "x" * (sizes.prompt * CHARS - 6)


async def _foreign(env: VirtualEnv, limiter: Limiter, case: Case, seed: int, until: float) -> None:
    """Others under the same account, in bursts: they ask whatever the limiter says."""
    demand = Demand(case, seed + 77)
    rate = demand.rate() * case.foreign
    while env.now() < until:
        await env.sleep(demand.random.expovariate(rate / 3))
        for _ in range(demand.random.randint(1, 5)):
            sizes = demand.sizes()
            wait, _ = limiter.admit(sizes, env.now(), env.wall(), foreign=True)
            if wait is None:
                env.call_at(
                    env.now() + latency(sizes, demand.random), lambda s=sizes: limiter.ended(s, env.now(), foreign=True)
                )


Asker = Callable[[Sizes], Awaitable[tuple[bool, float]]]


async def _drive(
    env: VirtualEnv, case: Case, limiter: Limiter, seed: int, seconds: float, ask: Asker, overload: float
) -> Run:
    """Send the demand through ``ask``, which tells whether a request was served and how long it waited."""
    demand = Demand(case, seed)
    rate = demand.rate() * overload
    until = env.now() + seconds
    tasks: set[asyncio.Task[tuple[bool, float]]] = set()
    loop = asyncio.get_running_loop()
    others = loop.create_task(_foreign(env, limiter, case, seed, until)) if case.foreign else None
    while env.now() < until:
        tasks.add(loop.create_task(ask(demand.sizes())))  # type: ignore[arg-type]
        await env.sleep(demand.random.expovariate(rate))
    used = limiter.share(env.now())
    ends = [await t for t in tasks]
    if others is not None:
        await others
    return Run(
        used,
        limiter.refused(),
        limiter.asked.total(),
        sum(ok for ok, _ in ends),
        sum(not ok for ok, _ in ends),
        waits=[w for ok, w in ends if ok],
    )


def _row(case: Case) -> dict[str, object]:
    return row("a", model=MODEL, shape=case.kind)


def piloted(
    case: Case, seed: int, seconds: float, *, gateways: int = 1, overload: float = OVERLOAD, tells: bool = True
) -> Run:
    """Run the demand through lbd; with several gateways each gets its part, and none knows of the others."""

    async def main(env: VirtualEnv) -> Run:
        limiter = Limiter(case.kind, case.limits, env.now(), produced=case.produced)
        relays = []
        for n in range(gateways):
            relay = Relay(env, _row(case))
            relay.stage.always(Host(env, limiter, seed + n, tells=tells, late=case.late), host="a")
            relays.append(relay)
        turn = random.Random(seed)
        late: Counter[bool] = Counter()

        async def ask(sizes: Sizes) -> tuple[bool, float]:
            relay = turn.choice(relays)
            more = {} if sizes.most is None else {"max_tokens": sizes.most}
            stream = turn.random() < 0.5
            asked = await relay.ask(MODEL, stream=stream, messages=[{"role": "user", "content": prompt(sizes)}], **more)
            relay.stage.taken.clear()
            assert asked.status in (200, 429, 504), asked.body
            waited = relay.records[-1].waited_s
            relay.records.clear()
            late[asked.status == 504 or (asked.status == 200 and asked.error is not None)] += 1
            return asked.status == 200 and asked.error is None, waited

        out = await _drive(env, case, limiter, seed, seconds, ask, overload)
        out.late = late[True]
        return out

    return run(main, seed)


def reactive(case: Case, seed: int, seconds: float, *, overload: float = OVERLOAD) -> Run:
    """Run the demand through a client that sends until a 429 comes, and then waits as long as that says."""

    async def main(env: VirtualEnv) -> Run:
        limiter = Limiter(case.kind, case.limits, env.now(), produced=case.produced)
        draw = random.Random(seed + 5)

        async def ask(sizes: Sizes) -> tuple[bool, float]:
            began = env.now()
            while True:
                sent = env.now()
                await env.sleep(_network(draw))
                wait, _ = limiter.admit(sizes, env.now(), env.wall())
                if wait is None:
                    await env.sleep(latency(sizes, draw))
                    limiter.ended(sizes, env.now())
                    return True, sent - began
                await env.sleep(_network(draw))
                told = waits(case.kind, wait)
                wait = float(told["retry-after-ms"]) / 1000 if "retry-after-ms" in told else float(told["retry-after"])
                if env.now() + wait - began > DEADLINE:
                    return False, 0.0
                await env.sleep(wait)

        return await _drive(env, case, limiter, seed, seconds, ask, overload)

    return run(main, seed)
