"""From a request as ingress hands it over to its flight, its plan, or why it gets neither."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from msgspec.structs import replace

from lbd.model.evaluation import EVALUATOR
from lbd.model.experiment import Arm, ExperimentSpec
from lbd.model.failure import Failure, FailureKind
from lbd.model.provider import ClientSpec, Deadlines
from lbd.model.request import Urgency
from lbd.model.validation import Validation
from lbd.pipeline import Errand
from lbd.upstream.ticket import Ticket
from tests.fakes.harness import SimInbound
from tests.fakes.relay import Relay, row
from tests.fakes.stage import answer, refusal, whole
from tests.fakes.virtual import VirtualEnv, run

K = FailureKind
KEY = "key-of-a-client"


def play(test: Callable[[VirtualEnv], Coroutine[Any, Any, None]]) -> None:
    run(test)


def made(env: VirtualEnv, *rows: dict[str, Any], **config: Any) -> Relay:
    relay = Relay(env, *(rows or (row("a", model="m-a"), row("b", model="m-b", tier="secondary"))), **config)
    for host in "abc":
        relay.stage.always(0.1, *answer(whole()), host=host)
    return relay


def with_client(env: VirtualEnv, **client: Any) -> Relay:
    surfaces = [{"name": "drafts", "class": "background", "quality_floor": 0.1}, {"name": "fast", "ttft_p95_s": 9.0}]
    rows = [
        row("a", model="m-a", deployment={"quality": {"default": 0.9}}),
        row("b", model="m-b", tier="secondary", deployment={"quality": {"default": 0.2}}),
    ]
    clients = [{"name": "c", "key": KEY, **client}]
    return made(env, *rows, clients=clients, surfaces=surfaces, allow_inline_secrets=True)


def prepare(relay: Relay, headers: dict[str, str] | None = None, *, raw: bytes | None = None, **body: Any) -> Any:
    """Return what becomes of a request before its flight."""
    sent = {"model": "auto", "messages": [{"role": "user", "content": "hello"}], **body}
    inbound = SimInbound(relay.env.now(), headers or {})
    data = json.dumps(sent).encode() if raw is None else raw
    return relay.pipeline.prepare("req_1", inbound, data, relay.shape)


def ticket(found: Any) -> Ticket:
    assert isinstance(found, Ticket), found
    return found


def refused(found: Any, kind: FailureKind) -> Failure:
    assert isinstance(found, Failure) and found.kind is kind, found
    return found


# --- ids ----------------------------------------------------------------------------------------------


def test_request_ids_are_in_order_and_differ_between_runs() -> None:
    """Unique over restarts without asking anybody."""

    async def main(env: VirtualEnv) -> None:
        first, second = made(env).pipeline, made(env).pipeline
        ids = [first.next_id() for _ in range(1000)]
        assert ids == sorted(ids) and len(set(ids)) == 1000
        assert all(re.fullmatch(r"req_[0-9a-f]{20}", i) for i in ids)
        assert not set(ids) & {second.next_id() for _ in range(1000)}

    play(main)


# --- admission ----------------------------------------------------------------------------------------


def test_without_clients_nobody_is_asked_for_a_key() -> None:
    """The caller is called local."""

    async def main(env: VirtualEnv) -> None:
        assert ticket(prepare(made(env))).client == "local"

    play(main)


@pytest.mark.parametrize("name", ["authorization", "x-api-key", "api-key"])
def test_a_client_is_known_by_its_key(name: str) -> None:
    """However SDKs send it."""

    async def main(env: VirtualEnv) -> None:
        relay = with_client(env)
        value = f"Bearer {KEY}" if name == "authorization" else KEY
        assert ticket(prepare(relay, {name: value})).client == "c"
        refused(prepare(relay, {name: value + "x"}), K.UNAUTHORIZED)
        refused(prepare(relay), K.UNAUTHORIZED)

    play(main)


def test_what_is_wrong_first_is_told_first() -> None:
    """Draining before the key, the key before the body, the body before the wishes, those before the model."""

    async def main(env: VirtualEnv) -> None:
        relay = with_client(env)
        bad = {"x-lbd-nonsense": "1"}
        good = {"authorization": f"Bearer {KEY}"}
        refused(prepare(relay, bad, raw=b"{"), K.UNAUTHORIZED)
        refused(prepare(relay, {**good, **bad}, raw=b"{"), K.BAD_REQUEST)
        assert "x-lbd-nonsense" in refused(prepare(relay, {**good, **bad}, model="no"), K.BAD_REQUEST).message
        refused(prepare(relay, good, model="no"), K.UNKNOWN_MODEL)

    play(main)


def test_a_model_that_is_not_the_clients_is_forbidden() -> None:
    """Also by an alias, a rule or auto, as the configuration says."""

    async def main(env: VirtualEnv) -> None:
        relay = with_client(env, models=["m-*"])
        good = {"authorization": f"Bearer {KEY}"}
        assert ticket(prepare(relay, good, model="m-a")).ask.target == "model:m-a"
        refused(prepare(relay, good, model="auto"), K.FORBIDDEN)

    play(main)


# --- wishes and surfaces ------------------------------------------------------------------------------


def test_wishes_come_by_header_or_by_metadata_and_the_header_wins() -> None:
    """The same words; other metadata is the provider's business."""

    async def main(env: VirtualEnv) -> None:
        relay = made(env)
        by_header = ticket(prepare(relay, {"x-lbd-class": "background"}))
        by_metadata = ticket(prepare(relay, metadata={"X-LBD-Class": "background", "user": "u"}))
        both = ticket(prepare(relay, {"x-lbd-class": "interactive"}, metadata={"x-lbd-class": "background"}))
        plain = ticket(prepare(relay, metadata={"user": "u"}))
        asks = [t.ask.urgency for t in (by_header, by_metadata, both, plain)]
        assert asks == [Urgency.BACKGROUND, Urgency.BACKGROUND, Urgency.INTERACTIVE, Urgency.INTERACTIVE]
        refused(prepare(relay, metadata={"x-lbd-nonsense": "1"}), K.BAD_REQUEST)
        assert ticket(prepare(relay, metadata={"x-lbd-max-latency-ms": 500})).ask.slo_s == 0.5

    play(main)


