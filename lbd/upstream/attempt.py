"""One try of a request at one deployment, from sending to the last byte.

It takes the provider's answer by callback and hands what may go on to a ``Sink`` in the same call, so that a
chunk costs no task switch. Four timers in one: the cut-off (for the first content, and only while another
candidate is left), the deadline of the first content, the idle gap, and the whole. Keep-alives and role
frames feed only the idle gap.

    forward   client and provider stream: slices go on as they came
    fold      the client is unary, the provider streams: gathered into the unary answer
    whole     both unary: read to the end; at the cut-off the row is probed, and silence there moves it
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.outcome import QuotaReading, Usage
from lbd.model.units import Instant, Seconds
from lbd.ports import Endpoint, Env, Exchange, Headers, Timer
from lbd.shapes.providers import Fold, Watch
from lbd.upstream.line import Line

LARGEST_ANSWER = 64 * 1024 * 1024  # bytes of a unary answer; beyond it the provider is broken
LARGEST_ERROR = 256 * 1024
# After the end mark the provider may take this long to end the answer itself before the connection is closed.
DRAIN: Seconds = 1.0
PROBE_AGAIN: Seconds = 1.0
_NO_QUOTA: tuple[QuotaReading, ...] = ()


class Manner(StrEnum):
    """See the module."""

    FORWARD = "forward"
    FOLD = "fold"
    WHOLE = "whole"


class Sink(Protocol):
    """The client's side of a forwarded stream."""

    def commit(self, attempt: Attempt, first: bytes) -> None:
        """The first content is here: from now on the answer is this attempt's."""

    def forward(self, data: bytes) -> None:
        """Pass on a slice."""

    def finish(self, data: bytes) -> None:
        """Pass on the last slice and end the answer."""


class Bounds:
    """The instants that limit an attempt."""

    __slots__ = ("cut_at", "first_by", "idle_s", "headers_at", "total_by")

    def __init__(
        self, cut_at: Instant, first_by: Instant, total_by: Instant, idle_s: Seconds, headers_at: Instant
    ) -> None:
        self.cut_at = cut_at
        self.first_by = first_by
        self.total_by = total_by
        self.idle_s = idle_s
        self.headers_at = headers_at


