"""How to reach one deployment: for each client shape the wire and the endpoints, built once a configuration."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from urllib.parse import quote, unquote, urlsplit

import msgspec
from msgspec.structs import replace

from lbd import __version__
from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.outcome import QuotaReading
from lbd.model.provider import DeploymentSpec, ProviderSpec
from lbd.model.request import Body
from lbd.model.secret import Secret
from lbd.model.units import WallTime
from lbd.ports import Endpoint, Headers, Origin, Transport
from lbd.shapes.bridge import wires
from lbd.shapes.providers import Shape
from lbd.shapes.veil import GRAM, HIDDEN, SHORTEST, Veil
from lbd.shapes.wire import Watch, Wire
from lbd.upstream.pieces import Pieces
from lbd.upstream.respond import LONGEST_ID
from lbd.upstream.trace import NO_TRACE, Trace, traced

SHORTEST_SECRET = 8  # of a configured header's value, or a word of it; shorter ones may stand in any message
# what a configured header is called that holds a credential; of the others only the value itself is hidden
_SECRET = re.compile(r"auth|cookie|credential|key|passw|secret|signature|token", re.IGNORECASE)
AGENT = f"lbd/{__version__}"


class Way(msgspec.Struct, frozen=True):
    """How requests of one client shape reach a deployment."""

    wire: Wire
    unary: Endpoint
    stream: Endpoint


FAKE_END = Failure(
    FailureKind.BROKEN_STREAM,
    "the stream had its end mark before the answer told why it ended; `tells_finish: false` for servers that never do",
)


class Line(msgspec.Struct, frozen=True):
    """The way to one deployment."""

    spec: DeploymentSpec
    provider: ProviderSpec
    shape: Shape
    transport: Transport
    ways: Mapping[str, Way]  # by client shape
    field: bytes = b""  # the header field that names the deployment
    pieces: Pieces = Pieces()  # one of them is in whatever holds a credential of the provider


def origin_of(provider: ProviderSpec) -> Origin:
    """Return where a provider's base URL points."""
    url = urlsplit(provider.base_url)
    return Origin(
        url.scheme,
        url.hostname or "",
        url.port or (443 if url.scheme == "https" else 80),
        provider.connect_timeout_s,
        provider.keepalive_s,
        provider.ca_file,
        provider.proxy,
    )


def versioned(provider: ProviderSpec, path: str) -> str:
    """Return a path with the API's version in its query, where the provider wants one."""
    if provider.api_version is None:
        return path
    return f"{path}{'&' if '?' in path else '?'}api-version={quote(provider.api_version, safe='')}"


def base_headers(provider: ProviderSpec, shape: Shape) -> tuple[tuple[str, str], ...]:
    """Return the headers of every request to a provider; its configured ones win over lbd's own."""
    key = None if provider.api_key is None else provider.api_key.reveal()
    fields = {"user-agent": AGENT, "accept-encoding": "identity", **dict(shape.headers(key))}
    fields.update((name.lower(), value) for name, value in provider.headers)
    return tuple(fields.items())


def build(spec: DeploymentSpec, provider: ProviderSpec, shape: Shape, transport: Transport) -> Line:
    """Return the line to one deployment."""
    origin = origin_of(provider)
    base = urlsplit(provider.base_url).path.rstrip("/")
    headers = (*base_headers(provider, shape), ("content-type", "application/json"))

    model = quote(spec.upstream_model, safe="")

    def endpoint(wire: Wire, path: str, accept: str, *, pool: bool) -> Endpoint:
        named = provider.api_version and wire.names_deployment
        told = versioned(provider, f"/deployments/{model}{path}" if named else path)
        return Endpoint(origin, "POST", base + told.replace("{model}", model), (*headers, ("accept", accept)), pool)

    def way(wire: Wire) -> Way:
        streamed = wire.stream_path or wire.path
        return Way(
            wire,
            endpoint(wire, wire.path, "application/json", pool=True),
            endpoint(wire, streamed, shape.stream_accept, pool=shape.pool_after_stream),
        )

    reached = wires(shape, spec.upstream_model, spec.serves, spec.ignores, prompted=spec.prompt is not None)
    return Line(
        spec,
        provider,
        shape,
        transport,
        {name: way(wire) for name, wire in reached.items()},
        b"x-lbd-deployment: %b\r\n" % spec.id.encode(),
        _pieces(provider),
    )


def forwarding(endpoint: Endpoint, fields: tuple[tuple[str, str], ...]) -> Endpoint:
    """Return the endpoint for one request with these headers of its client's, in place of lbd's own."""
    return replace(endpoint, headers=tuple({**dict(endpoint.headers), **dict(fields)}.items()), lasting=False)


def put(
    line: Line,
    wire: Wire,
    body: Body,
    endpoint: Endpoint,
    stream: bool,
    ask_usage: bool,
    wall: Callable[[], WallTime],
    trace: Trace = NO_TRACE,
) -> tuple[Endpoint, bytes] | Failure:
    """Return where a request goes, and as this deployment takes it; or why it cannot be put in its shape."""
    try:
        sent = wire.encode(body, line.spec, stream, ask_usage)
        if (sign := line.shape.sign) is not None:
            endpoint = sign(endpoint, sent, wall(), line.provider)
        return traced(endpoint, trace.span()) if trace.id else endpoint, sent
    except LbdError as e:
        return e.failure