def test_a_wish_that_the_client_may_not_have_is_refused_and_not_ignored() -> None:
    """By header and by metadata."""

    async def main(env: VirtualEnv) -> None:
        relay = with_client(env, may=["class"])
        good = {"authorization": f"Bearer {KEY}"}
        assert ticket(prepare(relay, {**good, "x-lbd-class": "background"}))
        refused(prepare(relay, {**good, "x-lbd-pin": "m-a"}), K.FORBIDDEN)
        refused(prepare(relay, good, metadata={"x-lbd-pin": "m-a"}), K.FORBIDDEN)

    play(main)


def test_the_clients_surface_is_in_force_unless_another_is_asked_for() -> None:
    """With its class, floor and target; one that does not exist is named with those that do."""

    async def main(env: VirtualEnv) -> None:
        relay = with_client(env, surface="drafts")
        good = {"authorization": f"Bearer {KEY}"}
        own = ticket(prepare(relay, good)).ask
        assert (own.surface, own.urgency, own.quality_floor) == ("drafts", Urgency.BACKGROUND, 0.1)
        other = ticket(prepare(relay, {**good, "x-lbd-surface": "fast"})).ask
        assert (other.surface, other.urgency, other.slo_s) == ("fast", Urgency.INTERACTIVE, 9.0)
        failure = refused(prepare(relay, {**good, "x-lbd-surface": "slow"}), K.BAD_REQUEST)
        assert "drafts, fast" in failure.message and failure.param == "x-lbd-surface"
        assert "none is configured" in refused(prepare(made(env), {"x-lbd-surface": "x"}), K.BAD_REQUEST).message

    play(main)


def test_answers_are_held_to_what_the_surface_and_the_request_ask() -> None:
    """Whole ones that say something; a stream, or vectors, cannot be."""

    async def main(env: VirtualEnv) -> None:
        relay = made(env, surfaces=[{"name": "s", "validate": {"min_chars": 2, "language": "de"}}])
        surface, wish = {"x-lbd-surface": "s"}, {"x-lbd-validate": "max_chars=9,language=en"}
        assert ticket(prepare(relay)).validation is None
        assert ticket(prepare(relay, surface)).validation == Validation(min_chars=2, language="de")
        assert ticket(prepare(relay, wish)).validation == Validation(max_chars=9, language="en")
        both = Validation(min_chars=2, max_chars=9, language="en")
        assert ticket(prepare(relay, {**surface, **wish})).validation == both
        assert ticket(prepare(relay, {**surface, **wish}, stream=True)).validation is None
        assert refused(prepare(relay, {"x-lbd-validate": "regex=a"}), K.BAD_REQUEST).param == "x-lbd-validate"

    play(main)