class Attempt:
    """See the module. Implements :class:`lbd.ports.Receiver`."""

    __slots__ = (
        "_body",
        "_bounds",
        "_body_size",
        "_done",
        "_drained",
        "_draining",
        "_env",
        "_exchange",
        "_fold",
        "_sink",
        "_timer",
        "_watch",
        "answer",
        "committed",
        "failure",
        "headers",
        "last_at",
        "line",
        "manner",
        "may_move",
        "on_headers_due",
        "on_silent",
        "paused",
        "quota",
        "rescued",
        "sent_at",
        "settled_at",
        "size",
        "status",
        "ttft_s",
        "usage",
    )

    def __init__(self, env: Env, line: Line, manner: Manner, bounds: Bounds, sink: Sink) -> None:
        self._env = env
        self.line = line
        self.manner = manner
        self._bounds = bounds
        self._sink = sink
        self._exchange: Exchange | None = None
        self._timer: Timer | None = None
        self._watch: Watch | None = None
        self._fold: Fold | None = None
        self._body: list[bytes] | None = None
        self._done: asyncio.Future[None] | None = None
        self._drained: Exchange | None = None
        self._draining = False
        self._body_size = 0
        self.size = 0
        self.status = 0
        self.headers: Headers = {}
        self.failure: Failure | None = None
        self.answer: bytes | None = None
        self.committed = False
        self.paused = False
        self.rescued = False
        self.sent_at: Instant = 0.0
        self.last_at: Instant = 0.0
        self.settled_at: Instant = 0.0
        self.ttft_s: Seconds | None = None
        self.usage: Usage | None = None
        self.quota = _NO_QUOTA
        self.may_move: Callable[[], bool] = _never
        self.on_silent: Callable[[], None] = _nothing
        self.on_headers_due: Callable[[], None] = _nothing

    @property
    def upstream_id(self) -> str | None:
        """The provider's own id of the request, where it told one."""
        return self.headers.get("x-request-id") if self.status else None

    async def run(self, endpoint: Endpoint, body: bytes, *, choices: int, hide_usage: bool) -> None:
        """Make the attempt; afterwards ``failure`` says how it ended. Cancelled: the provider is stopped at once."""
        env = self._env
        shape = self.line.shape
        self.sent_at = self.last_at = env.now()
        self._arm()
        try:
            for fresh in (False, True):
                self._done = asyncio.get_running_loop().create_future()
                self._body = None
                self._body_size = 0
                if self.manner is not Manner.WHOLE:
                    self._watch = shape.watch(choices, hide_usage)
                    self._fold = shape.fold() if self.manner is Manner.FOLD else None
                try:
                    exchange = await self.line.transport.send(
                        endpoint, body, self, by=self._due(), fresh=fresh
                    )
                except LbdError as e:
                    self._settle(e.failure)
                else:
                    if self._done.done():  # cut or rescued while it connected
                        exchange.cancel()
                    else:
                        self._exchange = exchange
                        await self._done
                if fresh or self.failure is None or self.failure.kind is not FailureKind.STALE:
                    return
                self.failure = None
        finally:
            self._stop()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            if self._draining:
                self._drained = exchange
                self._env.call_at(self._env.now() + DRAIN, self._drain_over)
            else:
                exchange.cancel()

    def _drain_over(self) -> None:
        if self._draining and self._drained is not None:
            self._drained.cancel()

    def rescue(self) -> None:
        """The row is lost: give up the wait for a first content there, if another candidate is left."""
        if not self.committed and self.failure is None and self._open() and self.may_move():
            self.rescued = True
            self._settle(Failure(FailureKind.TIMEOUT_FIRST, "moved away: the deployment stopped answering"))

    def stop(self, failure: Failure) -> None:
        """Give the attempt up, whatever it has brought."""
        self._settle(failure)

    def _open(self) -> bool:
        return self._done is not None and not self._done.done()

    # --- the provider's answer -----------------------------------------------------------------------

    def head(self, status: int, headers: Headers) -> None:
        """The head came."""
        self.status = status
        self.headers = headers
        self.last_at = self._env.now()
        if self.manner is Manner.WHOLE or not 200 <= status < 300 or not _is_event_stream(headers):
            self._body = []

    def data(self, chunk: bytes) -> None:
        """A piece of the body came."""
        if self._draining:
            return
        now = self.last_at = self._env.now()
        if self._body is not None:
            self._body.append(chunk)
            self._body_size += len(chunk)
            limit = LARGEST_ANSWER if 200 <= self.status < 300 else LARGEST_ERROR
            if self._body_size > limit:
                self._settle(Failure(FailureKind.BAD_BODY, f"the answer is larger than {limit} bytes"))
            return
        watch = self._watch
        if watch is None:
            return
        out = watch.feed(chunk)
        if watch.failure is not None:
            # what came before it may stand in the same read
            self._pass(out, now)
            self._settle(watch.failure)
        elif watch.done and watch.committed:
            self._draining = True
            self._complete(out, now)
        elif out:
            self._pass(out, now)

    def _pass(self, out: bytes, now: Instant) -> None:
        watch = self._watch
        if not out or watch is None:
            return
        if self._fold is not None:
            if not self.committed:
                self._commit(now)
            self._fold.feed(out)
        elif self.committed:
            self._sink.forward(out)
        else:
            self._commit(now)
            self._sink.commit(self, out)

    def _commit(self, now: Instant) -> None:
        self.committed = True
        self.ttft_s = now - self.sent_at

    def _complete(self, out: bytes, now: Instant) -> None:
        """The stream is whole."""
        watch = self._watch
        if watch is not None:
            self.usage = watch.usage
        if self._fold is not None:
            self._pass(out, now)
            self.answer = self._fold.result()
        else:
            if not self.committed:
                self._commit(now)
                self._sink.commit(self, out)
                out = b""
            self._sink.finish(out)
        self._settle(None)

    def end(self) -> None:
        """The body is complete."""
        self._exchange = None
        if self._draining:
            self._draining = False
            return
        now = self.last_at = self._env.now()
        if self._body is not None:
            self._whole(b"".join(self._body))
            return
        watch = self._watch
        if watch is None:
            return
        tail, failure = watch.end()
        if failure is None:
            self._complete(tail, now)
        else:
            self._pass(tail, now)
            self._settle(failure)

    def _whole(self, body: bytes) -> None:
        shape = self.line.shape
        self.quota = shape.limits(self.headers, self._env.wall()) if self._limits_told() else _NO_QUOTA
        if not 200 <= self.status < 300:
            self._settle(shape.classify(self.status, self.headers, body, self._env.wall()))
            return
        facts = shape.facts(body)
        self.usage = facts.usage
        if facts.failure is not None:
            self._settle(facts.failure)
        elif self.manner is Manner.WHOLE:
            self.answer = body
            self._settle(None)
        else:
            kind = self.headers.get("content-type", "no content type")
            self._settle(Failure(FailureKind.BAD_BODY, f"asked for a stream, got {kind}", status=self.status))

    def _limits_told(self) -> bool:
        prefix = self.line.shape.limit_prefix
        fields = getattr(self.headers, "fields", None)
        return fields is None or any(name.startswith(prefix) for name, _ in fields)

    def failed(self, failure: Failure) -> None:
        """The connection broke."""
        self._exchange = None
        if self._draining:
            self._draining = False
            return
        watch = self._watch
        if watch is not None and watch.finished and self._body is None:
            # the answer was whole; only its end mark was lost
            tail, broken = watch.end()
            if broken is None:
                self._complete(tail, self._env.now())
                return
        self._settle(failure)

    def _settle(self, failure: Failure | None) -> None:
        if self._done is None or self._done.done():
            return
        self.failure = failure
        self.settled_at = self._env.now()
        watch = self._watch
        if watch is not None and self.usage is None:
            self.usage = watch.usage
        if not self.quota and self._body is None and self.status and self._limits_told():
            self.quota = self.line.shape.limits(self.headers, self._env.wall())
        self._done.set_result(None)

    # --- back-pressure -------------------------------------------------------------------------------

    def pause(self) -> None:
        """The client cannot take more."""
        self.paused = True
        if self._exchange is not None:
            self._exchange.pause()

    def resume(self) -> None:
        """The client takes again; the provider was not silent meanwhile, it was held."""
        self.paused = False
        self.last_at = self._env.now()
        if self._exchange is not None:
            self._exchange.resume()

    # --- timers --------------------------------------------------------------------------------------

    def _due(self) -> Instant:
        b = self._bounds
        if self.committed:
            return min(b.total_by, self.last_at + b.idle_s)
        first_by = b.total_by if self.manner is Manner.WHOLE else min(b.first_by, b.total_by)
        return min(b.cut_at, first_by, b.headers_at)

    def _arm(self) -> None:
        self._timer = self._env.call_at(self._due(), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self._done is None or self._done.done():
            return
        now = self._env.now()
        if self._due() <= now + 0.001:
            failure = self._overdue(now)
            if failure is not None:
                self._settle(failure)
                return
        self._arm()

    def _overdue(self, now: Instant) -> Failure | None:
        """Return the failure that is due now, or move the bound that was only a reminder."""
        b = self._bounds
        soon = now + 0.001
        waited = now - self.sent_at
        if b.total_by <= soon:
            return Failure(FailureKind.TIMEOUT_TOTAL, "the time for the whole answer is over")
        if self.committed:
            if self.paused:
                self.last_at = now
                return None
            return Failure(FailureKind.TIMEOUT_IDLE, f"nothing came for {b.idle_s:g} s in the middle of the answer")
        if self.manner is not Manner.WHOLE and b.first_by <= soon:
            return Failure(FailureKind.TIMEOUT_FIRST, f"no content within {waited:.2f} s, the deadline")
        if b.headers_at <= soon:
            b.headers_at = math.inf
            self.on_headers_due()
        if b.cut_at <= soon:
            if self.manner is Manner.WHOLE:
                b.cut_at = now + PROBE_AGAIN
                self.on_silent()
            elif self.may_move():
                return Failure(FailureKind.TIMEOUT_FIRST, f"no content within {waited:.2f} s")
            else:
                # nobody else could take it; look again now and then, one may have come back
                b.cut_at = now + PROBE_AGAIN
        return None


def _is_event_stream(headers: Headers) -> bool:
    return headers.get("content-type", "").lower().startswith("text/event-stream")


def _never() -> bool:
    return False


def _nothing() -> None:
    return None
