"""Leave before the 429: limits of OpenAI's and Anthropic's kind under overload, in virtual time."""

from __future__ import annotations

import pytest

from lbd.state import bucket
from tests.fakes.limiter import Limiter, Sizes
from tests.fakes.pilot import CASES, FIRST, Case, Demand, Host, piloted, prompt, reactive
from tests.fakes.relay import Relay, row
from tests.fakes.stage import JSON, Taken, whole
from tests.fakes.virtual import VirtualEnv, run

SECONDS = 300.0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_limit_is_used_and_hardly_ever_exceeded(case: Case) -> None:
    """At least 97 % of what a bucket has to give, and 429s below 0.1 %, at half as much again as it lets through."""
    seen = piloted(case, 1, SECONDS)
    assert seen.used >= 0.97
    assert seen.refused < 0.001
    assert seen.late <= 0.001 * seen.sent, "who is let in has the time for its answer to begin"


@pytest.mark.parametrize("case", [CASES[0], CASES[3]], ids=lambda case: case.name)
def test_a_client_that_only_reacts_is_refused_most_of_the_time(case: Case) -> None:
    """The simulation is hard enough: without a pilot the same demand gets more 429s than answers, or as many."""
    seen = reactive(case, 1, SECONDS / 3, overload=3.0)
    assert seen.used >= 0.97 and seen.refused > 0.2


@pytest.mark.parametrize("case", [CASES[1], CASES[3]], ids=lambda case: case.name)
@pytest.mark.parametrize(("gateways", "foreign"), [(1, 0.2), (2, 0.0)], ids=["others", "two of lbd"])
def test_others_under_the_same_account_are_made_room_for(case: Case, gateways: int, foreign: float) -> None:
    """They take a fifth, or half, in bursts, and nobody tells: 429s stay rare all the same."""
    seen = piloted(case._replace(foreign=foreign), 3, SECONDS, gateways=gateways)
    assert seen.used >= 0.97
    assert seen.refused <= 0.005  # of some 2,000: a burst more or less is a few 429s


@pytest.mark.parametrize("case", [CASES[1], CASES[3]], ids=lambda case: case.name)
def test_headers_may_tell_how_things_stand_when_an_answer_begins(case: Case) -> None:
    """Seconds after the request came in, with others counted in it that came later: it makes no difference."""
    seen = piloted(case._replace(late=True), 1, SECONDS)
    assert seen.used >= 0.97
    assert seen.refused < 0.001


def test_without_headers_there_is_nothing_to_pilot_by() -> None:
    """Then only a 429 tells, as with any other gateway: what is measured above is the pilot's doing."""
    assert piloted(CASES[0], 1, SECONDS / 3, overload=3.0, tells=False).refused > 0.05


def test_providers_of_one_quota_group_share_one_bucket() -> None:
    """Two ways to the same account count once: what one takes is gone for the other."""

    async def main(env: VirtualEnv) -> None:
        case = CASES[0]
        limiter = Limiter(case.kind, case.limits, env.now())
        relay = Relay(env, *(row(name, quota_group="team") for name in "ab"))
        for name in "ab":
            relay.stage.always(Host(env, limiter, 1), host=name)
        demand = Demand(case, 1)
        tasks = []
        until = env.now() + 180
        while env.now() < until:
            sizes = demand.sizes()
            tasks.append(relay.start("m", messages=[{"role": "user", "content": prompt(sizes)}]))
            await env.sleep(demand.random.expovariate(1.7 * 500 / 60))
        used = limiter.share(env.now())
        for task in tasks:
            await task
        assert used >= 0.97 and limiter.refused() < 0.001
        assert all(len(relay.stage.at(name)) > 500 for name in "ab")

    run(main)


def test_of_two_providers_each_is_used_as_far_as_its_limit_goes() -> None:
    """The less is left of one, the less it is chosen: four times the limit takes four times the requests."""

    async def main(env: VirtualEnv) -> None:
        limiters = {"a": Limiter("openai", {"requests": 120.0}, env.now())}
        limiters["b"] = Limiter("openai", {"requests": 480.0}, env.now())
        relay = Relay(env, row("a"), row("b"))
        for name, limiter in limiters.items():
            relay.stage.always(Host(env, limiter, 1), host=name)
        tasks = []
        until = env.now() + 200
        while env.now() < until:
            tasks.append(relay.start("m", messages=[{"role": "user", "content": prompt(Sizes(100, None, 60))}]))
            await env.sleep(env.random.expovariate(1.5 * 600 / 60))
        used = {name: limiter.share(env.now()) for name, limiter in limiters.items()}
        for task in tasks:
            await task
        assert min(used.values()) >= 0.97, used
        assert sum(limiter.asked[True] for limiter in limiters.values()) <= 1

    run(main)


def test_what_does_not_fit_goes_elsewhere_at_once() -> None:
    """Where another deployment can take it, nobody waits and nothing is refused; what there is, is used."""

    async def main(env: VirtualEnv) -> None:
        case = CASES[0]
        limiter = Limiter(case.kind, case.limits, env.now())
        relay = Relay(env, row("a"), row("b", tier="secondary"))
        relay.stage.always(Host(env, limiter, 1), host="a")
        relay.stage.always(FIRST, _answer, host="b")
        draw = env.random
        tasks = []
        until = env.now() + 240
        while env.now() < until:
            tasks.append(relay.start("m", messages=[{"role": "user", "content": prompt(Sizes(100, None, 60))}]))
            await env.sleep(draw.expovariate(1.5 * 500 / 60))
        used = limiter.share(env.now())
        for task in tasks:
            assert (await task).status == 200
        assert used >= 0.97 and limiter.asked[True] == 0
        assert max(r.waited_s for r in relay.records) == 0.0
        assert len(relay.stage.at("b")) > 200
        relay.check()

    run(main)