def test_a_session_decides_the_affinity_and_else_a_long_prompt_does() -> None:
    """The same session goes home whatever it says; short prompts have no home."""

    async def main(env: VirtualEnv) -> None:
        relay = made(env)
        one, same = (ticket(prepare(relay, {"x-lbd-session": "s"}, n=n)).affinity for n in (1, 2))
        assert one == same != 0
        assert ticket(prepare(relay)).affinity == 0
        long = [{"role": "user", "content": "x" * 6000}]
        assert (
            ticket(prepare(relay, messages=long)).affinity
            == ticket(prepare(relay, messages=[*long, long[0]])).affinity
            != 0
        )

    play(main)


# --- asks ---------------------------------------------------------------------------------------------


def test_like_requests_share_one_ask() -> None:
    """And with it their ranking; what differs in any bound does not."""

    async def main(env: VirtualEnv) -> None:
        relay = made(env)
        first = ticket(prepare(relay)).ask
        assert ticket(prepare(relay)).ask is first
        assert ticket(prepare(relay, temperature=1)).ask is first
        for more in ({"stream": True}, {"max_tokens": 7}, {"tools": [{}]}, {"model": "m-a"}, {"service_tier": "flex"}):
            assert ticket(prepare(relay, **more)).ask != first
        assert ticket(prepare(relay, {"x-lbd-class": "background"})).ask != first
        assert ticket(prepare(relay, messages=[{"role": "user", "content": "x" * 2000}])).ask != first

    play(main)


def test_asks_are_not_shared_between_clients_or_configurations() -> None:
    """Two clients may use different models; a reload may change what a name means."""

    async def main(env: VirtualEnv) -> None:
        clients = [{"name": "c", "key": KEY}, {"name": "d", "key": KEY + "2", "models": ["auto", "m-a"]}]
        relay = made(env, clients=clients, allow_inline_secrets=True)
        c, d = (ticket(prepare(relay, {"x-api-key": k})).ask for k in (KEY, KEY + "2"))
        assert c.allow == () and d.allow == ("m-a",)
        plain = made(env)
        before = ticket(prepare(plain, model="m-a")).ask
        plain.configure(row("a", model="m-a"), deadlines={"interactive_total_s": 7.0})
        after = ticket(prepare(plain, model="m-a")).ask
        assert before.total_s == 600.0 and after.total_s == 7.0

    play(main)


def test_asks_are_remembered_and_refusals_are_not() -> None:
    """A stream of junk model names adds nothing."""

    async def main(env: VirtualEnv) -> None:
        relay = made(env)
        for n in range(200):
            refused(prepare(relay, model=f"junk-{n}"), K.UNKNOWN_MODEL)
        assert not relay.pipeline.asks.known
        prepare(relay)
        prepare(relay)
        assert len(relay.pipeline.asks.known) == 1

    play(main)


def test_the_token_estimate_follows_what_providers_told() -> None:
    """A text that is dense in tokens is asked for as larger, once that is known."""

    async def main(env: VirtualEnv) -> None:
        relay = made(env)
        text = [{"role": "user", "content": "x" * 4000}]
        before = ticket(prepare(relay, messages=text)).ask.input_tokens
        for _ in range(200):
            relay.owner.learn_ratio(1000, 900)
        relay.owner.touch(0, transition=True)
        assert ticket(prepare(relay, messages=text)).ask.input_tokens > 2 * before

    play(main)


# --- flights, plans, refusals -------------------------------------------------------------------------


def test_an_admitted_request_flies() -> None:
    """With its own id in the answer and the record."""

    async def main(env: VirtualEnv) -> None:
        relay = made(env)
        asked = await relay.ask()
        assert asked.text == "hello" and asked.headers["x-request-id"] == relay.last.id
        relay.check()

    play(main)


def test_a_refused_request_is_answered_in_the_clients_shape_and_has_no_flight() -> None:
    """It has an id all the same."""

    async def main(env: VirtualEnv) -> None:
        relay = made(env)
        asked = await relay.ask("no-such-model")
        assert asked.status == 404 and asked.error is not None and asked.error["code"] == "model_not_found"
        assert asked.headers["x-request-id"].startswith("req_")
        assert not relay.records and not relay.stage.taken

    play(main)


