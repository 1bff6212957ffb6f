"""Sending traces: what is kept is sent once, what cannot be sent is counted, and nothing ever waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace

from lbd.loops import tracing
from lbd.loops.exporting import Answered, Export
from lbd.loops.tracing import EVERY, FIRST, FLUSH, GIVE_UP, LONGEST, LOST, MOST, ORDINARY, PACE, TOGETHER, Tracing
from lbd.model.record import RequestRecord
from lbd.model.secret import Secret
from lbd.model.tracing import TracesSpec
from lbd.observe.journal import Journal
from tests.fakes import tables
from tests.fakes.collector import Collector, Got, in_part, read
from tests.fakes.records import attempt, record
from tests.fakes.virtual import VirtualEnv, run

SPEC = TracesSpec(Secret("http://h/v1/traces"), resource=(("service.name", "lbd"),))
BUSY, REFUSED = Answered(503, error="HTTP 503: busy"), Answered(400, error="HTTP 400: bad")
DEAD = Answered(0, error="no answer within 10 s")


class Made:
    """The loop over a fake collector, and a table with ``p/a`` and ``q/b``."""

    def __init__(self, env: VirtualEnv, spec: TracesSpec | None = SPEC, **more: Any) -> None:
        self.env = env
        _, owner = tables.owned("p/a", "q/b")
        self.journal = Journal()
        self.journal.keep(tables.snapshot([tables.view("p/a"), tables.view("q/b")]))
        self.collector = Collector(env, **more)
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.tracing = Tracing(env, owner, self.journal, tables.terms(), self.collector, self._emit)
        self.tracing.configure(spec)
        self._ids: Iterator[int] = iter(range(1, 1_000_000))

    def _emit(self, kind: str, _subject: str, _reason: str, **more: Any) -> None:
        self.events.append((kind, more.get("evidence", {})))

    def failed(self, n: int = 1) -> None:
        """Note requests that failed."""
        for _ in range(n):
            self.tracing.note(self.one(outcome="server_error", status=502, attempts=(attempt(failure="server_error"),)))

    def one(self, **more: Any) -> RequestRecord:
        number = next(self._ids)
        # the last digits are low: none of them is in a share
        return record(**{"id": f"req_{number}", "trace": f"{number:018x}{0:014x}", **more})

    async def runs(self, seconds: float) -> None:
        """Let the loop run."""
        task = asyncio.ensure_future(self.tracing.run())
        await self.env.sleep(seconds)
        task.cancel()
        await asyncio.wait({task})

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events]


def test_what_is_kept_is_sent_and_nothing_else() -> None:
    """Together, within a second or so; ordinary requests leave no trace."""

    async def main(env: VirtualEnv) -> None:
        made = Made(env)
        for _ in range(500):
            made.tracing.note(made.one())
        made.failed(3)
        await made.runs(2.5)
        assert len(made.collector.bodies) == 1 and len(made.collector.got) == 6
        assert {span["lbd.kept"] for span, _ in made.collector.traces()} == {"error"}
        assert made.tracing.traces == {"error": 3} and made.tracing.spans == {"sent": 6, "rejected": 0, "failed": 0}
        assert not made.events
        await made.runs(60.0)
        assert len(made.collector.bodies) == 1, "an empty body is never sent"

    run(main)


def test_nobody_is_sent_anything_where_nobody_is_named() -> None:
    """And what waits when that is taken away is lost, which is counted; exemplars are of every request then."""

    async def main(env: VirtualEnv) -> None:
        made = Made(env, spec=None)
        made.failed()
        await made.runs(5.0)
        assert not made.tracing.on and not made.collector.tries and not made.tracing.traces
        assert made.tracing.shows(made.one())
        made.tracing.configure(SPEC)
        assert made.tracing.on and not made.tracing.shows(made.one())
        made.failed(2)
        made.tracing.configure(None)
        await made.runs(5.0)
        assert not made.collector.tries and made.tracing.traces == {"error": 2, LOST: 2}

    run(main)


def test_spans_say_what_the_table_knew() -> None:
    """Shape, model, tier, and the score that the decision was made by, ranked again; one ranking for all alike."""

    async def main(env: VirtualEnv) -> None:
        made = Made(env)
        tries = (attempt("p/a", failure="reset"), attempt("q/b"))
        made.tracing.note(made.one(attempts=tries, moved=1, served_by="q/b"))
        made.tracing.note(made.one(attempts=(attempt("gone/x", failure="reset"), attempt("q/b")), moved=1))
        late = replace(tries[0], decision=replace(tries[0].decision, generation=99))
        made.tracing.note(made.one(attempts=(late, tries[1]), moved=1))
        await made.runs(2.5)
        (_, (first, second)), (_, (gone, _)), (_, (forgotten, _)) = made.collector.traces()
        assert first["gen_ai.provider.name"] == "openai" and first["gen_ai.request.model"] == "m"
        assert first["lbd.tier"] == "primary" and 0 < first["lbd.score"] <= 1 and 0 < second["lbd.score"] <= 1
        assert gone["gen_ai.provider.name"] == "gone" and "lbd.score" not in gone.attributes
        assert forgotten["lbd.tier"] == "primary" and "lbd.score" not in forgotten.attributes

    run(main)


def test_many_are_sent_in_turns() -> None:
    """Each body bounded, with a pause in between: making them takes time that is not theirs."""

    async def main(env: VirtualEnv) -> None:
        made = Made(env)
        made.failed(2 * TOGETHER + 10)
        await made.runs(3.0)
        assert [len(read(body)) for body in made.collector.bodies] == [2 * TOGETHER, 2 * TOGETHER, 20]
        first, second, third = made.collector.tries
        assert PACE <= second - first < EVERY <= third - second, "a full body does not wait"
        assert len({span.id for span in made.collector.got}) == 2 * (2 * TOGETHER + 10), "each once"

    run(main)


def test_others_have_their_turn_while_spans_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between a few requests and the next few."""
    monkeypatch.setattr(tracing, "SLICE", 10)

    async def main(env: VirtualEnv) -> None:
        made = Made(env)
        made.failed(100)
        turns = 0

        async def others() -> None:
            nonlocal turns
            while not made.collector.tries:
                await env.sleep(0)
                turns += env.now() >= started + EVERY

        started = env.now()
        task = asyncio.ensure_future(made.tracing.run())
        await env.sleep(EVERY - 0.001)
        await asyncio.ensure_future(asyncio.wait_for(_until(env, made, others), 10.0))
        task.cancel()
        assert turns >= 10

    async def _until(env: VirtualEnv, made: Made, others: Any) -> None:
        await env.sleep(0.001)
        await others()

    run(main)


