"""One request that a client left here to be done: through the pipeline like any other, its answer gathered."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from lbd.model.failure import Failure, FailureKind
from lbd.model.peer import STRANGER
from lbd.model.provider import ClientSpec
from lbd.model.units import Instant, Seconds
from lbd.pipeline import Errand, Pipeline
from lbd.ports import Env
from lbd.shapes.clients import ClientShape
from lbd.shapes.loose import UNREADABLE

_NOTHING: Mapping[str, str] = {}


class Answer(msgspec.Struct, frozen=True):
    """What became of it."""

    status: int
    request_id: str
    body: bytes
    wait_s: Seconds | None = None  # how long the answer says to wait before it is asked again

    @property
    def good(self) -> bool:
        """Tell whether it was served."""
        return 200 <= self.status < 300

    @property
    def code(self) -> object:
        """Return the code of an error that has one."""
        try:
            return msgspec.json.decode(self.body, type=_Told).error.code
        except UNREADABLE:
            return None


class _Error(msgspec.Struct):
    code: object = None


class _Told(msgspec.Struct):
    error: _Error


class _Inbound:
    """Implements :class:`lbd.pipeline.Inbound`: nobody is connected."""

    peer = STRANGER

    def __init__(self, arrived: Instant, wishes: Mapping[str, str]) -> None:
        self.arrived = arrived
        self._wishes = wishes

    def header(self, name: str) -> str | None:  # noqa: ARG002
        """Return nothing."""
        return None

    def wishes(self) -> Mapping[str, str]:
        """Return what was wished."""
        return self._wishes


class _Gather:
    """Implements :class:`lbd.ports.Reply`."""

    def __init__(self) -> None:
        self.started = False
        self.ended = False
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body: list[bytes] = []

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """Take a whole answer."""
        self.start(status, headers)
        self.end(body)

    def start(self, status: int, headers: bytes) -> None:
        """Take the head of an answer that comes in pieces."""
        self.started = True
        self.status = status
        for line in headers.split(b"\r\n"):
            name, _, value = line.partition(b": ")
            self.headers[name] = value

    def write(self, data: bytes) -> None:
        """Take a piece."""
        self.body.append(data)

    def end(self, data: bytes = b"") -> None:
        """Take the last piece."""
        self.body.append(data)
        self.ended = True

    def flow(self, pause: Callable[[], object], resume: Callable[[], object]) -> None:
        """Nothing to say: memory takes all."""

    def answer(self) -> Answer:
        """Return what came."""
        wait = self.headers.get(b"retry-after-ms")
        request_id = self.headers.get(b"x-request-id", b"").decode()
        return Answer(self.status, request_id, b"".join(self.body), None if wait is None else int(wait) / 1000)


class Errands:
    """Sends requests in the name of clients that are not connected."""

    def __init__(self, env: Env, pipeline: Pipeline, crashed: Callable[[str, BaseException], None]) -> None:
        self._env = env
        self._pipeline = pipeline
        self._crashed = crashed

    async def run(
        self,
        client: str,
        shape: ClientShape,
        raw: bytes,
        within_s: Seconds,
        wishes: Mapping[str, str] = _NOTHING,
    ) -> Answer:
        """Serve one request of the client of this name, with its wishes; raises nothing but CancelledError."""
        spec = self._pipeline.rules.clients.named(client)
        if spec is None:
            text = f"the client {client!r} is no longer known here"
            gone = Failure(FailureKind.UNAUTHORIZED, text, code="unknown_client")
            reply = _Gather()
            self._pipeline.refuse(self._pipeline.next_id(), _Inbound(self._env.now(), _NOTHING), gone, shape, reply)
            return reply.answer()
        return await self.serve(spec, shape, raw, within_s, wishes)

    async def serve(
        self,
        spec: ClientSpec,
        shape: ClientShape,
        raw: bytes,
        within_s: Seconds,
        wishes: Mapping[str, str] = _NOTHING,
    ) -> Answer:
        """Serve one request in the name of a client, with its wishes; raises nothing but CancelledError."""
        inbound, reply = _Inbound(self._env.now(), wishes), _Gather()
        try:
            await self._pipeline.handle(inbound, raw, shape, reply, errand=Errand(spec, within_s))
        except Exception as e:  # noqa: BLE001  the outermost handler: a line gets an answer whatever happens
            request_id = self._pipeline.next_id()
            self._crashed(request_id, e)
            broken = Failure(FailureKind.INTERNAL, f"lbd itself failed; its log says more under {request_id}")
            reply = _Gather()
            self._pipeline.refuse(request_id, inbound, broken, shape, reply)
        return reply.answer()
