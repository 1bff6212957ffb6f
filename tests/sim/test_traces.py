"""Traces of the whole daemon: what a collector gets is what providers were told, and costs requests nothing."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from lbd.app import App
from lbd.facts import facts
from lbd.loops.exporting import Answered
from lbd.model.failure import FailureKind
from lbd.model.record import RequestRecord
from lbd.observe.metrics import render
from lbd.simulate.caller import Inbound
from tests.fakes.collector import Collector, Got, words
from tests.fakes.harness import Asked, Sim, SimReply, compiled, provider
from tests.fakes.relay import row
from tests.fakes.stage import ROLE, Stage, answer, content, cut, end, head, refusal, say, stream, whole
from tests.fakes.virtual import VirtualEnv, run
from tests.fakes.world import SimHost, Weather

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
STATE = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"
SAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
TRACES = {"otlp_url": "http://127.0.0.1:4318", "keep_share": 0.0, "resource": {"deployment.environment.name": "test"}}


class Traced:
    """The application between a scripted transport and a fake collector."""

    def __init__(self, env: VirtualEnv, *names: str, **traces: Any) -> None:
        self.env = env
        self.stage = Stage(env)
        for name in names:
            self.stage.always(0.01, *answer(whole()), host=name)
        tiers = ("primary", "secondary", "tertiary")
        config = {
            "providers": [row(n, tier=tiers[i], api_key=f"key-of-{n}") for i, n in enumerate(names)],
            "allow_inline_secrets": True,
            "probes": {"kinds": [], "completion": "never"},
            "traces": {**TRACES, **traces},
        }
        self.app = App(Path("lbd.yaml"), compiled(config), env, self.stage)
        self.collector = self.app.tracing.export = Collector(env)

    async def ask(self, headers: dict[str, str] | None = None, *, streamed: bool = False, text: str = "hello") -> Asked:
        asked = Asked(self.env.now(), stream=streamed)
        body = b'{"model":"m","stream":%b,"messages":[{"role":"user","content":"%b"}]}'
        raw = body % (b"true" if streamed else b"false", text.encode())
        shape = self.app.plugins.clients["openai.chat"]
        inbound = Inbound(self.env.now(), headers or {})
        await self.app.pipeline.handle(inbound, raw, shape, SimReply(self.env, asked))
        return asked

    def told(self) -> list[tuple[str, str, str, str]]:
        """Return host, trace, span and flags of every request that a provider got, in order."""
        out = []
        for taken in self.stage.taken:
            line = taken.endpoint.own.split(b"\r\n")[0].decode().removeprefix("traceparent: 00-")
            out.append((taken.endpoint.origin.host, *line.split("-")))
        return out  # type: ignore[return-value]

    @property
    def last(self) -> RequestRecord:
        return self.app.journal.last(1)[0]


def played(script: Callable[[Traced], Coroutine[Any, Any, None]], *names: str, **traces: Any) -> Traced:
    """Play a script in virtual time, and let the traces go out."""
    out: list[Traced] = []

    async def main(env: VirtualEnv) -> None:
        made = Traced(env, *(names or ("a", "b")), **traces)
        out.append(made)
        await made.app.start()
        await script(made)
        await env.sleep(3.0)
        await made.app.stop()

    run(main)
    return out[0]


def only(made: Traced) -> tuple[Got, list[Got]]:
    (found,) = made.collector.traces()
    return found


def test_attempts_have_the_ids_that_providers_were_told() -> None:
    """Of a move in its client's own trace: every parent is there, and is the right one."""

    async def script(made: Traced) -> None:
        made.stage.plan(0.01, *answer(refusal("out of luck"), 500), host="a")
        assert (await made.ask(SAMPLED)).status == 200

    made = played(script)
    own, (first, second) = only(made)
    assert (own.trace, own.parent, own.name) == (TRACE, PARENT, "chat m")
    assert made.told() == [("a", TRACE, first.id, "01"), ("b", TRACE, second.id, "01")]
    assert first.parent == second.parent == own.id
    assert first.failed and first["error.type"] == "server_error" and first["http.response.status_code"] == 500
    assert not second.failed and second["lbd.moved_for"] == "server_error" and second["gen_ai.usage.input_tokens"] == 20
    assert own["lbd.kept"] == "fallback" and own["lbd.deployment"] == "b/m" and not own.failed
    assert own.resource["service.name"] == "lbd" and own.resource["deployment.environment.name"] == "test"
    assert [first["lbd.tier"], second["lbd.tier"]] == ["primary", "secondary"] and 0 < first["lbd.score"] <= 1
    assert own.message.start_time_unix_nano <= first.message.start_time_unix_nano
    assert first.message.end_time_unix_nano <= second.message.start_time_unix_nano
    assert second.message.end_time_unix_nano <= own.message.end_time_unix_nano
    took = own.message.end_time_unix_nano - own.message.start_time_unix_nano
    assert took == pytest.approx(made.last.total_s * 1e9, abs=1e3)


