"""One answer heard as an attempt hears it, without a connection and without time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, cast

from lbd.model.failure import Failure, FailureKind
from lbd.model.outcome import Usage
from lbd.model.provider import ProviderSpec
from lbd.ports import Transport
from lbd.shapes.providers import Shape
from lbd.shapes.wire import Wire
from lbd.upstream.line import Line, end_of, fake_end

WALL = 1_753_357_673.0
RESET = Failure(FailureKind.RESET, "the connection was reset")


class Heard(NamedTuple):
    """How it ended. ``sent``: to the client of a stream; ``answer``: to one who wants it whole."""

    sent: bytes
    answer: bytes | None
    failure: Failure | None
    usage: Usage | None


def line_to(shape: Shape, **more: Any) -> Line:
    """Return a line that is good for asking what the end of a stream is."""
    spec = cast("Any", None)
    return Line(spec, ProviderSpec("p", shape.name, "https://p.test/v1", **more), shape, cast("Transport", None), {})


def hear(
    line: Line,
    wire: Wire,
    parts: Iterable[bytes],
    broken: Failure | None = None,
    *,
    wants_usage: bool = True,
    folded: bool = False,
    choices: int = 1,
    asked: bytes = b"",
) -> Heard:
    """Hear a stream that comes in these parts, and after them its end, or ``broken``.

    It is what :class:`lbd.upstream.attempt.Attempt` does with a watch: the end mark ends it, a failure does where the
    answer was not whole before.
    """
    assert wire.watch is not None and wire.fold is not None
    hides = not wants_usage and not folded and line.shape.stream_usage
    watch = wire.watch(choices, hides, wants_usage=wants_usage, wall=WALL, asked=asked)
    fold = wire.fold(watch) if folded else None
    shown: list[bytes] = []

    def take(out: bytes) -> None:
        if out and fold is not None:
            fold.feed(out)
        elif out:
            shown.append(out)

    def over(failure: Failure | None) -> Heard:
        answer = fold.result() if fold is not None and failure is None else None
        return Heard(b"".join(shown), answer, failure, watch.usage)

    def close(instead: Failure | None = None) -> Heard:
        was_committed = bool(shown) or fold is not None
        tail, failure = end_of(line, watch)
        if failure is None or was_committed:
            take(tail)
        return over(None if failure is None else instead or failure)

    for part in parts:
        out = watch.feed(part)
        assert watch.committed or not out, "something was shown before any content"
        if watch.failure is not None:
            if shown or fold is not None:
                take(out)
            return close()
        if watch.done and watch.committed:
            fake = fake_end(line, watch)
            take(b"" if fake is not None else out)
            return over(fake)
        take(out)
    if broken is None or watch.whole:
        return close(broken)
    return over(broken)
