"""Trying again where it helps, and nowhere else: who is asked next, how often at most, and what the client is told.

DESIGN 5.6 is a table of (what failed, who is left) -> step; it is written down here once more, from the sentences, and
each row of it is played end to end. Then the sum: no nesting of settings, hedges, splices and rescues makes a request
knock more than once at each of its deployments and one more time in all; and while every provider is out, the fleet's
requests make less than one attempt each.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbd.model.failure import FailureKind
from lbd.table.lease import Lease
from tests.fakes.harness import Asked, Sim, provider
from tests.fakes.relay import Relay, row
from tests.fakes.stage import (
    answer,
    content,
    cut,
    end,
    error_in_band,
    head,
    refusal,
    say,
    stream,
    whole,
)
from tests.fakes.tables import good
from tests.fakes.virtual import VirtualEnv, run
from tests.fakes.world import SimHost
from tests.sim.test_outages import TIERS

K = FailureKind
GOOD = (0.1, head(), say(stream("hel", "lo")), end)
GOOD_UNARY = (0.1, *answer(whole()))


def failing(status: int, code: str | None = None, kind: str = "server_error", **headers: str) -> tuple[Any, ...]:
    """Return the script of a provider that answers so."""
    return (0.05, *answer(refusal("no", code, kind), status, **headers))


FILTERED = failing(400, "content_filter", "invalid_request_error")
CONTEXT = failing(400, "context_length_exceeded", "invalid_request_error")
LONG, SHORT = {"retry_after": "20"}, {"retry_after_ms": "800"}
# what goes wrong, and where the request goes with: a twin and another model left; another model left; nobody left.
# ``a`` failed; ``t`` is its twin, ``b`` another model; "" the client is told
RULE: dict[str, tuple[tuple[Any, ...], str, str, str]] = {
    "refused": (("refuse",), "t", "b", ""),
    "no connection": (("hang",), "t", "b", ""),
    "reset": ((0.05, cut(K.RESET)), "t", "b", "a"),  # one lost connection is no verdict, where nobody else is left
    "401": (failing(401, "invalid_api_key"), "t", "b", ""),
    "402": (failing(402, "insufficient_quota"), "t", "b", ""),
    "404 of the model": (failing(404, "model_not_found"), "t", "b", ""),
    "429 with a short wait": (failing(429, **SHORT), "t", "a", "a"),
    "429 with a long wait": (failing(429, **LONG), "t", "b", ""),
    "429 without a wait": (failing(429), "t", "b", "a"),  # after one that is drawn, of a second at most
    "500": (failing(500), "t", "a", "a"),
    "503 overloaded": (failing(503), "t", "a", "a"),
    "529": (failing(529), "t", "a", "a"),
    "silence": ((), "t", "b", ""),
    "an error in the stream": ((0.05, head(), say(error_in_band())), "t", "b", ""),
    "no answer at all": ((0.05, head(), say(b"data: [DONE]\n\n"), end), "t", "b", ""),
    "not JSON": ((0.05, *answer(b"<html>")), "t", "b", ""),
    "content filter": (FILTERED, "", "", ""),
    "bad request": (failing(400, None, "invalid_request_error"), "", "", ""),
    "too large": (failing(413, None, "invalid_request_error"), "", "", ""),
    "long address": (failing(414, None, "invalid_request_error"), "", "", ""),
    "large fields": (failing(431, None, "invalid_request_error"), "", "", ""),
    "not in this region": (failing(451, None, "invalid_request_error"), "t", "b", ""),
    "unknown parameter": (failing(400, "unsupported_parameter", "invalid_request_error"), "t", "b", ""),
    "422": (failing(422, None, "invalid_request_error"), "", "", ""),
    "context": (CONTEXT, "t", "b", ""),  # both of an unknown, so perhaps larger context
}


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("what", RULE)
def test_each_failure_goes_where_the_rule_says(what: str, streamed: bool) -> None:
    """The first attempt fails so, everybody else is well: who answers, after how many attempts."""
    script, *goes = RULE[what]
    if not streamed and what in ("an error in the stream", "no answer at all"):
        pytest.skip("a whole answer has no events")

    async def main(env: VirtualEnv) -> None:
        for left, there in zip(("twin", "other", "nobody"), goes, strict=True):
            rows = [row("a")]
            if left == "twin":
                rows.append(row("t", tier="secondary"))
            if left != "nobody":
                rows.append(row("b", model="m-b", tier="tertiary"))
            relay = Relay(env, *rows, deadlines={"interactive_first_content_s": 8.0, "interactive_total_s": 12.0})
            for host in "atb":
                relay.stage.always(*(GOOD if streamed else GOOD_UNARY), host=host)
            if script == ("refuse",):
                relay.stage.refuse(host="a")
            elif script == ("hang",):
                relay.stage.refuse(K.CONNECT_TIMEOUT, host="a")
            else:
                relay.stage.plan(*script, host="a")
            if what == "silence" and not streamed:
                env.call_at(env.now() + 2.6, lambda r=relay: r.owner.lost("a/m"))  # its probe finds nobody
            asked = await relay.ask(stream=streamed)
            tried = [a.decision.chosen for a in relay.last.attempts if a.refused is None]
            names = {"a": "a/m", "t": "t/m", "b": "b/m-b"}
            assert tried == ["a/m", *([names[there]] if there else [])], (left, relay.last.outcome)
            assert (asked.status == 200) is bool(there), (left, asked.body)
            if there:
                assert asked.fate == "ok" or asked.body, asked
            assert asked.headers["x-lbd-attempts"] == str(len(tried))
            relay.check()

    run(main)


@pytest.mark.parametrize("status", [400, 413, 414, 422, 431])
def test_a_caller_s_fault_is_handed_back_as_it_was_put_after_one_attempt(status: int) -> None:
    """Byte for byte, and nothing is held against anybody."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, *(row(n, model=f"m-{n}", tier=t) for n, t in zip("abc", TIERS, strict=True)))
        for code in ("content_filter", "x") if status == 400 else ("x",):
            said = refusal("not so", code, "invalid_request_error")
            for host in "abc":
                relay.stage.always(0.05, *answer(said, status), host=host)
            for streamed in (True, False):
                asked = await relay.ask(stream=streamed)
                assert asked.status == status and asked.body == said
                assert asked.headers["x-lbd-attempts"] == "1" and "retry-after" not in asked.headers
        assert all(r.breaker.fails == 0 and r.suspect is None for r in relay.owner.rows)
        relay.check()

    run(main)