def test_an_ordinary_request_is_not_told() -> None:
    """Unless its client records it, or it is in the share; a new trace has no parent."""

    async def script(made: Traced) -> None:
        for headers in ({}, SAMPLED, {"traceparent": f"00-{TRACE}-{PARENT}-00"}):
            await made.ask(headers)

    made = played(script)
    own, (one,) = only(made)
    assert own["lbd.kept"] == "sampled" and own.parent == PARENT and len(made.told()) == 3
    assert not played(script, keep_sampled=False).collector.tries
    made = played(script, keep_share=1.0, keep_sampled=False)
    found = list(made.collector.traces())
    assert [own.parent for own, _ in found] == ["", PARENT, PARENT]
    assert [(own.trace, one.id) for own, (one,) in found] == [(trace, span) for _, trace, span, _ in made.told()]
    assert len({own.id for own, _ in found}) == 3, "two of one trace are two"
    assert one.trace == TRACE


def test_a_stream_that_went_on_elsewhere_is_told_whole() -> None:
    """Both attempts, and what became of the splice."""

    async def script(made: Traced) -> None:
        made.stage.plan(0.01, head(), say(ROLE, content("one ")), 0.1, cut(FailureKind.RESET), host="a")
        made.stage.plan(0.01, head(), say(stream("one ", "two")), end, host="b")
        await made.ask(streamed=True)

    made = played(script)
    own, attempts = only(made)
    assert made.last.spliced == 1 and own["lbd.splices"] == ("went_on",) and own["lbd.kept"] == "splice"
    assert [(s.id, s["gen_ai.request.stream"]) for s in attempts] == [(span, True) for *_, span, _ in made.told()]
    assert attempts[0]["error.type"] == "reset" and "gen_ai.response.time_to_first_chunk" in attempts[0].attributes


def test_a_request_that_nobody_serves_is_told_with_those_who_refused() -> None:
    """Its attempts, an error that says which, and nobody left."""

    async def script(made: Traced) -> None:
        for name in ("a", "b"):
            for _ in range(3):
                made.stage.plan(0.01, *answer(refusal("overloaded"), 503), host=name)
        assert (await made.ask()).status >= 500

    made = played(script)
    own, attempts = only(made)
    assert own.failed and own["error.type"] == own["lbd.outcome"] == made.last.outcome
    assert own["lbd.kept"] == "error" and len(attempts) == own["lbd.attempts"] == len(made.told()) >= 2
    assert all(one.failed for one in attempts)


def test_what_other_systems_noted_in_a_trace_goes_with_it() -> None:
    """To the provider and into every span; a broken note is dropped, and the trace goes on."""

    async def script(made: Traced) -> None:
        await made.ask(SAMPLED | {"tracestate": STATE})
        await made.ask(SAMPLED | {"tracestate": STATE + ",broken"})
        await made.ask({"tracestate": STATE})

    made = played(script, keep_share=1.0)
    told = [taken.endpoint.own.count(b"tracestate: " + STATE.encode()) for taken in made.stage.taken]
    found = list(made.collector.traces())
    assert told == [1, 0, 0]
    assert [[s.message.trace_state for s in (own, *more)] for own, more in found] == [
        [STATE, STATE],
        ["", ""],
        ["", ""],
    ]
    assert [own.trace == TRACE for own, _ in found] == [True, True, False]


def test_a_request_that_its_client_is_to_blame_for_is_no_error() -> None:
    """Nor is it kept for that: one client that goes on asking so would take the room of all others."""

    async def script(made: Traced) -> None:
        for _ in range(3):
            made.stage.plan(0.01, *answer(refusal("messages: too many"), 400), host="a")
            assert (await made.ask()).status == 400
        made.stage.plan(0.01, *answer(refusal("messages: too many"), 400), host="a")
        await made.ask(SAMPLED)

    own, (attempt,) = only(played(script))
    assert own["lbd.kept"] == "sampled" and not own.failed and own["http.response.status_code"] == 400
    assert attempt.failed, "for a client of a provider it is"


