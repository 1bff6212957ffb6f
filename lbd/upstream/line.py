"""How to reach one deployment: for each client shape the wire and the endpoints, built once a configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import quote, urlsplit

import msgspec
from msgspec.structs import replace

from lbd import __version__
from lbd.model.failure import Failure, LbdError
from lbd.model.provider import DeploymentSpec, ProviderSpec
from lbd.model.request import Body
from lbd.model.units import WallTime
from lbd.ports import Endpoint, Origin, Transport
from lbd.shapes.bridge import wires
from lbd.shapes.providers import Shape
from lbd.shapes.wire import Wire

SHORTEST_SECRET = 8  # of a configured header's value; shorter ones are words that a message may hold
AGENT = f"lbd/{__version__}"


class Way(msgspec.Struct, frozen=True):
    """How requests of one client shape reach a deployment."""

    wire: Wire
    unary: Endpoint
    stream: Endpoint


class Line(msgspec.Struct, frozen=True):
    """The way to one deployment."""

    spec: DeploymentSpec
    provider: ProviderSpec
    shape: Shape
    transport: Transport
    ways: Mapping[str, Way]  # by client shape
    field: bytes = b""  # the header field that names the deployment


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
    )


def forwarding(endpoint: Endpoint, fields: tuple[tuple[str, str], ...]) -> Endpoint:
    """Return the endpoint for one request with these headers of its client's, in place of lbd's own."""
    return replace(endpoint, headers=tuple({**dict(endpoint.headers), **dict(fields)}.items()), lasting=False)


def put(
    line: Line, wire: Wire, body: Body, endpoint: Endpoint, stream: bool, ask_usage: bool, wall: Callable[[], WallTime]
) -> tuple[Endpoint, bytes] | Failure:
    """Return where a request goes, and as this deployment takes it; or why it cannot be put in its shape."""
    try:
        sent = wire.encode(body, line.spec, stream, ask_usage)
        if (sign := line.shape.sign) is not None:
            endpoint = sign(endpoint, sent, wall(), line.provider)
        return endpoint, sent
    except LbdError as e:
        return e.failure


def masked(failure: Failure, provider: ProviderSpec) -> Failure:
    """Return the failure without the provider's credentials in it: some servers repeat the key that they refuse.

    Nor does it say where the provider is: for its address stands its name.
    """
    secrets = [value for _, value in provider.headers if len(value) >= SHORTEST_SECRET]
    if provider.api_key is not None:
        secrets.append(provider.api_key.reveal())
    secrets += [secret.reveal() for _, secret in provider.secrets]
    hidden = dict.fromkeys(secrets, "***")
    where = origin_of(provider).authority
    if "." in where or ":" in where:  # a bare word may stand in a message by itself
        hidden[where] = provider.name
    for text, shown in hidden.items():
        if text in failure.message:
            failure = replace(failure, message=failure.message.replace(text, shown))
        if failure.body is not None and text.encode() in failure.body:
            failure = replace(failure, body=failure.body.replace(text.encode(), shown.encode()))
    return failure