def test_a_quota_group_counts_once() -> None:
    """Two providers on one quota: after a 429 of one the other is not asked, whatever its own answers say."""

    async def main(env: VirtualEnv) -> None:
        rows = [row("a", quota_group="g"), row("b", quota_group="g"), row("c", tier="secondary")]
        relay = Relay(env, *rows)
        for host in "ab":
            relay.stage.always(*failing(429, **LONG), host=host)
        relay.stage.always(*GOOD, host="c")
        for n in range(6):
            asked = await relay.ask(stream=True)
            assert asked.headers["x-lbd-deployment"] == "c/m"
            assert asked.headers["x-lbd-attempts"] == ("2" if n == 0 else "1")
        assert len(relay.stage.at("a")) + len(relay.stage.at("b")) == 1
        relay.check()

    run(main)


# --- the most that any request may knock --------------------------------------------------------------

FAULTS: dict[str, tuple[Any, ...]] = {
    "500": failing(500),
    "503": failing(503),
    "429": failing(429),
    "429 soon": failing(429, retry_after_ms="300"),
    "429 late": failing(429, **LONG),
    "401": failing(401, "invalid_api_key"),
    "400": failing(400, None, "invalid_request_error"),
    "context": CONTEXT,
    "reset": (0.05, cut(K.RESET)),
    "silence": (),
    "junk": (0.05, *answer(b"<html>")),
    "in band": (0.05, head(), say(error_in_band())),
    "cut": (0.05, head(), say(content("hel")), 0.05, cut()),
    "stops": (0.05, head(), say(content("hel"))),
    "differs": (0.05, head(), say(content("something else")), 0.05, cut()),
    "good": GOOD,
}


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a nesting of rules, surfaces and fallbacks over up to five deployments, and what goes wrong at each."""
    hosts = "abcde"[: draw(st.integers(1, 5))]
    models = [draw(st.sampled_from(("m", "n", "o"))) for _ in hosts]
    known = sorted(set(models))
    order = draw(st.permutations(known))
    return {
        "rows": [(h, m, draw(st.sampled_from(TIERS))) for h, m in zip(hosts, models, strict=True)],
        "group": draw(st.booleans()),
        "rule": (order[0], order[1 : draw(st.integers(1, len(order)))]),
        "target": draw(st.sampled_from(("auto", "rule", *known))),
        "surface": draw(st.sampled_from((None, "free", "pinned", "alone", "unspliced"))),
        "stream": draw(st.booleans()),
        "scripts": {h: draw(st.lists(st.sampled_from(list(FAULTS)), min_size=1, max_size=3)) for h in hosts},
        "stale": draw(st.integers(0, 2)),
        "requests": draw(st.integers(1, 3)),
    }


@given(worlds())
@settings(max_examples=80)
def test_no_nesting_of_settings_multiplies_attempts(world: dict[str, Any]) -> None:
    """At most one attempt at each deployment of its target and one more in all, whatever is configured and fails.

    1 + fallbacks are the deployments; the one more is the rule's own "the same row once more". What is sent again since
    a kept connection had been given up by its server is counted by itself.
    """

    async def main(env: VirtualEnv) -> None:
        relay = _relay(env, world)
        headers = {} if world["surface"] is None else {"x-lbd-surface": world["surface"]}
        for _ in range(world["requests"]):
            before, opened = len(relay.stage.taken), relay.stage.opens
            asked = await relay.ask(world["target"], stream=world["stream"], headers=headers)
            assert asked.ended
            attempts = [a for a in relay.last.attempts if a.refused is None]
            per_row = Counter(a.decision.chosen for a in attempts)
            eligible = _of_target(world)
            assert set(per_row) <= eligible, (per_row, eligible)
            assert all(n <= 2 for n in per_row.values()), per_row
            assert len(attempts) <= len(eligible) + 1, per_row
            assert len(per_row) <= len(eligible)
            resent = sum(a.resent for a in attempts)
            wire = max(len(relay.stage.taken) - before, relay.stage.opens - opened)
            assert wire <= len(attempts) + resent, (wire, attempts)
            if world["surface"] in ("alone", "pinned") and attempts:
                assert len({_model(world, a.decision.chosen) for a in attempts}) == 1
        relay.check()

    run(main)


def _relay(env: VirtualEnv, world: dict[str, Any]) -> Relay:
    """Return the world, with what goes wrong there."""
    primary, fallbacks = world["rule"]
    more: dict[str, Any] = {"quota_group": "g"} if world["group"] else {}
    rows = [row(h, model=m, tier=t, **more) for h, m, t in world["rows"]]
    rule: dict[str, Any] = {"primary": primary, "fallback": list(fallbacks)}
    first = world["rows"][0][1]
    surfaces = [
        {"name": "free"},
        {"name": "pinned", "pin": first, "fallback": "none"},
        {"name": "alone", "fallback": "none"},
        {"name": "unspliced", "after_content": "error"},
    ]
    relay = Relay(
        env,
        *rows,
        routing_rules={"rule": rule},
        surfaces=surfaces,
        deadlines={"interactive_first_content_s": 6.0, "interactive_total_s": 9.0},
    )
    for host, script in world["scripts"].items():
        for name in script[:-1]:
            relay.stage.plan(*_spoken(name, streamed=world["stream"]), host=host)
        relay.stage.always(*_spoken(script[-1], streamed=world["stream"]), host=host)
        relay.stage.kept[host] = world["stale"]
    return relay


def _spoken(name: str, *, streamed: bool) -> tuple[Any, ...]:
    if streamed or name not in ("in band", "cut", "stops", "differs", "good"):
        return FAULTS[name]
    return (
        GOOD_UNARY if name == "good" else (0.05, head(200, content_type="application/json"), say(whole()[:40]), cut())
    )


# Of rows that are known to answer after 0.2 s: a second attempt beside these is worth it.
LATE: dict[str, tuple[Any, ...]] = {
    "late": (0.9, head(), say(stream("hel", "lo")), end),
    "late 500": (0.9, *answer(refusal("no"), 500)),
    "late 429": (0.9, *answer(refusal("no", kind="rate_limit_error"), 429)),
    "late cut": (0.9, head(), say(content("hel")), 0.3, cut()),
    "late reset": (0.9, cut(K.RESET)),
}
FAULTS |= LATE


@st.composite
def known_worlds(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a world whose rows are known by many answers, and when rows are found dead while requests wait there."""
    world = draw(worlds())
    names = [*LATE, *FAULTS]
    world["scripts"] = {h: draw(st.lists(st.sampled_from(names), min_size=1, max_size=3)) for h in world["scripts"]}
    world["requests"] = draw(st.integers(1, 4))
    world["stream"] = draw(st.sampled_from((True, True, False)))
    world["lost"] = draw(st.lists(st.tuples(st.floats(0.05, 4.0), st.sampled_from(list(world["scripts"]))), max_size=3))
    return world