def test_what_is_not_taken_for_now_is_sent_again_later_and_later() -> None:
    """The same body, with a jitter, until it is taken; said once, and when it is over."""

    async def main(env: VirtualEnv) -> None:
        made = Made(env, always=BUSY)
        made.failed()
        await made.runs(100.0)
        assert made.kinds == ["traces_unsent"] and made.events[0][1] == {"error": "HTTP 503: busy"}
        assert made.tracing.error == "HTTP 503: busy"
        gaps = [b - a for a, b in zip(made.collector.tries, made.collector.tries[1:], strict=False)]
        for number, gap in enumerate(gaps):
            most = min(LONGEST, FIRST * 2**number)
            assert most / 2 <= gap <= most + 0.1
        assert len({round(g / min(LONGEST, FIRST * 2**n), 3) for n, g in enumerate(gaps)}) > 1, "no jitter"
        made.collector.always = Answered(200)
        await made.runs(LONGEST + 2)
        assert len(made.collector.bodies) == 1 and made.kinds == ["traces_unsent", "traces_sent"]
        assert made.tracing.error is None and made.tracing.spans == {"sent": 2, "rejected": 0, "failed": 0}
        made.failed()
        made.collector.answers.append(BUSY)
        await made.runs(2 * FIRST + EVERY + 0.1)
        assert len(made.collector.bodies) == 2, "the waits begin anew"

    run(main)


