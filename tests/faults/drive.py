"""Traffic through the daemon while a fault comes and goes, and what became of every request.

Three deployments of one model; some have the fault. Half of the requests are streams, of those for calls of tools, too.
A request is ``ok`` (the right answer to the byte), a typed error, or lost, which must never be. What the fault cost
beyond that is counted: attempts, time to the first content, how long the row that has the fault was still chosen, and
how soon it was chosen again.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.faults import signed
from tests.faults.answer import Answer, asked
from tests.faults.daemon import Flown, House, InProcess
from tests.faults.hearing import Heard, verdict
from tests.faults.readers import Wrong
from tests.faults.upstream import Door, Fault, Upstream, well

PATHS = {
    "openai": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "responses": "/v1/responses",
    "completions": "/v1/completions",
}
EVERY = "+".join(PATHS)  # clients, in turn
# behind the version that base URLs of a shape end in, the usual /v1 apart
BASES = {"gemini": "/v1beta", "bedrock": ""}
# the first content, not the role: OpenAI's text or tool call, Anthropic's text or tool input, an item's delta
_CONTENT = re.compile(rb'"content": ?"[^"]|"arguments": ?"[^"]|"text": ?"[^"]|"partial_json": ?"[^"]|"delta": ?"[^"]')
QUIET_FOR = 1.0  # seconds without a choice of the row, from which on it counts as no longer chosen
MOST_ATTEMPTS = 1.2  # a request, over all of a scenario
ROWS = ("a/m", "b/m", "c/m")
SIGNING = {
    "aws_access_key_id": signed.KEY_ID,
    "aws_secret_access_key": signed.SECRET,
    "region": signed.REGION,
}


@dataclass(frozen=True)
class Scenario:
    """A fault, who has it, and what clients may see of it.

    ``statuses``: of typed errors that they may see before any content; none where another deployment can help.
    ``cuts``: typed errors in the middle of the answer may come.
    """

    name: str
    fault: Fault = well
    door: Door | None = None
    probes: bool = False  # the free probes have it, too
    shape: str = "openai"  # of the provider; its own name where it is not that of its answers
    client: str = "openai"  # or several in turn, with a + between them
    serves: tuple[str, ...] = ()  # what deployments say to serve, where it is more than chats
    bad: int = 1  # deployments that have it, of three
    statuses: frozenset[int] = frozenset()
    cuts: bool = True
    idle_s: float | None = None
    rows: Callable[[], dict[str, Any]] = dict  # keys of the configuration of those that have it
    tls: Callable[[], Any] | None = None
    flap_s: float | None = None  # so long with, so long without
    rate: float | None = None  # where each request is a heavy one
    counts: bool = True  # the usage must be told
    strict: bool = True  # attempts are bounded: the fault is of one row, and it shows

    @property
    def answers(self) -> str:
        """Return the shape of its answers."""
        return self.shape if self.shape in ("anthropic", "gemini", "bedrock") else "openai"

    def asks(self, nonce: int) -> tuple[str, bool]:
        """Return the client that makes a request, and whether it wants a stream: over sixteen, every pair is there.

        Text completions know no tools: where there would be a call, another client comes.
        """
        clients = self.client.split("+")
        block, place = divmod(nonce, 8)
        client = clients[(place // 2 + block // 2) % len(clients)]
        if client == "completions" and Answer(nonce).calls:
            client = clients[0] if clients[0] != client else "openai"
        return client, (place + block) % 2 == 0


@dataclass(frozen=True)
class Pace:
    """How fast, how long, and how patient the daemon is set to be. Seconds."""

    rate: float = 50.0
    warm_s: float = 0.2
    fault_s: float = 0.8
    after_s: float = 0.25
    back_s: float = 0.0  # at most so long until the row is chosen again
    target_s: float = 1.5  # of the tier: the cut-off is never shorter
    connect_s: float = 3.0
    idle_gap_s: float = 2.0
    first_content_s: float = 5.0
    total_s: float = 15.0
    headers_after_s: float = 3.0
    probe_s: float = 1.0
    patience_s: float = 45.0  # of a client, before it calls an answer lost; far beyond total_s, as machines are busy
    ttft_s: float = 0.0  # of answers that are well


@dataclass
class Ask:
    """One request of the driver, from its sending to its end."""

    nonce: int
    client: str
    stream: bool
    phase: str
    sent: float = 0.0
    first: float | None = None
    ended: float = 0.0
    raw: bytes = b""
    heard: Heard = field(default_factory=Heard)
    wrong: str | None = None

    @property
    def fate(self) -> str:
        """ok, early (a typed error before any content), late (one behind it), lost."""
        if self.wrong is not None:
            return "lost"
        if self.heard.error is None:
            return "ok"
        return "late" if self.heard.began else "early"


async def ask(port: int, asked_for: Ask, scenario: Scenario, patience_s: float) -> None:
    """Make one request on a connection of its own."""
    shape = asked_for.client
    asked_for.sent = time.time()
    body = asked(asked_for.nonce, shape, stream=asked_for.stream)
    head = f"POST {PATHS[shape]} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-type: application/json\r\n"
    raw = bytearray()
    writer = None
    try:
        async with asyncio.timeout(patience_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            while piece := await reader.read(65536):
                raw += piece
                if asked_for.first is None and asked_for.stream and _CONTENT.search(raw):
                    asked_for.first = time.time()
    except TimeoutError:
        asked_for.wrong = f"hangs after {bytes(raw[-200:])!r}"
    except ConnectionError as e:
        asked_for.wrong = f"{e} after {bytes(raw[-200:])!r}"
    finally:
        if writer is not None:
            writer.close()
    asked_for.ended = time.time()
    asked_for.raw = bytes(raw)
    if asked_for.wrong is None:
        try:
            asked_for.heard = verdict(
                asked_for.raw,
                asked_for.nonce,
                shape,
                stream=asked_for.stream,
                counts=scenario.counts,
            )
        except (Wrong, ValueError, KeyError, TypeError) as e:
            asked_for.wrong = f"{type(e).__name__}: {e}"


class Report:
    """What became of a scenario's requests."""

    def __init__(self, scenario: Scenario, pace: Pace, asks: list[Ask], flights: list[Flown]) -> None:
        self.scenario = scenario
        self.pace = pace
        self.asks = asks
        self.flights = flights
        self.crashes: list[str] = []
        self.began = self.mended = 0.0

    @property
    def fates(self) -> Counter[str]:
        """Count what became of them."""
        return Counter(a.fate for a in self.asks)

    @property
    def lost(self) -> list[str]:
        """Return the requests that are lost, and how."""
        return [f"{self._named(a)}: {a.wrong}" for a in self.asks if a.wrong]

    @staticmethod
    def _named(of: Ask) -> str:
        return f"{of.nonce} ({of.client}, {'stream' if of.stream else 'unary'}, {of.phase})"

    def tries(self, of: Ask) -> str:
        """Return what was tried for a request, in words."""
        flight = next((f for f in self.flights if f.id == of.heard.headers.get("x-request-id")), None)
        tried = () if flight is None else flight.tried
        return ", ".join(f"{t.row}: {t.refused or t.failure or 'ok'} ({t.ended - t.began:.2f} s)" for t in tried[-8:])

    @property
    def attempts(self) -> int:
        """Count the attempts; what was sent once more because its kept connection was stale is one."""
        return sum(t.refused is None for f in self.flights for t in f.tried)

    @property
    def ttfts(self) -> list[float]:
        """Return the times to the first content of streams, while there was the fault, in order."""
        return sorted(a.first - a.sent for a in self.asks if a.first is not None and a.phase == "fault")

    @property
    def usual(self) -> list[float]:
        """Return those of before the fault."""
        return sorted(a.first - a.sent for a in self.asks if a.first is not None and a.first < self.began)

    def _at_bad(self) -> Iterator[tuple[float, str | None]]:
        bad = ROWS[: self.scenario.bad]
        for flight in self.flights:
            for t in flight.tried:
                if t.row in bad and t.refused is None and t.manner != "trial":
                    yield t.began, t.failure

    @property
    def stopped_after(self) -> float | None:
        """Return how long the row was still chosen, trials apart; None where it was to the end."""
        times = sorted(at for at, _ in self._at_bad() if self.began <= at < self.mended)
        for at, later in zip([self.began, *times], [*times, None], strict=True):
            if (later or self.mended) - at >= QUIET_FOR:
                return at - self.began
        return None

    @property
    def back_after(self) -> float | None:
        """Return how long after its end the row had its first answer again."""
        good = [at for at, failure in self._at_bad() if at >= self.mended and failure is None]
        return min(good) - self.mended if good else None

    def faults(self, spare: int = 0) -> list[str]:
        """Return what is not as it must be. ``spare``: attempts beyond ``MOST_ATTEMPTS`` a request, of a short run."""
        scenario = self.scenario
        out = [f"lost: {text}" for text in self.lost[:5]]
        out += [f"crashed: {text}" for text in self.crashes[:3]]
        if len(self.flights) != len(self.asks):
            out.append(f"{len(self.flights)} records of {len(self.asks)} requests")
        for a in self.asks:
            told = f"{self._named(a)} got {a.heard.status} {a.heard.error}"
            if a.fate != "ok":
                told += f" after {self.tries(a)}"
            if a.fate in ("early", "late") and a.ended < self.began:
                out.append(f"{told} before there was a fault")
            elif a.fate == "early" and (not scenario.statuses or a.heard.status not in {*scenario.statuses, 200}):
                out.append(f"{told} before any content")
            elif a.fate == "late" and not scenario.cuts:
                out.append(f"{told} in the middle")
        if self.asks[-1].fate != "ok":
            out.append(f"the last request, long after the fault, was {self.asks[-1].fate}")
        if scenario.strict and self.attempts > MOST_ATTEMPTS * len(self.asks) + spare:
            out.append(f"{self.attempts} attempts for {len(self.asks)} requests")
        return out