def test_hedges_splices_and_rescues_do_not_multiply_attempts_either() -> None:
    """The bound is the same for requests that run side by side, with hedges, and moved while they wait; all occur."""
    seen: Counter[str] = Counter()

    @given(known_worlds())
    @settings(max_examples=100, derandomize=True)
    def holds(world: dict[str, Any]) -> None:
        run(lambda env: _side_by_side(env, world, seen))

    holds()
    assert all(seen[what] for what in ("hedge", "rescue", "splice", "again", "moved", "limited")), seen


async def _side_by_side(env: VirtualEnv, world: dict[str, Any], seen: Counter[str]) -> None:
    relay = _relay(env, world)
    for _ in range(40):
        for i in range(len(relay.owner.rows)):
            lease = relay.owner.lease(i, env.now())
            assert isinstance(lease, Lease)
            lease.settle(good(0.2, 0.4))
    relay.flights.hedges.left = 1e6
    await env.sleep(1.5)  # published
    headers = {} if world["surface"] is None else {"x-lbd-surface": world["surface"]}
    before, opened = len(relay.stage.taken), relay.stage.opens
    for at, host in world["lost"]:
        env.call_at(env.now() + at, partial(relay.owner.lost, relay.find(host).spec.id))
    asked = [relay.start(world["target"], stream=world["stream"], headers=headers) for _ in range(world["requests"])]
    for task in asked:
        assert (await task).ended
    sent = [[a for a in r.attempts if a.refused is None] for r in relay.records]
    for record, attempts in zip(relay.records, sent, strict=True):
        eligible = _of_target(world)
        per_row = Counter(a.decision.chosen for a in attempts)
        assert set(per_row) <= eligible and all(n <= 2 for n in per_row.values()), (per_row, eligible)
        assert len(attempts) <= len(eligible) + 1, (per_row, record.outcome)
        seen["hedge"] += any(a.hedge for a in attempts)
        seen["rescue"] += any("moved away" in a.message for a in attempts)
        seen["splice"] += bool(record.splices)
        seen["again"] += max(per_row.values(), default=0) == 2
        seen["moved"] += len(per_row) > 1
        seen["limited"] += any(a.failure == K.RATE for a in attempts)
    resent = sum(a.resent for attempts in sent for a in attempts)
    wire = max(len(relay.stage.taken) - before, relay.stage.opens - opened)
    assert wire <= sum(map(len, sent)) + resent, (wire, sent)
    relay.check()