@pytest.mark.parametrize("value", ["1", "true", "yes"])
def test_a_dry_run_tells_the_plan_and_calls_nobody(value: str) -> None:
    """Every candidate with its terms and share, every exclusion with its reason."""

    async def main(env: VirtualEnv) -> None:
        relay = made(env, row("a", model="m-a"), row("b", model="m-b", deployment={"supports": []}))
        asked = await relay.ask(headers={"x-lbd-dry-run": value}, tools=[{"type": "function"}])
        assert asked.status == 200 and asked.headers["content-type"] == "application/json"
        plan = json.loads(asked.body)
        assert plan["object"] == "lbd.plan" and plan["asked"] == "auto" and plan["ask"]["needs"] == ["tools"]
        (stage,) = plan["stages"]
        assert [c["deployment"] for c in stage["candidates"]] == ["a/m-a"]
        assert [(e["deployment"], e["reason"]) for e in plan["excluded"]] == [("b/m-b", "capability")]
        assert "hello" not in asked.body.decode()
        assert not relay.stage.taken and not relay.records
        assert (await relay.ask(headers={"x-lbd-dry-run": "0"})).text == "hello"

    play(main)


def test_a_plan_can_be_asked_for_from_within() -> None:
    """Without a key; what cannot be planned is a failure."""

    async def main(env: VirtualEnv) -> None:
        relay = with_client(env)
        inbound = SimInbound(env.now(), {"x-lbd-dry-run": "1"})
        raw = json.dumps({"model": "auto", "messages": []}).encode()
        plan = relay.pipeline.plan_for(inbound, raw, relay.shape)
        assert isinstance(plan, dict) and plan["object"] == "lbd.plan"
        plain = relay.pipeline.plan_for(SimInbound(env.now(), {}), raw, relay.shape)
        assert isinstance(plain, dict) and plain["object"] == "lbd.plan"
        assert isinstance(relay.pipeline.plan_for(inbound, b"{", relay.shape), Failure)
        assert not relay.stage.taken

    play(main)


# --- errands ------------------------------------------------------------------------------------------


def test_an_errand_is_background_within_its_time() -> None:
    """Whatever its surface says of urgency and deadline; floors and permissions are its client's own."""

    async def main(env: VirtualEnv) -> None:
        relay = with_client(env, surface="drafts", may=[])
        spec = relay.pipeline.rules.clients.named("c")
        assert spec is not None
        raw = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "hello"}]}).encode()
        nobody = SimInbound(env.now(), {})
        found = relay.pipeline.prepare("r", nobody, raw, relay.shape, errand=Errand(spec, 500.0))
        ask = ticket(found).ask
        assert (ask.urgency, ask.total_s, ask.first_content_s) == (Urgency.BACKGROUND, 500.0, 500.0)
        assert (ask.surface, ask.quality_floor, ticket(found).client) == ("drafts", 0.1, "c")
        refused(relay.pipeline.prepare("r", nobody, raw, relay.shape), K.UNAUTHORIZED)

    play(main)


# --- rate limits --------------------------------------------------------------------------------------

AS_C = {"authorization": f"Bearer {KEY}"}


def limited(env: VirtualEnv, **limit: int) -> Relay:
    """Return a relay with one client that has a limit; what ends is made good, as the application does it."""
    relay = with_client(env, limit=limit)
    for host in "ab":
        relay.stage.always(0.1, *answer(whole(prompt=20, completion=3)), host=host)

    def done(record: Any) -> None:
        relay.records.append(record)
        relay.pipeline.settle(record)

    relay.flights.done = done
    return relay


def test_a_client_over_its_rate_limit_is_told_how_long_to_wait() -> None:
    """429 with a wait that is true; what is refused consumes nothing, asks nobody, and has no flight."""

    async def main(env: VirtualEnv) -> None:
        relay = limited(env, requests_per_min=30)
        first = [relay.start(headers=AS_C) for _ in range(30)]
        await env.sleep(0.2)
        assert {(await task).status for task in first} == {200}
        for _ in range(20):
            asked = await relay.ask(headers=AS_C)
            assert asked.status == 429 and asked.error is not None and asked.error["code"] == "rate_limit_exceeded"
            assert "client 'c' may use 30 requests a minute" in asked.error["message"]
        wait = int(asked.headers["retry-after-ms"]) / 1000
        assert wait == pytest.approx(60 / 30 - 0.2, abs=0.002)
        assert len(relay.records) == len(relay.stage.taken) == 30
        await env.sleep(wait - 0.002)
        assert (await relay.ask(headers=AS_C)).status == 429
        await env.sleep(0.002)
        assert (await relay.ask(headers=AS_C)).status == 200
        relay.check()

    play(main)