def config(scenario: Scenario, pace: Pace, upstreams: list[Upstream]) -> dict[str, Any]:
    """Return the configuration of the daemon before these providers."""
    providers = []
    for i, (name, upstream) in enumerate(zip("abc", upstreams, strict=True)):
        scheme = "https" if upstream.tls is not None else "http"
        row = {
            "name": name,
            "shape": scenario.shape,
            "base_url": f"{scheme}://127.0.0.1:{upstream.port}{BASES.get(scenario.shape, '/v1')}",
            **(SIGNING if scenario.shape == "bedrock" else {"api_key": "k"}),
            "connect_timeout_s": pace.connect_s,
            "deployments": [
                {
                    "model": "m",
                    "name": "m",
                    "price": {"input_usd_per_mtok": 1, "output_usd_per_mtok": 2},
                    **({"serves": list(scenario.serves)} if scenario.serves else {}),
                }
            ],
        }
        providers.append({**row, **(scenario.rows() if i < scenario.bad else {})})
    return {
        "providers": providers,
        "allow_inline_secrets": True,
        "tiers": [{"name": "primary", "ttft_p95_s": pace.target_s}],
        "deadlines": {"interactive_first_content_s": pace.first_content_s, "interactive_total_s": pace.total_s},
        "limits": {"headers_after_s": pace.headers_after_s, "idle_gap_s": pace.idle_gap_s},
        "probes": {"every_s": pace.probe_s, "budget_usd_per_day": 10, "timeout_s": 1.0},
        "log": {"requests": "none"},
    }


