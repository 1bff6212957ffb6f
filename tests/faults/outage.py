"""Faults that come and go, that strike some requests of every deployment, and that everybody has at once."""

from __future__ import annotations

from typing import Any

from tests.faults import connection, content, status, timing, transport
from tests.faults.drive import Scenario
from tests.faults.upstream import Call, Fault, well

# what a client may be told when everybody fails, or when the one other attempt failed, too
ANY = frozenset({400, 429, 502, 503, 504, 529})


def now_and_then(fault: Fault, one_in: int = 3) -> Fault:
    """Return the fault for some requests; which ones goes by their number."""

    async def act(call: Call) -> None:
        await (fault if call.draw.randrange(one_in) == 0 else well)(call)

    return act


def sporadic(fault: Fault, name: str, **more: Any) -> Scenario:
    """Return the scenario of a fault that all three have now and then: each must be able to stand in for the others."""
    rest: dict[str, Any] = {"bad": 3, "statuses": ANY, "strict": False, **more}
    return Scenario(f"some_{name}", now_and_then(fault), **rest)


FLAPPING = (connection.reset_anywhere, timing.silent, status.answering(503), content.html)
# those that break an answer at a place that is drawn, or in the middle of it
SPORADIC: dict[str, Fault] = {
    f.__name__: f
    for f in (
        connection.close_anywhere,
        connection.reset_anywhere,
        connection.reset_at_the_end,
        connection.reset_when_reused,
        timing.stall_at_odd_byte,
        timing.stall_in_the_middle,
        timing.stall_before_the_end,
        transport.bad_chunk_size,
        transport.chunk_too_long,
        transport.chunk_too_short,
        transport.length_too_short,
        transport.length_too_long_and_kept,
        transport.until_close_cut,
        transport.gzip_cut,
        content.truncated_json,
        content.malformed_json,
        content.no_finish,
        content.done_too_soon,
        content.no_usage_no_done,
        content.more_behind_the_end,
        content.error_finish,
        *content.ERRORS,
    )
}
OTHERS = ("close_anywhere", "stall_at_odd_byte", "until_close_cut", "truncated_json", "reset_at_the_end")


def _sporadic(name: str, more: str = "", **scenario: object) -> Scenario:
    return sporadic(SPORADIC[name], f"{name}{more}", **scenario)


SCENARIOS = [
    *(_sporadic(name) for name in SPORADIC),
    *(_sporadic(name, "_anthropic", shape="anthropic", client="anthropic") for name in OTHERS),
    *(_sporadic(name, "_translated", shape="anthropic") for name in OTHERS),
    # OpenAI tells the usage behind the finish: where it is cut off there, the answer is whole all the same
    *(_sporadic(name, "_retold", client="anthropic", counts=False) for name in OTHERS),
    *(_sporadic(name, "_folded", shape="llamacpp") for name in OTHERS),
    *(
        Scenario(f"flapping_{name}", f, flap_s=0.3, strict=False)
        for name, f in zip(("resets", "silence", "503", "html"), FLAPPING, strict=True)
    ),
    Scenario("flapping_refuse", door=connection.refuse, flap_s=0.3, strict=False),
    Scenario("all_refuse", door=connection.refuse, bad=3, statuses=ANY, strict=False),
    Scenario("all_black_hole", door=connection.black_hole, bad=3, statuses=ANY, strict=False),
    Scenario("all_silent", timing.silent, bad=3, statuses=ANY, strict=False),
    Scenario("all_reset", connection.reset_anywhere, bad=3, statuses=ANY, strict=False),
    Scenario("all_503", status.answering(503), bad=3, statuses=ANY, strict=False),
    Scenario("all_429", status.answering(429, "retry-after: 1"), bad=3, statuses=ANY, strict=False),
    Scenario("all_html", content.html, bad=3, statuses=ANY, strict=False),
    Scenario("two_refuse", door=connection.refuse, bad=2, strict=False),
    Scenario("two_silent", timing.silent, bad=2, strict=False),
    Scenario("two_503", status.answering(503), bad=2, strict=False),
]