def test_tokens_are_made_good_when_a_request_ends() -> None:
    """Counted as usual when it comes; by its usage when it has ended, whatever became of it."""

    async def main(env: VirtualEnv) -> None:
        relay = limited(env, tokens_per_min=1000)
        for _ in range(25):  # 272 tokens each at first, 23 in truth
            assert (await relay.ask(headers=AS_C)).status == 200
        relay.stage.always(0.0, *answer(refusal("no", kind="invalid_request_error"), 400), host="a")
        for _ in range(40):  # refused ones cost nothing
            assert (await relay.ask(headers=AS_C)).status == 400
        assert not relay.pipeline._rates._counted
        relay.stage.always(0.1, *answer(whole(prompt=2000, completion=500)), host="a")
        assert (await relay.ask(headers=AS_C)).status == 200
        asked = await relay.ask(headers=AS_C)
        assert asked.status == 429 and asked.error is not None and "1000 tokens a minute" in asked.error["message"]
        assert int(asked.headers["retry-after"]) > 60
        relay.check()

    play(main)


def test_a_request_that_never_flew_is_made_good_too() -> None:
    """A client that left while it waited, and a count that lbd estimates itself."""

    async def main(env: VirtualEnv) -> None:
        relay = limited(env, tokens_per_min=1000)
        relay.stage.always(5.0, *answer(whole()), host="a")
        tasks = [relay.start(headers=AS_C) for _ in range(3)]
        await env.sleep(0.1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        relay.shape = relay.plugins.clients["anthropic.count_tokens"]
        for _ in range(20):
            assert (await relay.ask(headers=AS_C, max_tokens=5)).status == 200
        assert not relay.pipeline._rates._counted
        relay.check()

    play(main)


def test_only_what_goes_out_is_limited() -> None:
    """A dry run asks nobody, and what is refused for another reason is not counted."""

    async def main(env: VirtualEnv) -> None:
        relay = limited(env, requests_per_min=1)
        for _ in range(3):
            assert (await relay.ask(headers={**AS_C, "x-lbd-dry-run": "1"})).status == 200
            assert (await relay.ask("no-such-model", headers=AS_C)).status == 404
            assert (await relay.ask(headers={**AS_C, "x-lbd-surface": "none"})).status == 400
        assert (await relay.ask(headers=AS_C)).status == 200
        assert (await relay.ask(headers=AS_C)).status == 429

    play(main)


def test_an_errand_is_not_rate_limited_but_held_against_budgets() -> None:
    """A batch has its own pace; its money is the client's all the same."""

    async def main(env: VirtualEnv) -> None:
        relay = with_client(env, limit={"requests_per_min": 1}, budget={"usd_per_day": 0.001})
        relay.flights.purses._purses["client/c/day"].granted = 10**6
        spec = relay.pipeline.rules.clients.named("c")
        assert spec is not None
        sent = {"model": "m-a", "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]}
        statuses = []
        for _ in range(40):
            heard = relay.heard()
            inbound, errand = SimInbound(env.now(), {}), Errand(spec, 500.0)
            await relay.pipeline.handle(inbound, json.dumps(sent).encode(), relay.shape, heard, errand=errand)
            statuses.append(heard.asked.status)
        assert statuses.count(200) > 20 and statuses[-1] == 429
        assert heard.asked.error is not None and "client c: 0.001 USD a day" in heard.asked.error["message"]
        assert sum(r.cost for r in relay.records) <= 10**6
        relay.check()

    play(main)


def test_a_limit_that_a_reload_takes_away_is_gone() -> None:
    """Requests under way are made good for nobody."""

    async def main(env: VirtualEnv) -> None:
        relay = limited(env, requests_per_min=1, tokens_per_min=100)
        task = relay.start(headers=AS_C)
        await env.sleep(0.01)
        relay.configure(row("a", model="m-a"), clients=[{"name": "d", "key": KEY}], allow_inline_secrets=True)
        assert (await task).status == 200 and not relay.pipeline._rates._counted
        assert (await relay.ask(headers=AS_C)).status == 200

    play(main)


# --- experiments --------------------------------------------------------------------------------------


def test_the_treated_have_the_surfaces_and_deadlines_of_their_variant() -> None:
    """And count in their arm; everybody else has what holds."""

    async def main(env: VirtualEnv) -> None:
        relay = made(env)
        other = replace(relay.pipeline.rules, deadlines=Deadlines(interactive_total_s=7.0))
        relay.pipeline.configure(replace(relay.pipeline.rules, variants={"x": other}))
        relay.pipeline.trying = (ExperimentSpec("x", 0.5, key="k"),)
        told = [ticket(prepare(relay, {"x-lbd-session": f"s{n}"})) for n in range(40)]
        assert {(t.ask.variant, t.ask.total_s, t.arms[0].treated) for t in told} == {
            ("x", 7.0, True),
            ("", 600.0, False),
        }
        alone = ticket(prepare(relay))
        assert {ticket(prepare(relay)).arms for _ in range(5)} == {alone.arms}, "without a session it is its client's"
        relay.pipeline.trying = ()
        assert all(not ticket(prepare(relay, {"x-lbd-session": f"s{n}"})).arms for n in range(40))

    play(main)


def test_a_request_enters_its_arms_when_its_flight_begins() -> None:
    """Once, long before its end; what is refused before, only planned or in no arm does not."""

    async def main(env: VirtualEnv) -> None:
        relay = made(env)
        relay.stage.always(150.0, *answer(whole()), host="a")
        entered: list[tuple[float, tuple[Arm, ...]]] = []
        relay.pipeline.entered = lambda arms: entered.append((env.now(), arms))
        assert (await relay.ask("m-b")).status == 200 and not entered
        relay.pipeline.trying = (ExperimentSpec("x", 0.5, key="k"),)
        began = env.now()
        heard = await relay.ask("m-a")
        assert heard.status == 200 and env.now() >= began + 100.0
        assert [(at, [a.experiment for a in arms]) for at, arms in entered] == [(began, ["x"])]
        assert relay.records[-1].arms == entered[0][1]
        assert (await relay.ask("nobody")).status == 404
        assert (await relay.ask("m-a", headers={"x-lbd-dry-run": "1"})).status == 200
        assert len(entered) == 1

    play(main)


def test_what_lbd_asks_itself_counts_in_no_experiment() -> None:
    """Otherwise scores would be of requests that nobody made."""

    async def main(env: VirtualEnv) -> None:
        relay = made(env)
        relay.pipeline.trying = (ExperimentSpec("x", 0.999, key="k"),)
        raw = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "hello"}]}).encode()
        for name, arms in ((EVALUATOR, 0), ("c", 1)):
            errand = Errand(ClientSpec(name, b""), 60.0)
            made_ = relay.pipeline.prepare("req_1", SimInbound(env.now(), {}), raw, relay.shape, errand=errand)
            assert len(ticket(made_).arms) == arms

    play(main)


