"""One try of a request at one deployment, from sending to the last byte.

It takes the provider's answer by callback and hands what may go on to its ``Host`` in the same call, so that
a chunk costs no task switch. Four bounds: the cut-off (for the first content, and only while another
candidate is left), the deadline of the first content, the idle gap, and the whole. Keep-alives and role
frames feed only the idle gap.

A whole answer (:mod:`lbd.upstream.manner`) shows nothing before its end: at the cut-off its row is probed, and
silence there moves it. A row that is alive but does not answer is left when even the longest answer would have come.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.outcome import QuotaReading, Usage
from lbd.model.units import Instant, Seconds, WallTime
from lbd.ports import Endpoint, Env, Exchange, Headers
from lbd.shapes.fingerprint import fingerprint
from lbd.shapes.sse import looks_like_events
from lbd.shapes.wire import Fold, Watch, Wire
from lbd.upstream.bounds import Bounds, silence
from lbd.upstream.gathered import Gathered
from lbd.upstream.headers import event_stream
from lbd.upstream.host import Host
from lbd.upstream.line import Line, end_of, fake_end, limits_told, masked, own_build, own_id, request_id
from lbd.upstream.manner import FOLD, FORWARD, WHOLE, Manner
from lbd.upstream.wheel import TICK, Wheel

LARGEST_STREAM = 256 * 1024 * 1024  # bytes of a stream that is gathered: each token has some hundreds around it
LARGEST_ANSWER = 64 * 1024 * 1024  # bytes of a unary answer; beyond it the provider is broken
LARGEST_ERROR = 256 * 1024
# After the end mark the provider may take this long to end the answer itself before the connection is closed.
DRAIN: Seconds = 1.0
LOOK_AGAIN: Seconds = 1.0
BODY_GAP: Seconds = 5.0  # silence inside a body that is sent whole: it was computed before it began
QUIET: Seconds = 2.0  # silence in the middle of an answer after which the row is probed
_STALE = FailureKind.STALE


class Attempt:
    """See the module. Implements :class:`lbd.ports.Receiver`."""

    __slots__ = (
        "_asked",
        "_body",
        "_connecting",
        "_cut_at",
        "_deaf",
        "_done",
        "_draining",
        "_env",
        "_exchange",
        "_first_by",
        "_fold",
        "_folded",
        "_headers_at",
        "_hedge_at",
        "_host",
        "_idle_s",
        "_leave_at",
        "_paused_at",
        "_slot",
        "_sniffing",
        "_total_by",
        "_wheel",
        "answer",
        "bounds",
        "committed",
        "failure",
        "fingerprint",
        "head_at",
        "headers",
        "held_s",
        "last_at",
        "line",
        "manner",
        "own",
        "paused",
        "quota",
        "reached",
        "rescued",
        "resent",
        "sent_at",
        "settled_at",
        "status",
        "ttft_s",
        "upstream_id",
        "usage",
        "watch",
        "wire",
    )

    def __init__(
        self,
        env: Env,
        wheel: Wheel,
        line: Line,
        wire: Wire,
        manner: Manner,
        host: Host[Attempt],
        bounds: Bounds,
    ) -> None:
        self._env = env
        self._wheel = wheel
        self._host = host
        self.bounds = bounds
        self._cut_at, self._first_by, self._total_by, self._headers_at, self._idle_s, self._leave_at, _, _ = bounds
        self._hedge_at = bounds.hedge_at
        self._exchange: Exchange | None = None
        self.watch: Watch | None = None
        self._fold: Fold | None = None
        self._body: Gathered | None = None
        self._sniffing = False  # the answer to a stream's request does not call itself an event stream
        self._done: asyncio.Future[None] | None = None
        self._connecting: asyncio.Task[object] | None = None
        self._deaf = False  # it is settled: nothing of the provider's is passed on any more
        self._draining = False
        self._asked: Instant = -1.0  # the silence that was looked into, by the instant it began
        self.line = line
        self.wire = wire
        self.manner = manner
        self._folded = self._slot = self.status = 0
        self.headers: Headers = {}
        self.failure: Failure | None = None
        self.answer: bytes | None = None
        self.committed = self.paused = False
        self.reached = False  # it was sent, not only begun
        self.held_s: Seconds = 0.0  # while the client could not take more
        self.rescued = self.resent = False
        self.sent_at = self.head_at = self.last_at = self.settled_at = 0.0
        self.ttft_s: Seconds | None = None
        self.usage: Usage | None = None
        self.fingerprint: str | None = None  # of the build that answered
        self.upstream_id: str | None = None  # the provider's own id of the request
        self.quota: tuple[QuotaReading, ...] = ()
        self.own = b""  # header lines that were sent with this attempt alone

    async def run(self, endpoint: Endpoint, body: bytes, follow: Callable[[WallTime], Watch] | None = None) -> None:
        """Make the attempt; afterwards ``failure`` says how it ended. Cancelled: the provider is stopped at once.

        ``follow``: makes what follows the answer, where it is to be a stream.
        """
        self.sent_at = self.last_at = self._env.now()
        self.own = endpoint.own
        self._slot = self._wheel.add(self._due(), self)
        try:
            for fresh in (False, True):
                done = self._done = self._wheel.future()
                if fresh:
                    self._body, self._deaf, self.usage = None, False, None
                if follow is not None:
                    self._begin(follow)
                exchange = None if fresh else self.line.transport.reuse(endpoint, body, self)
                if exchange is None:
                    exchange = await self._open(endpoint, body)
                if exchange is not None:
                    self._exchange, self.reached = exchange, True
                    if not done.done():
                        await done
                if self.failure is None or fresh or self.failure.kind is not _STALE:
                    return
                # the server had given up the kept connection: no news about it, so once more on a fresh one
                self.failure = None
                self.resent = True
                self._cut_at += self._env.now() - self.sent_at  # which has as long for itself
                self._wheel.discard(self._slot, self)  # it may have been called between the two, and not be armed
                self._slot = self._wheel.add(self._due(), self)
        finally:
            self._stop()

    def _begin(self, follow: Callable[[WallTime], Watch]) -> None:
        fold = self.wire.fold
        self.watch = follow(self._env.wall())
        self._fold = fold(self.watch) if self.manner is FOLD and fold is not None else None

    async def _open(self, endpoint: Endpoint, body: bytes) -> Exchange | None:
        task = self._connecting = asyncio.current_task()
        try:
            return await self.line.transport.open(endpoint, body, self, by=min(self._first_by, self._total_by))
        except LbdError as e:
            self._connecting = None
            self._settle(e.failure)
        except asyncio.CancelledError:
            if not self._deaf or (task is not None and task.uncancel() > 0):
                raise  # the client has gone; else it was _settle that put an end to the connecting
        finally:
            self._connecting = None
        return None

    def _stop(self) -> None:
        self._wheel.discard(self._slot, self)
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            if self._draining:
                self._env.call_at(self._env.now() + DRAIN, lambda: self._drain_over(exchange))
            else:
                exchange.cancel()

    def _drain_over(self, exchange: Exchange) -> None:
        if self._draining:
            self._draining = False
            exchange.cancel()

    def rescue(self) -> None:
        """The row is lost: move on if another candidate is left, but not while an answer flows."""
        shown = self.committed and self.manner is FORWARD
        flows = shown and (self.paused or self._env.now() - self.last_at < QUIET)
        if not flows and self._open_still() and self._host.may_move():
            self.rescued = True
            kind = FailureKind.TIMEOUT_IDLE if shown else FailureKind.TIMEOUT_FIRST
            self._settle(Failure(kind, "moved away: the deployment stopped answering"))

    def refuse(self, failure: Failure) -> None:
        """The request cannot be put in the provider's shape: nothing is sent."""
        self.failure = failure
        self.sent_at = self.settled_at = self._env.now()

    def _open_still(self) -> bool:
        return self._done is not None and not self._done.done()

    # --- the provider's answer -----------------------------------------------------------------------

    def head(self, status: int, headers: Headers) -> None:
        """The head came."""
        self.status = status
        self.head_at = self._env.now()
        self.headers = headers
        self.upstream_id = own_id(request_id(headers), self.line)
        if self.manner is WHOLE or not 200 <= status < 300 or event_stream(headers) is None:
            self._body = Gathered()
            self._sniffing = self.manner is not WHOLE and 200 <= status < 300

    def data(self, chunk: bytes) -> None:
        """A piece of the body came."""
        if self._deaf:
            return
        now = self.last_at = self._env.now()
        watch = self.watch
        if self._body is not None or watch is None:
            self._gather(chunk)
            if not self._sniffing or watch is None or not (chunk := self._events()):
                return
        out = watch.feed(chunk)
        if watch.failure is not None:
            if self.committed:
                self._pass(out, now)  # what came before it may stand in the same read
            self._close(watch, now)
        elif watch.done and watch.committed:
            if (fake := fake_end(self.line, watch)) is not None:
                self._settle(fake)
                return
            self._draining = self._deaf = True
            self._complete(out, now)
        elif out:
            self._pass(out, now)

    def _gather(self, chunk: bytes) -> None:
        if self._body is None:
            self._body = Gathered()
        if self._body.add(chunk):
            self._look_by(self.last_at + BODY_GAP)
        limit = LARGEST_ANSWER if 200 <= self.status < 300 else LARGEST_ERROR
        if self._body.size > limit:
            self._settle(Failure(FailureKind.BAD_BODY, f"the answer is larger than {limit} bytes"))

    def _events(self) -> bytes:
        """Return what was gathered if its bytes show an event stream, whatever it calls itself."""
        told = self._body.whole() if self._body is not None else b""
        found = looks_like_events(told)
        self._sniffing = found is None
        if not found:
            return b""
        self._body = None
        return told

    def _look_by(self, due: Instant) -> None:
        """Have ``on_time`` called by then: what was due before may lie beyond it."""
        if due < self._slot * TICK:
            self._wheel.discard(self._slot, self)
            self._slot = self._wheel.add(due, self)

    def _pass(self, out: bytes, now: Instant) -> None:
        if not out:
            return
        if self.committed:
            if self._fold is not None:
                self._take(self._fold, out)
            else:
                self._host.forward(out)
            return
        self.committed = True
        if self.manner is FORWARD:  # its end may be far
            self.quota = limits_told(self.line, self.headers, self._env.wall() - (now - self.head_at))
        self.fingerprint = own_build(fingerprint(out), self.line)
        self.ttft_s = now - self.sent_at
        self._look_by(now + min(QUIET, self._idle_s))
        if self._fold is not None:
            self._take(self._fold, out)
        else:
            self._host.commit(self, out)

    def _take(self, fold: Fold, out: bytes) -> None:
        """Keep a slice of a stream whose client wants it whole."""
        self._folded += len(out)
        if self._folded > LARGEST_STREAM:
            self._settle(Failure(FailureKind.BAD_BODY, f"the answer's stream is larger than {LARGEST_STREAM} bytes"))
        else:
            fold.feed(out)

    def _complete(self, out: bytes, now: Instant) -> None:
        """The stream is whole."""
        if self._fold is not None:
            self._pass(out, now)
            self.answer = self._fold.result()
        else:
            if not self.committed:
                self._pass(out, now)
                out = b""
            self._host.finish(out)
        self._settle(None)

    def end(self) -> None:
        """The body is complete."""
        self._exchange = None
        if self._deaf:
            self._draining = False
            return
        now = self.last_at = self._env.now()
        watch = self.watch
        if self._body is not None or watch is None:
            self._whole(b"" if self._body is None else self._body.whole())
            return
        self._close(watch, now)

    def _close(self, watch: Watch, now: Instant, broken: Failure | None = None) -> None:
        """No more will come: complete the stream if it is whole, else it ended in ``broken`` or as the watch says."""
        tail, failure = end_of(self.line, watch)
        if failure is None:
            self._complete(tail, now)
        else:
            if self.committed:
                self._pass(tail, now)
            self._settle(broken or failure)

    def _whole(self, body: bytes) -> None:
        if not 200 <= self.status < 300:
            self._settle(self.line.shape.classify(self.status, self.headers, body, self._env.wall()))
            return
        facts = self.wire.read(body, self.headers, self._env.wall())
        self.usage = facts.usage
        if facts.failure is not None:
            self._settle(facts.failure)
        elif self.manner is WHOLE:
            self.fingerprint = own_build(fingerprint(body), self.line)
            self.answer = body if facts.answer is None else facts.answer
            self._settle(None)
        else:
            kind = self.headers.get("content-type", "no content type")
            self._settle(Failure(FailureKind.BAD_BODY, f"asked for a stream, got {kind}", status=self.status))

    def failed(self, failure: Failure) -> None:
        """The connection broke."""
        self._exchange = None
        if self._deaf:
            self._draining = False
            return
        watch = self.watch
        if watch is not None and watch.whole and self._body is None:  # only its end mark was lost
            self._close(watch, self._env.now(), failure)
        else:
            self._settle(failure)

    def _settle(self, failure: Failure | None) -> None:
        done = self._done
        if done is None or done.done():
            return
        self._deaf = True
        self.failure = None if failure is None else masked(failure, self.line.provider)
        self.settled_at = self._env.now()
        if self.paused:
            self.held_s += self.settled_at - self._paused_at
        if self.watch is not None and self.watch.usage is not None:
            self.usage = self.watch.usage
        if self.status and not (self.committed and self.manner is FORWARD):
            self.quota = limits_told(self.line, self.headers, self._env.wall() - (self.settled_at - self.head_at))
        done.set_result(None)
        if self._connecting is not None:
            self._connecting.cancel()

    def stop(self, failure: Failure) -> None:
        """Give it up, whatever it has brought; also where it is about to be sent once more on a fresh connection."""
        if self._done is not None and self._done.done() and self.failure is not None and self.failure.kind is _STALE:
            self.failure, self.settled_at = failure, self._env.now()
        else:
            self._settle(failure)

    # --- back-pressure -------------------------------------------------------------------------------

    def pause(self) -> None:
        """The client cannot take more."""
        if not self.paused:
            self._paused_at = self._env.now()
        self.paused = True
        if self._exchange is not None:
            self._exchange.pause()

    def resume(self) -> None:
        """The client takes again; the provider was not silent meanwhile, it was held."""
        now = self._env.now()
        if self.paused:
            self.held_s += now - self._paused_at
        self.paused = False
        self.last_at = now
        if self._exchange is not None:
            self._exchange.resume()

    # --- time ----------------------------------------------------------------------------------------

    def _due(self) -> Instant:
        if self.committed:
            patience = self._idle_s if self._asked == self.last_at else min(QUIET, self._idle_s)
            return min(self._total_by, self.last_at + patience)
        due = min(self._cut_at, self._first_by, self._total_by, self._headers_at, self._leave_at, self._hedge_at)
        came = self._body is not None and self._body.began
        return min(due, self.last_at + min(BODY_GAP, self._idle_s)) if came else due

    def on_time(self, now: Instant) -> None:
        """A bound may be reached."""
        if not self._open_still():
            return
        failure = self._overdue(now) if self._due() <= now else None
        if failure is not None:
            self._settle(failure)
        else:
            # in the middle of an answer another silence may begin at any time
            at = min(self._due(), now + QUIET) if self.committed else self._due()
            self._slot = self._wheel.add(max(at, now + TICK), self)

    def _overdue(self, now: Instant) -> Failure | None:
        """Return the failure that is due now, or move the bound that was only a reminder."""
        if self._total_by <= now:
            return Failure(FailureKind.TIMEOUT_TOTAL, "the time for the whole answer is over")
        if self.committed:
            return self._idle(now)
        body = self._body
        if body is not None and body.began and not self.paused and self.last_at + min(BODY_GAP, self._idle_s) <= now:
            return self._stalled(body.whole())
        if self._first_by <= now:
            return silence(now - self.sent_at, ", the deadline", connected=self._connecting is None)
        if self._hedge_at <= now:
            self._hedge_at = math.inf
            self._host.hedge(self)
        if self._headers_at <= now:
            self._headers_at = math.inf
            self._host.open_early()
        return silence(now - self.sent_at, connected=self._connecting is None) if self._cut(now) else None

    def _cut(self, now: Instant) -> bool:
        """Tell whether a silent attempt is to be left for another candidate now."""
        if self._cut_at <= now:
            self._cut_at = now + LOOK_AGAIN
            if self._exchange is not None and self._host.heard(self):
                self._exchange.look()  # the provider is there: is its connection?
            if self.manner is WHOLE:
                self._host.silent(self)
                self._leave_at = max(now, min(self.bounds.leave_at, self.sent_at + self._host.longest(self)))
            elif self._host.may_leave(self):
                return True
            else:  # nobody else could take it now; one may have a place in a second
                self._host.silent(self)
        if self._leave_at > now:
            return False
        self._leave_at = now + LOOK_AGAIN
        return (self._body is None or not self._body.began) and self._host.may_leave(self)

    def _idle(self, now: Instant) -> Failure | None:
        """Return the failure of a stream that stopped, or have a first silence looked into."""
        if self.paused:
            self.last_at = now
            return None
        watch = self.watch
        if watch is not None and watch.whole:  # nothing is missing but its end
            self._close(watch, now)
            return None
        if self._asked != self.last_at and self.last_at + self._idle_s > now:
            self._asked = self.last_at
            self._host.silent(self)  # nobody knows better than a probe whether anybody is there
            return None
        return Failure(FailureKind.TIMEOUT_IDLE, f"nothing came for {self._idle_s:g} s in the middle of the answer")

    def _stalled(self, body: bytes) -> Failure | None:
        """Take a body that stopped for what it is, an error or a whole answer; else return the failure."""
        if not 200 <= self.status < 300 or self.wire.facts(body, 0.0).failure is None:
            self._whole(body)
            return None
        return Failure(FailureKind.TIMEOUT_IDLE, f"nothing came for {BODY_GAP:g} s in the middle of the answer")
