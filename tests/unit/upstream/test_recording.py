"""What is told of an attempt."""

from __future__ import annotations

from lbd.model.failure import FailureKind
from lbd.model.outcome import Outcome
from lbd.table.lease import Lease
from tests.fakes.relay import Relay, row
from tests.fakes.stage import answer, cut, refusal, whole
from tests.fakes.virtual import VirtualEnv, run


def test_the_table_and_the_record_are_told_the_same() -> None:
    """A failure, then an answer: times, tokens and the build that answered."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a", tier="primary"), row("b", tier="secondary"))
        told: list[Outcome] = []
        settle = relay.owner.settle

        def settled(lease: Lease, outcome: Outcome | None) -> None:
            told.extend([] if outcome is None else [outcome])
            settle(lease, outcome)

        relay.owner.settle = settled  # type: ignore[method-assign]
        relay.stage.plan(0.5, *answer(refusal("broken"), 500), host="a")
        relay.stage.plan(0.25, *answer(whole()), host="b")
        await relay.ask()
        first, second = relay.last.attempts
        assert [o.failure and o.failure.kind for o in told] == [first.failure, second.failure]
        assert first.failure is FailureKind.SERVER and first.status == 500
        assert [round(o.total_s, 3) for o in told] == [round(a.ended_s - a.started_s, 3) for a in (first, second)]
        assert told[1].usage == second.usage and second.usage is not None
        assert told[1].fingerprint == second.fingerprint

    run(main)


def test_the_record_has_the_spans_that_providers_were_told() -> None:
    """Also of an attempt that was sent twice, and none where nothing could be sent."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a", tier="primary"), row("b", tier="secondary"))
        relay.stage.kept["a"] = 1
        relay.stage.plan(0.1, cut(FailureKind.STALE), host="a")
        relay.stage.plan(0.5, *answer(refusal("broken"), 500), host="a")
        relay.stage.plan(0.25, *answer(whole()), host="b")
        await relay.ask()
        told = [taken.endpoint.own.split(b"-")[2].decode() for taken in relay.stage.taken]
        first, second = relay.last.attempts
        assert first.resent and told == [first.span, first.span, second.span] and first.span != second.span
        assert len(relay.last.trace) == 32 and all(
            relay.last.trace.encode() in t.endpoint.own for t in relay.stage.taken
        )

    run(main)


def test_the_record_has_the_state_that_providers_were_told() -> None:
    """Nothing of a broken one."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a", tier="primary"))
        parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        for state, kept in (("a=1, b=2", "a=1,b=2"), ("a=1,broken", ""), (None, "")):
            relay.stage.plan(0.1, *answer(whole()), host="a")
            await relay.ask(headers={"traceparent": parent} | ({} if state is None else {"tracestate": state}))
            told = relay.stage.taken[-1].endpoint.own
            assert relay.last.trace_state == kept and told.endswith(
                f"tracestate: {kept}\r\n".encode() if kept else b"-01\r\n"
            )

    run(main)


def test_no_key_is_kept_in_what_a_provider_calls_its_own_id() -> None:
    """Neither in the record nor in the table."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a", tier="primary", api_key="sk-canary-0123456789"), allow_inline_secrets=True)
        body = whole().replace(b"{", b'{"system_fingerprint":"fp_sk-canary-0123456789",', 1)
        relay.stage.plan(0.1, *answer(body, x_request_id="req_sk-canary-0123456789"), host="a")
        await relay.ask()
        (attempt,) = relay.last.attempts
        assert (attempt.upstream_id, attempt.fingerprint) == ("req_***", "fp_***")

    run(main)
