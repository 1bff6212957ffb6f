"""Whom a probe asks: one provider, or one deployment, through the same adapters as real requests."""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import urlsplit

import orjson
from msgspec.structs import replace

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.money import cost
from lbd.model.outcome import Usage
from lbd.model.provider import DeploymentSpec, ProviderSpec
from lbd.model.request import Body, Head
from lbd.model.units import Instant, Seconds, WallTime
from lbd.ports import Endpoint, Env, Headers, Origin, Transport
from lbd.shapes.chat.write import bound_name
from lbd.shapes.providers import Shape
from lbd.shapes.veil import HIDDEN
from lbd.shapes.wire import Watch
from lbd.upstream import here
from lbd.upstream.line import Line, base_headers, credentials, masked, origin_of, versioned
from lbd.upstream.names import Names
from probes import Answer, Completed

LARGEST = 4 * 1024 * 1024


class _Gather:
    """Receives a whole answer."""

    def __init__(self, env: Env, watch: Watch | None = None) -> None:
        self._env = env
        self._watch = watch
        self.done: asyncio.Future[Failure | None] = asyncio.get_running_loop().create_future()
        self.status = 0
        self.headers: Headers = {}
        self.body = bytearray()
        self.first_at: Instant | None = None

    def head(self, status: int, headers: Headers) -> None:
        self.status, self.headers = status, headers

    def data(self, chunk: bytes) -> None:
        self.body += chunk
        if self._watch is not None and 200 <= self.status < 300:
            self._watch.feed(chunk)
            if self._watch.committed and self.first_at is None:
                self.first_at = self._env.now()
        if len(self.body) > LARGEST:
            self._settle(Failure(FailureKind.BAD_BODY, f"the answer to a probe is larger than {LARGEST} bytes"))

    def end(self) -> None:
        self._settle(None)

    def failed(self, failure: Failure) -> None:
        self._settle(failure)

    def _settle(self, failure: Failure | None) -> None:
        if not self.done.done():
            self.done.set_result(failure)


def smallest(spec: DeploymentSpec, *, stream: bool) -> Body:
    """Return the least of what a deployment serves: one short word asked for, few tokens allowed.

    Not ``max_tokens: 1``: reasoning models refuse or spend it before they say anything.
    """
    model, little = spec.upstream_model, {"max_tokens": 4, "stream": stream}
    if "chat" in spec.serves and bound_name(model, spec.model) != "max_tokens":  # it thinks before it says a word
        little = {bound_name(model, spec.model): 64, "stream": stream}
    if "chat" in spec.serves:
        return _body("openai.chat", model, {"messages": [{"role": "user", "content": "Say: ok"}], **little})
    if "completions" in spec.serves:
        return _body("openai.completions", model, {"prompt": "Say: ok", **little})
    return _body("openai.embeddings" if "embeddings" in spec.serves else "openai.moderations", model, {"input": "ok"})


def _body(shape: str, model: str, asked: dict[str, object]) -> Body:
    stream = bool(asked.get("stream"))
    if not stream:
        asked.pop("stream", None)
    head = Head(model, stream=stream, max_output_tokens=4 if "max_tokens" in asked else None)
    return Body(shape, orjson.dumps({"model": model, **asked}), head)