def test_a_clients_trace_goes_through_every_attempt_and_stands_in_the_record() -> None:
    """Each attempt is a span of its own; a request without a trace begins one."""

    async def main(env: VirtualEnv) -> None:
        relay = made(env)
        relay.stage.plan(0.1, *answer(refusal("broken"), 500), host="a")
        told = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tracestate": "v=1"}
        assert (await relay.ask("auto", headers=told)).status == 200
        sent = [t.endpoint.own.decode() for t in relay.stage.taken]
        assert len(sent) == 2
        found = [re.fullmatch(r"traceparent: 00-(\w{32})-(\w{16})-01\r\ntracestate: v=1\r\n", own) for own in sent]
        assert {m[1] for m in found if m} == {"4bf92f3577b34da6a3ce929d0e0e4736"} and len(
            {m[2] for m in found if m}
        ) == 2
        assert relay.records[-1].trace == "4bf92f3577b34da6a3ce929d0e0e4736"
        for _ in range(2):
            assert (await relay.ask("m-b")).status == 200
        begun = [record.trace for record in relay.records[-2:]]
        assert len(set(begun)) == 2 and all(re.fullmatch(r"[0-9a-f]{32}", trace) for trace in begun)
        assert f"traceparent: 00-{begun[-1]}-" in relay.stage.taken[-1].endpoint.own.decode()

    play(main)