def test_no_key_leaves_in_what_a_provider_calls_its_own_id() -> None:
    """Nor in the name of its build, whole, in part or in base64; and neither is longer than it needs to be."""
    import base64

    key = "key-of-a"
    for told in (key, f"req-{key}-1", base64.b64encode(b"Bearer " + key.encode()).decode(), "r" * 4000):

        async def script(made: Traced, told: str = told) -> None:
            body = whole().replace(b"{", b'{"system_fingerprint":"fp %b",' % told[:100].encode(), 1)
            made.stage.plan(0.01, *answer(body, x_request_id=told), host="a")
            assert (await made.ask(SAMPLED)).status == 200

        _, (attempt,) = only(played(script))
        found = [attempt["lbd.upstream_request_id"], attempt["lbd.fingerprint"]]
        assert all(found) and all(key not in one and len(one) <= 256 for one in found)
        assert told.startswith("r" * 9) or all("***" in one for one in found), found


def test_nothing_of_what_was_said_leaves() -> None:
    """No prompt, no answer, no key, no address, and no word of a provider."""

    async def script(made: Traced) -> None:
        quoted = refusal("we do not like SECRET-PROMPT with key-of-a at http://a/v1")
        made.stage.plan(0.01, *answer(quoted, 500), host="a")
        made.stage.plan(0.01, *answer(whole("SECRET-ANSWER")), host="b")
        asked = await made.ask(SAMPLED, text="SECRET-PROMPT")
        assert b"SECRET-ANSWER" in asked.body

    made = played(script)
    told = "".join(map(words, made.collector.bodies))
    assert "server_error" in told
    for secret in ("SECRET", "key-of", "://", "do not like"):
        assert secret not in told.replace("https://opentelemetry.io/schemas", "")


def test_exemplars_are_of_traces_that_are_kept() -> None:
    """Another one would be a link to nowhere."""

    async def script(made: Traced) -> None:
        for headers in ({}, SAMPLED, {}, {}):
            await made.ask(headers)
        page = render(made.app.meter.copy(), facts(made.app), openmetrics=True).decode()
        assert f'trace_id="{TRACE}"' in page and page.count("trace_id=") == page.count(TRACE)
        assert 'lbd_traces_total{kept="sampled"} 1.0\n' in page

    played(script)


def test_a_dead_collector_harms_no_request() -> None:
    """Whatever it does: as many answers, as fast, by the same choices; and the operator is told."""

    def served(always: Answered | None, takes_s: float = 0.01) -> tuple[list[tuple[str, float]], Sim]:
        sims: list[Sim] = []

        async def main(env: VirtualEnv) -> None:
            hosts = [SimHost("a", weather=Weather(status=500, status_share=0.3)), SimHost("b")]
            rows = [provider(hosts[0]), provider(hosts[1], tier="secondary")]
            config = {"providers": rows, **({} if always is None else {"traces": {**TRACES, "keep_share": 1.0}})}
            async with Sim(env, hosts, config) as sim:
                sims.append(sim)
                if always is not None:
                    sim.app.tracing.export = Collector(env, always, takes_s)
                for n in range(150):
                    sim.start("m", stream=bool(n % 2))
                    await env.sleep(0.1)
                await env.sleep(30.0)
                if always is not None and not always.taken:
                    events = [e.kind for e in sim.app.timeline.last(1000)]
                    assert events.count("traces_unsent") == 1
                    status, document = sim.console.health()
                    (check,) = document["checks"]["traces:export"]
                    assert check["status"] == "warn" and check["output"] == always.error and status != "fail"

        run(main)
        return [(a.fate, round(a.took_s, 9)) for a in sims[0].asked], sims[0]

    without, _ = served(None)
    well, sim = served(Answered(200))
    assert well == without and sum(sim.app.tracing.traces.values()) == 150
    assert isinstance(sim.app.tracing.export, Collector) and len(list(sim.app.tracing.export.traces())) == 150
    refused, sim = served(Answered(403, error="HTTP 403: no"))
    assert refused == without and sim.app.tracing.spans["failed"] > 150
    hangs, sim = served(Answered(0, error="no answer within 10 s"), takes_s=1e6)
    assert [fate for fate, _ in hangs] == [fate for fate, _ in without] and sim.app.tracing.spans["sent"] == 0
