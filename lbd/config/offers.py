"""What is offered: accounts and servers with their deployments, as specs."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache, partial
from typing import TypeAlias

from lbd.config import answers, money
from lbd.config.hint import unknown
from lbd.config.tree import Path_
from lbd.model import address
from lbd.model.provider import DeploymentSpec, Price, ProviderSpec
from lbd.model.secret import Secret, SecretRef
from lbd.shapes.bridge import wires
from lbd.shapes.providers import FORMAL, DeploymentConfig, ProviderConfig, Shape

Tell: TypeAlias = Callable[[Path_, str], None]

FREE = Price(0.0, 0.0, 0.0)
_NOT_SLUG = re.compile(r"[^a-z0-9._-]+")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
# Narrower than RFC 3986 on purpose: urllib lets white space and much else pass.
_URL = re.compile(
    r"(?P<scheme>https?)://(?:(?P<user>[^@/?#]*)@)?(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[!-~]*)?\Z",
    re.IGNORECASE,
)
# The connection's and the body's own: written by lbd, a second one would change what the server reads.
_OWN_HEADERS = frozenset({
    "accept", "connection", "content-length", "content-type", "expect", "host", "keep-alive", "te", "trailer",
    "transfer-encoding", "upgrade",
})  # fmt: skip
_KEY_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "api-key", "x-api-key", "x-goog-api-key"})


@lru_cache(maxsize=1024)
def _both(carried: frozenset[str], ignored: frozenset[str]) -> frozenset[str]:
    """Return both together, once for all specs: the journal remembers those of many reloads."""
    return carried | ignored


class Offers:
    """Checks providers and deployments, and makes specs of them; what is wrong is told to ``error`` and ``warn``.

    ``secret`` follows a reference; ``own_name`` refuses a name that means something else; ``inline``: keys may stand in
    the file itself.
    """

    def __init__(
        self,
        shapes: Mapping[str, Shape],
        error: Tell,
        warn: Tell,
        *,
        secret: Callable[[SecretRef | str | None, Path_], Secret | None],
        own_name: Callable[[str, Path_, str], None],
        inline: bool,
    ) -> None:
        self._shapes = shapes
        self._error = error
        self._warn = warn
        self._secret = secret
        self._own_name = own_name
        self._inline = inline

    def provider(self, p: ProviderConfig, path: Path_) -> ProviderSpec:
        """Return an account or server."""
        shape = self._shapes[p.__struct_config__.tag]  # type: ignore[index]
        self._base_url(p.base_url, (*path, "base_url"))
        self._headers(p.headers, (*path, "headers"))
        if p.proxy is not None:
            self._proxy(p.proxy, (*path, "proxy"))
        if p.ca_file is not None:
            self._ca_file(p.ca_file, (*path, "ca_file"))
        key = self._secret(p.api_key, (*path, "api_key"))
        return ProviderSpec(
            name=p.name,
            shape=shape.name,
            base_url=p.base_url.rstrip("/"),
            api_key=key,
            secrets=self._secrets(p, shape, path),
            region=p.region,
            quota_group=p.quota_group,
            headers=tuple(p.headers.items()),
            proxy=p.proxy,
            ca_file=p.ca_file,
            connect_timeout_s=p.connect_timeout_s,
            keepalive_s=shape.keepalive_s if p.keepalive_s is None else p.keepalive_s,
            max_concurrency=p.max_concurrency,
            self_hosted=shape.self_hosted,
            unary_via_stream=shape.unary_via_stream,
            api_version=getattr(p, "api_version", None),
            stream_usage=shape.stream_usage,
            tells_finish=p.tells_finish,
            budgets=money.budgets("provider", p.name, p.budget, partial(self._error, (*path, "budget"))),
        )

    def _url(self, text: str, path: Path_) -> re.Match[str] | None:
        url = _URL.match(text)
        if url is None:
            strange = any(not "!" <= c <= "~" for c in text)
            self._error(path, "holds characters that no URL has" if strange else "must be http(s)://host:port/path")
        elif url["port"] is not None and not 0 < int(url["port"]) <= 65535:
            self._error(path, f"there is no port {url['port']}")
        elif url["host"].startswith("[") and not _is_ipv6(url["host"][1:-1]):
            self._error(path, f"{url['host']} is no IPv6 address")
        elif not url["host"].startswith("[") and not all(0 < len(p) < 64 for p in url["host"].rstrip(".").split(".")):
            self._error(path, f"{url['host']} is no host name: each part between dots has 1 to 63 characters")
        else:
            return url
        return None

    def _base_url(self, text: str, path: Path_) -> None:
        url = self._url(text, path)
        if url is None:
            return
        if url["user"] is not None:
            self._error(path, "must name no user; a key belongs into api_key")
        elif "?" in text or "#" in text:
            self._error(path, "must have no query or fragment")
        elif text.rstrip("/").endswith("/completions"):
            self._error(path, "names an endpoint; write what stands before /chat/completions")
        elif url["scheme"].lower() == "http" and not address.is_loopback(url["host"].strip("[]").lower()):
            self._warn(path, "plain http to another host: keys and prompts travel unencrypted")

    def _proxy(self, text: str, path: Path_) -> None:
        url = self._url(text, path)
        if url is not None and ":" in (url["user"] or "") and not self._inline:
            self._error(path, "a password stands here in plain text; it needs allow_inline_secrets: true")

    def _ca_file(self, file: str, path: Path_) -> None:
        import ssl  # slow, and seldom needed

        try:
            ssl.create_default_context(cafile=file)
        except (OSError, ValueError) as e:  # ValueError: a path that holds a NUL
            self._error(path, f"{file!r} cannot be used: {getattr(e, 'strerror', None) or e}")

    def _headers(self, headers: Mapping[str, str], path: Path_) -> None:
        seen: set[str] = set()
        for name, value in headers.items():
            lower = name.lower()
            if not _TOKEN.match(name) or any(not " " <= c <= "~" for c in value):
                self._error((*path, name), "not a header that can be sent")
            elif lower in _OWN_HEADERS:
                self._error((*path, name), "lbd writes this header itself")
            elif lower in seen:
                self._error((*path, name), "set twice: the case of a header's name does not count")
            elif lower in _KEY_HEADERS and not self._inline:
                self._error(
                    (*path, name), "a key stands here in plain text; use api_key, or allow_inline_secrets: true"
                )
            seen.add(lower)

    def deployments(
        self, p: ProviderConfig, path: Path_, tiers: Collection[str], default_tier: str
    ) -> list[DeploymentSpec]:
        """Return what a provider offers; ``tiers`` are the names that there are."""
        shape = self._shapes[p.__struct_config__.tag]  # type: ignore[index]
        return [
            self._deployment(p, d, shape, (*path, "deployments", i), tiers, default_tier)
            for i, d in enumerate(p.deployments)
        ]

    def _deployment(
        self,
        p: ProviderConfig,
        d: DeploymentConfig,
        shape: Shape,
        path: Path_,
        tiers: Collection[str],
        default_tier: str,
    ) -> DeploymentSpec:
        self._own_name(d.model, (*path, "model"), "model")
        tier = default_tier if d.tier is None else d.tier
        if tier not in tiers:
            self._error((*path, "tier"), f"there is no tier {tier!r}{unknown(tier, tiers)}")
        served = frozenset(d.serves or ("chat",))
        ignores = frozenset(d.ignores)
        ways = wires(shape, d.upstream_model or d.model, served, ignores)
        for missing in sorted(served - {wire.serves for wire in ways.values()}):
            self._error((*path, "serves"), f"shape {shape.name} has no way to serve {missing}")
        supports = None
        if d.supports is not None:
            supports = frozenset(d.supports) | FORMAL
            carried = frozenset[str]().union(*(wire.carries for wire in ways.values()))
            for word in sorted(set(d.supports) - carried):
                self._error(
                    (*path, "supports"),
                    f"{word!r} is no capability that shape {shape.name} carries{unknown(word, carried)}",
                )
        book = money.prices(
            d.price, d.price_changes, lambda i, why: self._error((*path, "price_changes", i, "from"), why)
        )
        price = book[0][1]
        if price is None and shape.self_hosted:
            price = FREE
            book = ((money.ALWAYS, FREE), *book[1:])
        elif price is None:
            self._warn(path, "no price: its cost counts as unknown, and a cost cap or a hard budget rules it out")
        name = d.name or _NOT_SLUG.sub("-", d.model.lower()).strip("-.") or "model"
        return DeploymentSpec(
            id=f"{p.name}/{name}",
            provider=p.name,
            model=d.model,
            upstream_model=d.upstream_model or d.model,
            tier=tier,
            context_tokens=d.context_tokens,
            supports=supports,
            serves=served,
            ignores=ignores,
            carries={name: _both(wire.carries, ignores) for name, wire in ways.items()},
            price=price,
            prices=book if len(book) > 1 else (),
            quality=d.quality,
            weight=d.weight,
            max_concurrency=d.max_concurrency,
            self_hosted=shape.self_hosted,
            unary_via_stream=shape.unary_via_stream,
            prompt=answers.prompt(d.prompt),
            account=d.quota_group or f"{p.quota_group or p.name}/{d.upstream_model or d.model}",
        )

    def _secrets(self, p: ProviderConfig, shape: Shape, path: Path_) -> tuple[tuple[str, Secret], ...]:
        found = [(name, self._secret(getattr(p, name), (*path, name))) for name in shape.secrets]
        return tuple((name, secret) for name, secret in found if secret is not None)


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