def fake_end(line: Line, watch: Watch) -> Failure | None:
    """Return what is wrong with the end of a stream that calls itself complete, if anything is."""
    return FAKE_END if line.provider.tells_finish and not watch.finished else None


def end_of(line: Line, watch: Watch) -> tuple[bytes, Failure | None]:
    """Return what completes a stream whose connection ended, or the failure that its end is."""
    tail, failure = watch.end()
    if failure is None and (fake := fake_end(line, watch)) is not None:
        return b"", fake
    return tail, failure


def limits_told(line: Line, headers: Headers, wall: WallTime) -> tuple[QuotaReading, ...]:
    """Return what an answer's headers say of rate limits; ``wall`` is when they came."""
    fields = getattr(headers, "fields", None)
    if fields is not None:  # not decoded yet: look whether there is anything to decode
        prefix = line.shape.limit_prefix
        for name in fields:
            if name.startswith(prefix):
                break
        else:
            return ()
    return line.shape.limits(headers, wall)


def masked(failure: Failure, provider: ProviderSpec) -> Failure:
    """Return the failure without the provider's credentials in it: some servers repeat the key that they refuse.

    Nor does it say where the provider is: for its address stands its name.
    """
    veil = _veil(provider)
    message = veil.hide(failure.message)
    code = None if failure.code is None else veil.hide(failure.code)
    param = None if failure.param is None else veil.hide(failure.param)
    body = None if failure.body is None else veil.hide_json(failure.body)
    if (message, code, param, body) == (failure.message, failure.code, failure.param, failure.body):
        return failure
    return replace(failure, message=message, code=code, param=param, body=body)


def hidden(text: str, provider: ProviderSpec) -> str:
    """Return what a provider said without its credentials and addresses; takes some 20 us."""
    return _veil(provider).hide(text)


def request_id(headers: Headers) -> str | None:
    """Return the provider's own id of a request."""
    return headers.get("x-request-id") or headers.get("request-id") or headers.get("x-amzn-requestid")


def own_id(told: str | None, line: Line) -> str | None:
    """Return an id that a provider made up as it may be kept and told: bounded, and none of its credentials.

    Every attempt has one, so it is looked at quickly for pieces of credentials first, and hidden where there are any.
    """
    if told is None:
        return None
    if line.pieces.within(told):
        return hidden(told, line.provider)[:LONGEST_ID]
    return told if len(told) <= LONGEST_ID else told[:LONGEST_ID]


def own_build(told: str | None, line: Line) -> str | None:
    """Return the name of a build as :func:`own_id` returns an id: they are few, and each comes again and again."""
    return own_id(told, line) if told is not None and line.pieces.seen(told) else told and told[:LONGEST_ID]


def _pieces(provider: ProviderSpec) -> Pieces:
    """Return what every fragment of a credential that is to be hidden holds one of; short ones as a whole."""
    found: dict[str, None] = {}
    for secret in credentials(provider):
        if len(secret) < SHORTEST:
            found[secret] = None
        for at in range(0, len(secret) - GRAM + 1, GRAM // 2):
            found[secret[at : at + GRAM]] = None
    return Pieces(piece for piece in found if piece)


@lru_cache(maxsize=256)
def _veil(provider: ProviderSpec) -> Veil:
    """Return what hides a provider's credentials and addresses."""
    origin = origin_of(provider)
    names = {value: HIDDEN for _, value in provider.headers if len(value) >= SHORTEST_SECRET}
    names |= {where: provider.name for where in (origin.authority, origin.host) if "." in where or ":" in where}
    # a bare word, as a host may be called, may stand in a message by itself
    if provider.proxy is not None:
        proxy = urlsplit(provider.proxy)
        names[proxy.netloc.rpartition("@")[2]] = f"{provider.name}'s proxy"
    return Veil(credentials(provider), names)


def veil_of_all(providers: Iterable[ProviderSpec], *others: Secret | None) -> Veil:
    """Return what hides the credentials of all of them, and other secrets."""
    found = [text for provider in providers for text in credentials(provider)]
    return Veil([*found, *(secret.reveal() for secret in others if secret is not None)])


def credentials(provider: ProviderSpec) -> list[str]:
    """Return everything secret that a provider is spoken to with, as it is and as parts of it are."""
    found = [secret.reveal() for _, secret in provider.secrets]
    if provider.api_key is not None:
        found.append(provider.api_key.reveal())
    for name, value in provider.headers:
        if _SECRET.search(name):
            found += [word for word in {value, *value.split()} if len(word) >= SHORTEST_SECRET]
    logged_in = "" if provider.proxy is None else urlsplit(provider.proxy).netloc.rpartition("@")[0]
    user, _, password = map(unquote, logged_in.partition(":"))
    return [*found, logged_in.partition(":")[2], password, f"{user}:{password}"] if password else found
