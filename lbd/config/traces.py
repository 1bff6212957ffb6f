"""The keys that say which traces are kept and where they are sent, and what they become."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

import msgspec

from lbd import __version__
from lbd.config.strict import Strict
from lbd.config.tree import Path_
from lbd.config.urls import wrong_url
from lbd.model import address
from lbd.model.secret import Secret, SecretRef
from lbd.model.tracing import PATH, TracesSpec
from lbd.observe import otlp
from lbd.shapes.providers import Ratio01

Tell: TypeAlias = Callable[[Path_, str], None]
Follow: TypeAlias = Callable[[SecretRef | str, Path_], Secret | None]

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
_CREDENTIAL = re.compile(r"auth|cookie|credential|key|passw|secret|signature|team|token", re.IGNORECASE)
_OWN = frozenset({"connection", "content-encoding", "content-length", "content-type", "host", "transfer-encoding"})


class TracesConfig(Strict, frozen=True):
    """Where traces are sent (OTLP over HTTP), and which. Needs the extra: pip install 'lbd[otlp]'.

    otlp_url: base URL of the collector, as http://127.0.0.1:4318; a reference where the URL holds a key. /v1/traces is
        added where it does not end so.
    headers: sent with every request to it; a reference where one is a key, its value as it is sent (Bearer ...).
    keep_share: share that is kept of the traces with nothing to tell. Errors, moves, hedges, splices and first contents
        that came later than asked are always kept.
    keep_sampled: whether a trace is kept that its client records itself, as the flag in its traceparent says.
    service_name: whose traces they are.
    resource: further attributes of whose they are, such as deployment.environment.name.
    timeout_s: from when on a collector that does not answer is tried again later.
    """

    otlp_url: SecretRef | str
    headers: dict[str, SecretRef | str] = {}
    keep_share: Ratio01 = 0.01
    keep_sampled: bool = True
    service_name: Annotated[str, msgspec.Meta(min_length=1)] = "lbd"
    resource: dict[str, str] = {}
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 10.0


def spec(given: TracesConfig | None, *, follow: Follow, error: Tell, warn: Tell) -> TracesSpec | None:
    """Return where traces go, None where nowhere; ``error`` and ``warn`` are told what is wrong with it."""
    path: Path_ = ("traces",)
    if given is None:
        return None
    if not otlp.installed():
        error(path, otlp.MISSING)
    url = _url(given.otlp_url, (*path, "otlp_url"), follow, error, warn)
    headers = _headers(given.headers, (*path, "headers"), follow, error)
    for name in given.resource:
        if name in ("service.name", "service.version"):
            error((*path, "resource", name), f"{name} is set by lbd: the one by service_name, the other by itself")
    if url is None:
        return None
    if (headers or _logs_in(url.reveal())) and not _safe(url.reveal()):
        warn((*path, "otlp_url"), "headers and keys go there readable by everybody on the way: use https://")
    return TracesSpec(
        url,
        headers,
        given.keep_share,
        given.keep_sampled,
        given.timeout_s,
        (("service.name", given.service_name), ("service.version", __version__), *given.resource.items()),
    )


def _url(ref: SecretRef | str, path: Path_, follow: Follow, error: Tell, warn: Tell) -> Secret | None:
    url = Secret(ref) if isinstance(ref, str) else follow(ref, path)
    if url is None:
        return None
    why = wrong_url(url.reveal())
    if why is not None:
        error(path, why)
        return None
    if isinstance(ref, str) and _logs_in(ref):
        warn(path, "this URL is a key in plain text: use {file: ...}, {env: ...} or {credential: ...}")
    if not _ends_with_path(url.reveal()):
        error(path, "a collector's URL ends with its path")
        return None
    text = url.reveal().rstrip("/")
    return Secret(text if text.endswith(PATH) else text + PATH)


def _logs_in(url: str) -> bool:
    return "@" in urlsplit(url).netloc


def _ends_with_path(url: str) -> bool:
    """Tell whether nothing stands behind its path: not even an empty query, behind which more of the path would go."""
    return not any(mark in url for mark in "?#")


def _safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or address.is_loopback(parts.hostname or "")


def _headers(
    given: Mapping[str, SecretRef | str], path: Path_, follow: Follow, error: Tell
) -> tuple[tuple[str, Secret], ...]:
    out: dict[str, Secret] = {}
    for name, ref in given.items():
        at, lower = (*path, name), name.lower()
        if not _TOKEN.match(name):
            error(at, "not a header that can be sent")
        elif lower in _OWN:
            error(at, "lbd writes this header itself")
        elif lower in out:
            error(at, "set twice: the case of a header's name does not count")
        elif isinstance(ref, str) and not _CREDENTIAL.search(name):
            if ref.isascii() and ref.isprintable():
                out[lower] = Secret(ref)
            else:
                error(at, "not a header that can be sent")
        elif (value := follow(ref, at)) is not None:
            out[lower] = value
    return tuple(out.items())