def _answer(taken: Taken) -> None:
    taken.head(200, JSON)
    taken.say(whole())
    taken.end()


def emptied(env: VirtualEnv, per_minute: int) -> tuple[Relay, Limiter]:
    """A relay whose only provider lets so many requests through, without any network."""
    limiter = Limiter("openai", {"requests": float(per_minute)}, env.now())
    relay = Relay(env, row("a"))
    host = Host(env, limiter, 1)
    relay.stage.always(host._arrive, host="a")
    return relay, limiter


HURRY = {"x-lbd-max-latency-ms": "900"}
SHORT = {"messages": [{"role": "user", "content": prompt(Sizes(20, None, 6))}]}


def test_a_wait_within_the_deadline_is_waited_and_a_longer_one_is_told_exactly() -> None:
    """429 with the time at which there is room, to 50 ms; asked then it is served, and asked before it is not."""

    async def main(env: VirtualEnv) -> None:
        relay, limiter = emptied(env, 30)  # one comes back every two seconds
        for task in [relay.start("m", **SHORT) for _ in range(15)]:
            assert (await task).status == 200
        turned = await relay.ask("m", stream=True, headers=HURRY, **SHORT)
        while turned.status != 429:
            turned = await relay.ask("m", stream=True, headers=HURRY, **SHORT)
        assert turned.error is not None and turned.error["code"] == "rate_limit_exceeded"
        assert "x-should-retry" not in turned.headers
        told = int(turned.headers["retry-after-ms"]) / 1000
        known = relay.owner.accounts.quotas["a/up-m"].buckets["requests"]
        free = limiter.buckets["requests"].now(env.now()) - bucket.reserve(known)
        assert told == pytest.approx((1 - free) * 2, abs=2.0), "what is left is told in whole requests"
        assert turned.took_s == 0.0
        at = env.now() + told
        assert told > 1.0
        seen = limiter.asked.total()
        await env.sleep(told / 2)
        again = await relay.ask("m", stream=True, headers=HURRY, **SHORT)
        assert again.status == 429, told
        assert env.now() + int(again.headers["retry-after-ms"]) / 1000 == pytest.approx(at, abs=0.05)
        waited = await relay.ask("m", **SHORT)
        assert waited.status == 200, "it fits the usual deadline"
        assert relay.last.waited_s > 0
        assert limiter.asked.total() == seen + 1 and limiter.asked[True] == 0
        relay.check()

    run(main)


def test_asked_again_when_it_was_told_to_a_request_is_served_at_once() -> None:
    """What is told is true."""

    async def main(env: VirtualEnv) -> None:
        relay, limiter = emptied(env, 30)
        turned = 0
        for _ in range(200):
            asked = await relay.ask("m", stream=True, headers=HURRY, **SHORT)
            if asked.status == 429:
                turned += 1
                await env.sleep(int(asked.headers["retry-after-ms"]) / 1000)
                assert (await relay.ask("m", stream=True, headers=HURRY, **SHORT)).status == 200
                assert relay.last.waited_s <= 0.05
        assert turned > 20 and limiter.asked[True] == 0
        relay.check()

    run(main)


def test_those_who_wait_are_counted_in_what_a_later_one_is_told() -> None:
    """Ten wait for what comes back in twenty seconds: the next has its turn behind them."""

    async def main(env: VirtualEnv) -> None:
        relay, limiter = emptied(env, 60)  # one a second
        while limiter.buckets["requests"].now(env.now()) > 8:
            for task in [relay.start("m", **SHORT) for _ in range(6)]:
                await task
        while not relay.records[-1].waited_s:
            await relay.ask("m", **SHORT)
        waiting = [relay.start("m", **SHORT) for _ in range(5)]
        await env.sleep(0)
        began = env.now()
        turned = await relay.ask("m", stream=True, headers=HURRY, **SHORT)
        assert turned.status == 429
        assert 4.5 <= int(turned.headers["retry-after-ms"]) / 1000 <= 6.5
        ends = [(await task) for task in waiting]
        assert {a.status for a in ends} == {200}
        assert 4.0 <= env.now() - began <= 6.5 + 1.0
        assert limiter.asked[True] == 0
        relay.check()

    run(main)


def test_a_large_request_is_not_overtaken_for_ever() -> None:
    """Small ones would fit all the time; it gets its turn within the wait it was let in for."""

    async def main(env: VirtualEnv) -> None:
        limiter = Limiter("openai", {"tokens": 60_000.0}, env.now())  # a thousand a second
        relay = Relay(env, row("a"))
        host = Host(env, limiter, 1)
        relay.stage.always(host._arrive, host="a")
        draw = env.random
        small = {"messages": [{"role": "user", "content": prompt(Sizes(200, 50, 30))}], "max_tokens": 50}
        large = {"messages": [{"role": "user", "content": prompt(Sizes(4000, 50, 30))}], "max_tokens": 50}
        tasks, until = [], env.now() + 120
        while env.now() < until:
            tasks.append(relay.start("m", **small))
            await env.sleep(draw.expovariate(7.0))
        asked = []
        until = env.now() + 30
        while env.now() < until:
            if not asked and limiter.buckets["tokens"].now(env.now()) < 3000:
                asked.append(relay.start("m", **large))
            tasks.append(relay.start("m", **small))
            await env.sleep(draw.expovariate(7.0))
        assert asked
        got = await asked[0]
        for task in tasks:
            await task
        assert got.status == 200, got.error
        assert relay.records and limiter.asked[True] <= 3, (
            "how far small ones are rounded up is no rule for a large one"
        )

    run(main)