@pytest.mark.parametrize(("wait_s", "least"), [(17.0, 17.0), (0.0, FIRST)])
def test_who_asks_to_be_left_alone_is(wait_s: float, least: float) -> None:
    """For as long as it says; for a moment where it says none."""

    async def main(env: VirtualEnv) -> None:
        made = Made(env)
        made.collector.answers.append(BUSY._replace(wait_s=wait_s))
        made.failed()
        await made.runs(30.0)
        first, second = made.collector.tries
        assert second - first == pytest.approx(least, abs=0.1) and len(made.collector.bodies) == 1

    run(main)


@pytest.mark.parametrize("to", ["http://new/v1/traces", None])
def test_a_wait_that_one_collector_asked_for_is_not_another_s(to: str | None) -> None:
    """Who says no for a day holds nothing back that goes elsewhere since a reload, and is asked no more."""

    async def main(env: VirtualEnv) -> None:
        made = Made(env)
        made.collector.answers.append(BUSY._replace(wait_s=86400.0))
        made.failed()
        loop = asyncio.ensure_future(made.tracing.run())
        await env.sleep(10.0)
        made.tracing.configure(None if to is None else replace(SPEC, url=Secret(to)))
        made.failed()
        await env.sleep(10.0)
        loop.cancel()
        await asyncio.wait({loop})
        assert [one.url.reveal() for one in made.collector.to[1:]] == ([] if to is None else [to])
        assert not made.tracing._waiting and made.tracing._batch is None

    run(main)


def test_what_nobody_takes_for_long_is_given_up() -> None:
    """And the next is tried."""

    async def main(env: VirtualEnv) -> None:
        made = Made(env, always=DEAD)
        made.failed()
        await made.runs(GIVE_UP + LONGEST)
        assert made.tracing.spans["failed"] == 2 and made.kinds == ["traces_unsent"]
        made.failed()
        made.collector.always = Answered(200)
        await made.runs(2 * LONGEST)
        assert len(made.collector.got) == 2 and made.tracing.spans == {"sent": 2, "rejected": 0, "failed": 2}

    run(main)


def test_what_is_refused_for_good_is_not_sent_again() -> None:
    """Nor is somebody who refuses everything asked every second."""

    async def main(env: VirtualEnv) -> None:
        made = Made(env, always=REFUSED)
        for _ in range(300):
            made.failed()
            await made.runs(1.0)
        task = asyncio.ensure_future(made.tracing.run())
        for _ in range(300):
            made.failed()
            await env.sleep(1.0)
        task.cancel()
        assert made.kinds == ["traces_unsent"] and not made.collector.bodies
        assert made.tracing.spans["failed"] == 2 * made.tracing.traces["error"] - 2 * len(made.tracing._waiting)
        late = [t for t in made.collector.tries if t > env.now() - 290]
        assert 3 <= len(late) <= 15

    run(main)


def test_what_is_taken_in_part_is_counted_and_said() -> None:
    """Not sent again; the same words are said once, a word of advice too."""

    async def main(env: VirtualEnv) -> None:
        made = Made(env)
        said = Answered(200, in_part(1, "too old"))
        made.collector.answers += [said, said, Answered(200, in_part(0, "advice")), Answered(200, in_part(99, "all"))]
        for _ in range(5):
            made.failed()
            await made.runs(1.5)
        assert len(made.collector.tries) == 5 and made.tracing.spans == {"sent": 6, "rejected": 4, "failed": 0}
        assert made.kinds == ["traces_refused_in_part"] * 3
        assert made.events[0][1] == {"rejected_spans": 1, "text": "too old"}

    run(main)


def test_what_waits_is_bounded_and_what_is_over_it_is_counted() -> None:
    """The first are kept: they tell how it began."""

    async def main(env: VirtualEnv) -> None:
        made = Made(env, always=DEAD)
        made.failed(MOST + 100)
        assert made.tracing.traces == {"error": MOST, LOST: 100}
        assert len(made.tracing._waiting) == MOST
        made.collector.always = Answered(200)
        await made.runs(60.0)
        assert made.events == [("traces_lost", {"requests": 100})], "said once"
        ids = [int(span["lbd.request.id"].removeprefix("req_")) for span, _ in made.collector.traces()]
        assert ids == list(range(1, MOST + 1))

    run(main)


