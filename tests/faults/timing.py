"""Answers that come late, slowly, in drops, or not to their end."""

from __future__ import annotations

from tests.faults.drive import Scenario
from tests.faults.upstream import Call, chunk, pause, well


async def slow(call: Call) -> None:
    """A fixed delay before anything."""
    await pause(0.15)
    await well(call)


async def creeping(call: Call) -> None:
    """A delay that grows with every request."""
    await pause(min(2.0, 0.01 * call.number))
    await well(call)


async def bimodal(call: Call) -> None:
    """Every third answer takes very long, the others are at once."""
    await pause(3.0 if call.number % 3 == 0 else 0.0)
    await well(call)


async def silent(call: Call) -> None:
    """The request is read, and nothing more happens."""
    await call.hang()


async def slow_tokens(call: Call) -> None:
    """The first content at once, each further event a little later."""
    if not call.stream:
        await pause(0.3)
        await well(call)
        return
    await call.head(call.kind)
    for event in call.events:
        await call.send(chunk(event))
        await pause(0.02)
    await call.send(b"0\r\n\r\n")


async def stall_behind_head(call: Call) -> None:
    """The head, then silence."""
    await call.head(call.kind)
    await call.hang()


async def stall_behind_role(call: Call) -> None:
    """What comes before the content, then silence."""
    if call.stream:
        await call.head(call.kind)
        await call.send(b"".join(map(chunk, call.events[: call.contents])))
    await call.hang()


async def comments_for_ever(call: Call) -> None:
    """The role, then nothing but comments that keep the connection alive: no timer may take them for an answer."""
    if call.stream:
        await call.head(call.kind)
        await call.send(chunk(call.events[0]))
        while True:
            await call.send(chunk(b": still here\n\n"))
            await pause(0.05)
    await call.hang()


async def empty_deltas_for_ever(call: Call) -> None:
    """Events that say nothing, without end."""
    if call.stream:
        await call.head(call.kind)
        while True:
            await call.send(chunk(call.answer.chunk({"content": ""})))
            await pause(0.05)
    await call.hang()


async def stall_in_the_middle(call: Call) -> None:
    """Some content, then silence."""
    if not call.stream:
        body = call.unary
        await call.head("content-type: application/json", f"content-length: {len(body)}", chunked=False)
        await call.send(body[: len(body) // 2])
        await call.hang()
    await call.head(call.kind)
    events = call.events
    count = call.draw.randrange(call.contents + 1, max(call.contents + 2, len(events) - 1))
    await call.send(b"".join(map(chunk, events[:count])))
    await call.hang()


async def stall_before_the_end(call: Call) -> None:
    """All that the answer says, but neither the end mark nor the last chunk."""
    if not call.stream:
        body = call.unary
        await call.head("content-type: application/json")
        await call.send(chunk(body))
        await call.hang()
    await call.head(call.kind)
    await call.send(b"".join(map(chunk, call.events[:-1])))
    await call.hang()


async def stall_at_odd_byte(call: Call) -> None:
    """Silence after any byte at all."""
    whole = call.whole()
    await call.send(whole[: call.draw.randrange(len(whole))])
    await call.hang()


async def drip(call: Call) -> None:
    """The whole right answer, some bytes at a time: an event is nowhere in one piece."""
    whole = call.whole()
    step = max(1, len(whole) // 60)
    for at in range(0, len(whole), step):
        await call.send(whole[at : at + step])
        await pause(0.002)


async def bytewise(call: Call) -> None:
    """One byte at a time, the first two hundred of them."""
    whole = call.whole()
    for at in range(200):
        await call.send(whole[at : at + 1])
        await pause(0)
    await call.send(whole[200:])


SCENARIOS = [
    *(Scenario(f.__name__, f, cuts=False) for f in (slow, drip, bytewise)),
    *(Scenario(f.__name__, f, cuts=False, strict=False) for f in (creeping, bimodal, slow_tokens)),
    *(
        Scenario(f.__name__, f)
        for f in (
            silent,
            stall_behind_head,
            stall_behind_role,
            comments_for_ever,
            empty_deltas_for_ever,
            stall_in_the_middle,
            stall_before_the_end,
            stall_at_odd_byte,
        )
    ),
    *(
        Scenario(f"{f.__name__}_anthropic", f, shape="anthropic", client="anthropic")
        for f in (drip, stall_behind_role, stall_in_the_middle, stall_before_the_end)
    ),
    *(Scenario(f"{f.__name__}_translated", f, shape="anthropic") for f in (bytewise, stall_in_the_middle)),
    *(Scenario(f"{f.__name__}_folded", f, shape="llamacpp") for f in (silent, stall_in_the_middle, drip)),
    Scenario("silent_to_probes_too", silent, probes=True),
]