def _model(world: dict[str, Any], chosen: str | None) -> str:
    return next(m for h, m, _ in world["rows"] if f"{h}/{m}" == chosen)


def _of_target(world: dict[str, Any]) -> set[str | None]:
    """Return the deployments that the request's target has: the first, and its configured fallbacks."""
    primary, fallbacks = world["rule"]
    models = {m for _, m, _ in world["rows"]}
    if world["surface"] == "pinned":
        models = {world["rows"][0][1]}
    elif world["target"] == "rule":
        models = {primary, *fallbacks}
    elif world["target"] != "auto":
        models = {world["target"]}
    return {f"{h}/{m}" for h, m, _ in world["rows"] if m in models}


# --- the fleet ----------------------------------------------------------------------------------------

OUT: dict[str, tuple[int, float | None]] = {
    "429": (429, None),
    "429 after 5 s": (429, 5.0),
    "429 after 30 s": (429, 30.0),
    "500": (500, None),
    "503": (503, None),
    "529": (529, None),
    "refused": (0, None),
}


def amplified(what: str, *, rate: float = 8.0, seconds: float = 150.0, twins: bool = False, seed: int = 1) -> Any:
    """Return what clients saw and how many attempts they caused while every provider is out so, from calm weather on.

    Probes are no attempts of theirs, but paid ones are counted beside: they cost as much.
    """
    status, wait = OUT[what]
    out: list[Any] = []

    async def main(env: VirtualEnv) -> None:
        hosts = [SimHost(n, ttft=0.3) for n in "abc"]
        rows = [provider(h, tier=t, model="m" if twins else f"m-{h.name}") for h, t in zip(hosts, TIERS, strict=True)]
        async with Sim(env, hosts, {"providers": rows}) as sim:
            await sim.traffic(2, 30)
            assert set(sim.fates()) == {"ok"}
            before, paid = sum(h.seen for h in hosts), sum(h.paid_probes for h in hosts)
            for host in hosts:
                host.weather.status, host.weather.retry_after_s = status, wait
                if not status:
                    sim.world.kill(host.name)
            since = len(sim.asked)
            await sim.traffic(rate, seconds)
            paid = sum(h.paid_probes for h in hosts) - paid
            out.extend((sim.asked[since:], sum(h.seen for h in hosts) - before - paid, paid))

    run(main, seed)
    return out