def test_ordinary_ones_take_no_place_of_a_failure() -> None:
    """However many there are: every client may record all of its traces."""

    async def main(env: VirtualEnv) -> None:
        made = Made(env)
        for _ in range(2 * MOST):
            made.tracing.note(made.one(flags="01", parent="1" * 16))
        made.failed(10)
        assert made.tracing.traces == {"sampled": ORDINARY, "error": 10, LOST: 2 * MOST - ORDINARY}
        await made.runs(10.0)
        assert sum(span["lbd.kept"] == "error" for span, _ in made.collector.traces()) == 10

    run(main)


def test_what_is_left_at_the_end_is_sent() -> None:
    """Also what was under way; then the connection is let go of."""

    async def main(env: VirtualEnv) -> None:
        made = Made(env, takes_s=0.3)
        made.failed(TOGETHER + 5)
        await made.runs(EVERY + 0.1)
        assert made.collector.tries and not made.collector.bodies
        made.failed()
        await made.tracing.close()
        assert len(made.collector.got) == 2 * (TOGETHER + 6) and made.collector.closed
        assert made.tracing.spans["failed"] == 0 and LOST not in made.tracing.traces and not made.events

    run(main)


@pytest.mark.parametrize(("always", "takes_s"), [(Answered(200), 100.0), (BUSY, 0.01), (REFUSED, 0.4)])
def test_the_end_waits_for_nobody(always: Answered, takes_s: float) -> None:
    """A collector that is dead, busy or refuses has a moment; what it does not take is counted."""

    async def main(env: VirtualEnv) -> None:
        made = Made(env, always=always, takes_s=takes_s)
        made.failed(MOST)
        before = env.now()
        await made.tracing.close()
        assert env.now() - before <= FLUSH + 0.5 and made.collector.closed
        lost = made.tracing.traces[LOST]
        assert made.tracing.spans["failed"] + 2 * lost == 2 * MOST and not made.tracing.spans["sent"]
        assert made.events[-1] == ("traces_lost", {"requests": lost, "spans": made.tracing.spans["failed"]})

    run(main)


def test_a_loop_that_is_stopped_while_it_makes_spans_loses_none() -> None:
    """They are made again."""

    async def main(env: VirtualEnv) -> None:
        made = Made(env)
        made.failed(100)
        task = asyncio.ensure_future(made.tracing.run())
        await env.sleep(EVERY - 0.0001)
        while not made.tracing._scores:
            await env.sleep(0.0001 if env.now() < 1000 + EVERY else 0)
        task.cancel()
        await asyncio.wait({task})
        assert not made.collector.tries
        await made.tracing.close()
        assert len({span.id for span in made.collector.got}) == 200

    run(main)


def test_a_reload_changes_where_and_which() -> None:
    """What waits goes to the new place."""

    async def main(env: VirtualEnv) -> None:
        made = Made(env)
        made.failed()
        made.tracing.configure(TracesSpec(Secret("http://new/v1/traces"), keep_share=1.0, resource=SPEC.resource))
        made.tracing.note(made.one())
        await made.runs(2.0)
        assert [to.url.reveal() for to in made.collector.to] == ["http://new/v1/traces"]
        assert [span["lbd.kept"] for span, _ in made.collector.traces()] == ["error", "share"]
        made.collector.always = BUSY
        made.failed()
        await made.runs(2.0)
        made.tracing.configure(None)
        await made.runs(10.0)
        assert made.tracing.spans["failed"] == 2 and made.tracing._batch is None

    run(main)


async def test_a_real_collector_reads_what_is_sent() -> None:
    """Over HTTP, with OpenTelemetry's own messages."""
    got: list[Got] = []

    async def take(request: web.Request) -> web.Response:
        assert request.content_type == "application/x-protobuf" and request.path == "/v1/traces"
        got.extend(read(await request.read()))
        return web.Response(content_type="application/x-protobuf")

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made = Made(VirtualEnv(asyncio.get_running_loop(), 1))
    made.tracing.export = Export()
    made.tracing.configure(replace(SPEC, url=Secret(f"http://127.0.0.1:{runner.addresses[0][1]}/v1/traces")))
    made.failed(3)
    await made.tracing.close()
    await runner.cleanup()
    assert len(got) == 6 and made.tracing.spans["sent"] == 6