class ProbeTarget:
    """Implements :class:`probes.Target` for one round."""

    def __init__(
        self,
        env: Env,
        provider: ProviderSpec,
        shape: Shape,
        transport: Transport,
        timeout_s: Seconds,
        line: Line | None = None,
    ) -> None:
        self._env = env
        self._provider = provider
        self._shape = shape
        self._transport = transport
        self._timeout_s = timeout_s
        self._line = line
        self._answers: dict[str, Answer | LbdError] = {}
        self.now = env.now
        self.wall = env.wall

    @property
    def provider(self) -> ProviderSpec:
        """The provider."""
        return self._provider

    @property
    def shape(self) -> Shape:
        """How it is spoken to."""
        return self._shape

    @property
    def deployment(self) -> DeploymentSpec | None:
        """The deployment, for paid kinds."""
        return None if self._line is None else self._line.spec

    async def get(self, path: str) -> Answer:
        """Ask a free endpoint; the same one is asked once in a round."""
        known = self._answers.get(path)
        if known is None:
            try:
                known = await self._get(path)
            except LbdError as e:
                known = e
            self._answers[path] = known
        if isinstance(known, LbdError):
            raise known
        return known

    async def _get(self, path: str) -> Answer:
        base = urlsplit(self._provider.base_url).path.rstrip("/")
        full = path if path.startswith("/") else versioned(self._provider, f"{base}/{path}")
        headers = (*base_headers(self._provider, self._shape), ("accept", "*/*"))
        endpoint = Endpoint(origin_of(self._provider), "GET", full, headers, pool=False)
        began = self._env.now()
        got = await self._exchange(endpoint, b"", _Gather(self._env))
        return Answer(got.status, got.headers, self._masked(got.status, bytes(got.body)), self._env.now() - began)

    def _masked(self, status: int, body: bytes) -> bytes:
        """Return an answer without the credentials that it may repeat: probes quote from it."""
        if not 200 <= status < 300:
            return masked(Failure(FailureKind.BAD_BODY, "", body=body), self._provider).body or b""
        for secret in credentials(self._provider):  # a list of models is long: only for these themselves
            body = body.replace(secret.encode(), HIDDEN.encode())
        return body

    async def complete(self, *, stream: bool) -> Completed:
        """Ask the deployment for the smallest completion, as a request would."""
        line = self._line
        if line is None:
            raise LbdError(Failure(FailureKind.INTERNAL, "a free probe asked for a completion"))
        spec = replace(line.spec, prompt=None)  # what the deployment adds for its users would only cost more here
        asked = smallest(spec, stream=stream)
        way = line.ways[asked.shape]
        stream = asked.head.stream
        wire, endpoint = way.wire, way.stream if stream else way.unary
        body = wire.encode(asked, spec, stream, False)
        if self._shape.sign is not None:
            endpoint = self._shape.sign(endpoint, body, self._env.wall(), self._provider)
        watch = wire.watch(1, False) if stream and wire.watch is not None else None
        began = self._env.now()
        got = await self._exchange(endpoint, body, _Gather(self._env, watch))
        failure: Failure | None
        usage: Usage | None = None
        if not 200 <= got.status < 300:
            failure = self._shape.classify(got.status, got.headers, bytes(got.body), self._env.wall())
        elif watch is None:
            facts = wire.read(bytes(got.body), got.headers, self._env.wall())
            failure, usage = facts.failure, facts.usage
        else:
            failure, usage = watch.end()[1], watch.usage
        if failure is not None:
            raise LbdError(masked(failure, self._provider))
        first = None if got.first_at is None else got.first_at - began
        return Completed(usage, cost(line.spec.price, usage), first, self._env.now() - began)

    async def _exchange(self, endpoint: Endpoint, body: bytes, receiver: _Gather) -> _Gather:
        by = self._env.now() + self._timeout_s
        try:
            exchange = await self._transport.open(endpoint, body, receiver, by=by)
        except LbdError as e:
            raise LbdError(masked(e.failure, self._provider)) from None
        timer = self._env.call_at(by, lambda: receiver.failed(_silent(self._timeout_s)))
        try:
            failure = await receiver.done
        finally:
            timer.cancel()
            exchange.cancel()
        if failure is not None:
            raise LbdError(masked(failure, self._provider))
        return receiver

    async def certificate_end(self) -> WallTime:
        """Make a TLS handshake and read the certificate's end."""
        origin = origin_of(self._provider)
        try:
            context = ssl.create_default_context(cafile=origin.ca_file)  # the file may be gone by now
            async with asyncio.timeout(self._timeout_s):
                writer = await self._handshake(origin, context)
        except ssl.SSLError as e:
            raise LbdError(here.untrusted(e, f"TLS with {origin.authority}: {e.reason or e}")) from None
        except (OSError, TimeoutError) as e:
            raise LbdError(here.unreached(e, origin.authority)) from None
        try:
            return float(ssl.cert_time_to_seconds(writer.get_extra_info("peercert")["notAfter"]))
        finally:
            writer.close()

    async def _handshake(self, origin: Origin, context: ssl.SSLContext) -> asyncio.StreamWriter:
        """Return a connection with TLS to the first address that takes one. Raises OSError."""
        found = list(await Names(self._env, asyncio.get_running_loop()).of(origin.host, origin.port))
        while True:
            where = found.pop(0)[4][0]
            try:
                return (await asyncio.open_connection(where, origin.port, ssl=context, server_hostname=origin.host))[1]
            except OSError as e:
                if isinstance(e, ssl.SSLError) or not found:
                    raise


def _silent(timeout_s: Seconds) -> Failure:
    return Failure(FailureKind.TIMEOUT_FIRST, f"no answer to a probe within {timeout_s:g} s")