@pytest.mark.parametrize("what", OUT)
def test_while_every_provider_is_out_requests_knock_less_than_once_each(
    what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """At most 1.1 attempts a request over a thousand requests; and every one is told when asking again may help."""
    asked, attempts, paid = amplified(what)
    assert len(asked) >= 1000
    ratio, cost = attempts / len(asked), (attempts + paid) / len(asked)
    with capsys.disabled():
        print(
            f" {what}: {attempts} attempts of {len(asked)} requests = {ratio:.3f}; with paid probes {cost:.3f}", end=""
        )
    assert ratio <= 1.1 and cost <= 1.1
    assert {a.fate for a in asked} == {"refused"}
    for a in asked:
        honest(a)


def honest(a: Asked) -> None:
    """Check what a refused client is told: a wait where waiting helps, else that asking again does not."""
    waits, never = "retry-after-ms" in a.headers, "x-should-retry" in a.headers
    assert waits is not never, (a.status, a.headers)
    if waits:
        ms = int(a.headers["retry-after-ms"])
        assert a.status in (429, 503) and 0 < ms <= 61_000
        assert int(a.headers["retry-after"]) == math.ceil(ms / 1000)
    else:
        assert a.headers["x-should-retry"] == "false" and a.status in (502, 503, 504)


def test_a_limit_that_nobody_named_is_no_reason_to_stay_away_from_who_serves_some() -> None:
    """Two in three are refused, by three: whoever is answered shows that nothing is shut, and waits stay short."""

    async def main(env: VirtualEnv) -> None:
        hosts = [SimHost(n, ttft=0.2) for n in "abc"]
        async with Sim(env, hosts, {"providers": [provider(h) for h in hosts]}) as sim:
            for host in hosts:
                host.weather.status, host.weather.status_share = 429, 0.66
            await sim.traffic(5.0, 90)
            fates = sim.fates()
            assert fates["ok"] >= 0.55 * len(sim.asked), fates  # 0.71 where all three could always be asked
            for host in hosts:
                host.weather.status = 0
            began = env.now()
            await sim.traffic(5.0, 30)
            assert {a.fate for a in sim.asked if a.began >= began + 4.0} == {"ok"}

    run(main)


def test_a_limit_that_ends_is_found_within_its_longest_wait() -> None:
    """Minutes of 429 without a word: the doubling ends at 16 s, and all are served again after it."""

    async def main(env: VirtualEnv) -> None:
        host = SimHost("a", ttft=0.2)
        async with Sim(env, [host], {"providers": [provider(host)]}) as sim:
            host.weather.status = 429
            await sim.traffic(5.0, 200)
            host.weather.status = 0
            began = env.now()
            await sim.traffic(5.0, 60)
            first = min(a.began + a.took_s for a in sim.asked if a.began >= began - 11 and a.fate == "ok")
            assert first - began <= 16.0 + 1.0
            assert {a.fate for a in sim.asked if a.began >= began + 18.0} == {"ok"}

    run(main)


# --- what the client is told --------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [True, False])
def test_the_wait_that_is_told_is_that_of_the_soonest_return(streamed: bool) -> None:
    """Two limited rows: the smaller of what is left of both waits, for the first who asks and for the next."""

    async def main(env: VirtualEnv) -> None:
        rows = [row("a"), row("b", tier="secondary")]
        relay = Relay(env, *rows, deadlines={"interactive_first_content_s": 5.0, "interactive_total_s": 5.0})
        relay.stage.always(0.5, *answer(refusal("slow"), 429, retry_after="9"), host="a")
        relay.stage.always(3.0, *answer(refusal("slow"), 429, retry_after="30"), host="b")
        begin = env.now()
        asked = await relay.ask(stream=streamed)
        assert asked.status == 429 and "x-should-retry" not in asked.headers
        opens = begin + 0.5 + 9.0  # a said so at half a second
        told = int(asked.headers["retry-after-ms"]) / 1000
        assert abs(asked.began + asked.took_s + told - opens) < 0.1, told
        again = await relay.ask(stream=streamed)
        told = int(again.headers["retry-after-ms"]) / 1000
        assert again.headers["x-lbd-attempts"] == "0" or again.took_s > 0
        assert abs(again.began + again.took_s + told - opens) < 0.1, told
        # and the word holds: whoever comes then is served
        relay.stage.always(*(GOOD if streamed else GOOD_UNARY), host="a")
        await env.sleep(told + 0.01)
        assert (await relay.ask(stream=streamed)).status == 200
        relay.check()

    run(main)


def test_who_comes_back_when_told_is_served_and_who_need_not_is_told_so() -> None:
    """Where waiting helps there is no word against it; where it does not, there is."""

    async def main(env: VirtualEnv) -> None:
        for script, status, waits in (
            (failing(429, **LONG), 429, True),
            (failing(429), 429, True),
            (failing(500), 502, False),
            (failing(401, "invalid_api_key"), 503, False),
            (failing(400, None, "invalid_request_error"), 400, None),
            ((), 504, False),
        ):
            relay = Relay(env, row("a"), deadlines={"interactive_first_content_s": 4.0})
            relay.stage.always(*script, host="a")
            asked = await relay.ask(stream=True)
            assert asked.status == status, asked.body
            if waits is None:
                assert "retry-after-ms" not in asked.headers and "x-should-retry" not in asked.headers
            else:
                assert ("retry-after-ms" in asked.headers) is waits
                assert ("x-should-retry" in asked.headers) is not waits
            relay.check()

    run(main)