class Drive:
    """One scenario under way."""

    def __init__(self, scenario: Scenario, pace: Pace, make: Callable[[dict[str, Any]], Any] = InProcess) -> None:
        self.scenario = scenario
        self.pace = pace
        self._make = make
        self._draw = Random(scenario.name)
        self._nonce = self._draw.randrange(10**6) * 1000
        self._asks: list[Ask] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._flights: list[Flown] = []

    async def run(self, room: AbstractAsyncContextManager[object] | None = None) -> Report:
        """Run it to its end. ``room`` is held while there is traffic."""
        async with AsyncExitStack() as stack:
            async with room or nullcontext():
                house, report = await self._traffics(stack)
            while self._tasks:
                await asyncio.wait(set(self._tasks))
            await self._one(house)
            await self._records(house)
            report.crashes = house.crashes()
            return report

    async def _traffics(self, stack: AsyncExitStack) -> tuple[House, Report]:
        scenario, pace = self.scenario, self.pace
        upstreams = []
        for i in range(len(ROWS)):
            tls = scenario.tls() if scenario.tls is not None and i < scenario.bad else None
            upstreams.append(await stack.enter_async_context(Upstream(scenario.answers, tls, pace.ttft_s)))
        house: House = await stack.enter_async_context(self._make(config(scenario, pace, upstreams)))
        report = Report(scenario, pace, self._asks, self._flights)
        await self._traffic(house, pace.warm_s, "warm")
        report.began = time.time()
        bad = upstreams[: scenario.bad]
        await self._broken(house, bad)
        report.mended = time.time()
        for upstream in bad:
            await upstream.mend()
        await self._traffic(house, pace.after_s, "after")
        await self._back(house, report)
        return house, report

    async def _broken(self, house: House, bad: list[Upstream]) -> None:
        scenario, pace = self.scenario, self.pace
        await _break(scenario, bad)
        if scenario.flap_s is None:
            await self._traffic(house, pace.fault_s, "fault")
            return
        end, broken = time.time() + pace.fault_s, True
        while time.time() < end:
            await self._traffic(house, scenario.flap_s, "fault")
            broken = not broken
            if broken:
                await _break(scenario, bad)
            else:
                for upstream in bad:
                    await upstream.mend()

    async def _traffic(self, house: House, seconds: float, phase: str) -> None:
        end = due = time.time()
        end += seconds
        while due < end:
            self._start(house, phase)
            due += self._draw.uniform(0.5, 1.5) / (self.scenario.rate or self.pace.rate)
            await asyncio.sleep(max(0.0, due - time.time()))
        self._flights += house.take()

    def _start(self, house: House, phase: str) -> asyncio.Task[None]:
        self._nonce += 1
        made = Ask(self._nonce, *self.scenario.asks(self._nonce), phase)
        self._asks.append(made)
        task = asyncio.get_running_loop().create_task(ask(house.port, made, self.scenario, self.pace.patience_s))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _one(self, house: House) -> None:
        """Make one request alone; where there was nobody left, as soon as somebody is back."""
        end = time.time() + 20
        while True:
            await self._start(house, "after")
            if self._asks[-1].fate != "early" or time.time() > end:
                return
            await asyncio.sleep(0.1)

    async def _back(self, house: House, report: Report) -> None:
        """Go on until the row is chosen again."""
        end = time.time() + self.pace.back_s
        while time.time() < end and report.back_after is None:
            await self._traffic(house, 0.2, "after")

    async def _records(self, house: House) -> None:
        """Have the records of all; the last may be on their way still."""
        for _ in range(100):
            self._flights += house.take()
            if len(self._flights) >= len(self._asks):
                return
            await asyncio.sleep(0.02)


async def _break(scenario: Scenario, bad: list[Upstream]) -> None:
    for upstream in bad:
        upstream.fault, upstream.probes_too, upstream.idle_s = scenario.fault, scenario.probes, scenario.idle_s
        if scenario.door is not None:
            await scenario.door(upstream)


async def together(scenarios: list[Scenario], pace: Pace, at_once: int = 10) -> list[Report]:
    """Run some scenarios, several at a time on one loop."""
    room = asyncio.Semaphore(at_once)

    async def one(scenario: Scenario) -> Report:
        return await Drive(scenario, pace).run(room)

    return await asyncio.gather(*(one(s) for s in scenarios))
