"""From a typed Config to specs: names are checked against each other, secrets are followed, defaults filled.

Collects everything that is wrong before it gives up; warnings come back beside the result.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from lbd.config import schema
from lbd.config.secrets import SecretError, resolve
from lbd.config.tree import Path_, Tree
from lbd.model import address
from lbd.model.problem import ConfigError, Problem
from lbd.model.provider import (
    ClientSpec,
    Deadlines,
    DeploymentSpec,
    Price,
    ProviderSpec,
    RuleSpec,
    ScorerSpec,
    SurfaceSpec,
    TierSpec,
)
from lbd.model.secret import Secret, SecretRef
from lbd.shapes.providers import DeploymentConfig, ProviderConfig, Shape

FREE = Price(0.0, 0.0, 0.0)
_NOT_SLUG = re.compile(r"[^a-z0-9._-]+")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
Named = TypeVar("Named", bound=msgspec.Struct)


class Compiled(msgspec.Struct, frozen=True):
    """A configuration that can be run."""

    config: schema.Config
    providers: tuple[ProviderSpec, ...]
    deployments: tuple[DeploymentSpec, ...]
    tiers: tuple[TierSpec, ...]
    rules: tuple[RuleSpec, ...]
    aliases: tuple[tuple[str, str], ...]
    surfaces: dict[str, SurfaceSpec]
    clients: tuple[ClientSpec, ...]
    deadlines: Deadlines
    scorer: ScorerSpec
    probe_kinds: tuple[str, ...]
    admin_token: Secret | None
    hash: str
    warnings: tuple[Problem, ...]


def compile_config(
    config: schema.Config,
    tree: Tree,
    *,
    shapes: Mapping[str, Shape],
    terms: Collection[str],
    probes: Collection[str],
) -> Compiled:
    """Check and resolve a configuration. Raises ConfigError with everything that is wrong."""
    return _Compiler(config, tree, shapes, terms, probes).run()


class _Compiler:
    def __init__(
        self,
        config: schema.Config,
        tree: Tree,
        shapes: Mapping[str, Shape],
        terms: Collection[str],
        probes: Collection[str],
    ) -> None:
        self.config = config
        self.tree = tree
        self.shapes = shapes
        self.terms = terms
        self.probes = probes
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []

    def error(self, path: Path_, reason: str) -> None:
        self.problems.append(self.tree.problem(path, reason))

    def warn(self, path: Path_, reason: str) -> None:
        self.warnings.append(self.tree.problem(path, reason, "warning"))

    def run(self) -> Compiled:
        config = self.config
        tiers = tuple(TierSpec(t.name, t.ttft_p95_s, t.error_rate_max) for t in config.tiers)
        self._unique(("tiers",), [t.name for t in config.tiers], "tier")
        self._unique(("providers",), [p.name for p in config.providers], "provider")
        self._unique(("surfaces",), [s.name for s in config.surfaces], "surface")
        self._unique(("clients",), [c.name for c in config.clients], "client")
        providers: list[ProviderSpec] = []
        deployments: list[DeploymentSpec] = []
        for i, p in enumerate(config.providers):
            providers.append(self._provider(p, ("providers", i)))
            deployments += self._deployments(p, ("providers", i), {t.name for t in tiers}, tiers[0].name)
        self._unique_deployments(deployments)
        models = {d.model for d in deployments}
        rules = self._rules(models)
        self._daemon()
        compiled = Compiled(
            config=config,
            providers=tuple(providers),
            deployments=tuple(deployments),
            tiers=tiers,
            rules=rules,
            aliases=self._aliases(("models",), config.models, models),
            surfaces=self._surfaces(models, {d.id for d in deployments}),
            clients=self._clients(),
            deadlines=Deadlines(**msgspec.structs.asdict(config.deadlines)),
            scorer=self._scorer(),
            probe_kinds=self._probe_kinds(),
            admin_token=self._secret(config.admin.token, ("admin", "token")),
            hash=hashlib.sha256(repr(self.tree.value).encode()).hexdigest()[:16],
            warnings=tuple(self.warnings),
        )
        if self.problems:
            raise ConfigError(self.problems)
        return compiled

    # --- names ---------------------------------------------------------------------------------------

    def _unique(self, path: Path_, names: list[str], what: str) -> None:
        seen: dict[str, int] = {}
        for i, name in enumerate(names):
            if name in seen:
                first = self.tree.place((*path, seen[name]))
                self.error((*path, i, "name"), f"a second {what} {name!r}; the first is at {first}")
            seen.setdefault(name, i)

    def _unique_deployments(self, deployments: list[DeploymentSpec]) -> None:
        seen: set[str] = set()
        place: dict[int, Path_] = {}
        for i, p in enumerate(self.config.providers):
            for j in range(len(p.deployments)):
                place[len(place)] = ("providers", i, "deployments", j)
        for n, d in enumerate(deployments):
            if d.id in seen:
                self.error(place[n], f"a second deployment {d.id!r}; give one of them another `name`")
            seen.add(d.id)

    # --- providers -----------------------------------------------------------------------------------

    def _provider(self, p: ProviderConfig, path: Path_) -> ProviderSpec:
        shape = self.shapes[msgspec.structs.asdict(p).get("shape") or p.__struct_config__.tag]  # type: ignore[index]
        self._base_url(p.base_url, (*path, "base_url"))
        for name, value in p.headers.items():
            if not _TOKEN.match(name) or any(ord(c) < 0x20 or ord(c) > 0x7E for c in value):
                self.error((*path, "headers", name), "not a header that can be sent")
        key = self._secret(p.api_key, (*path, "api_key"))
        return ProviderSpec(
            name=p.name,
            shape=shape.name,
            base_url=p.base_url.rstrip("/"),
            api_key=key,
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
            stream_usage=shape.stream_usage,
        )

    def _base_url(self, text: str, path: Path_) -> None:
        try:
            url = urlsplit(text)
            port = url.port
        except ValueError as e:
            self.error(path, f"not a URL: {e}")
            return
        if url.scheme not in ("http", "https") or not url.hostname:
            self.error(path, "must start with http:// or https:// and name a host")
        elif url.username is not None or url.query or url.fragment or "#" in text:
            self.error(path, "must have no user, query or fragment")
        elif port == 0 or any(c.isspace() or ord(c) > 0x7E for c in text):
            self.error(path, "holds a port or characters that no URL has")
        elif url.scheme == "http" and not address.is_loopback(url.hostname):
            self.warn(path, "plain http to another host: keys and prompts travel unencrypted")

    def _deployments(
        self, p: ProviderConfig, path: Path_, tiers: Collection[str], default_tier: str
    ) -> list[DeploymentSpec]:
        shape = self.shapes[p.__struct_config__.tag]  # type: ignore[index]
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
        if not d.model.strip() or d.model == "auto":
            self.error((*path, "model"), "a model needs a name of its own (auto means lbd's own choice)")
        tier = d.tier or default_tier
        if tier not in tiers:
            self.error((*path, "tier"), f"there is no tier {tier!r}. Known: {', '.join(sorted(tiers))}")
        supports = None
        if d.supports is not None:
            supports = frozenset(d.supports)
            for word in sorted(supports - shape.carries):
                self.error(
                    (*path, "supports"),
                    f"{word!r} is no capability that shape {shape.name} carries: {', '.join(sorted(shape.carries))}",
                )
        price = Price(**msgspec.structs.asdict(d.price)) if d.price is not None else None
        if price is None and shape.self_hosted:
            price = FREE
        elif price is None:
            self.warn(path, "no price: its cost counts as unknown, and a cost cap rules it out")
        name = d.name or _NOT_SLUG.sub("-", d.model.lower()).strip("-.") or "model"
        return DeploymentSpec(
            id=f"{p.name}/{name}",
            provider=p.name,
            model=d.model,
            upstream_model=d.upstream_model or d.model,
            tier=tier,
            context_tokens=d.context_tokens,
            supports=supports,
            price=price,
            quality=d.quality,
            weight=d.weight,
            max_concurrency=d.max_concurrency,
            self_hosted=shape.self_hosted,
            unary_via_stream=shape.unary_via_stream,
        )

    # --- names that mean something -------------------------------------------------------------------

    def _rules(self, models: Collection[str]) -> tuple[RuleSpec, ...]:
        out = []
        for name, rule in self.config.routing_rules.items():
            path: Path_ = ("routing_rules", name)
            groups: list[tuple[str, ...]] = []
            for key, value in (("primary", rule.primary), ("fallback", rule.fallback)):
                entries = [value] if isinstance(value, str) else value
                for model in entries:
                    if model not in models:
                        self.warn((*path, key), f"no provider offers {model!r}: this entry cannot be used")
                    else:
                        groups.append((model,))
            if not groups:
                self.error(path, f"no provider offers any model of this rule. Offered: {', '.join(sorted(models))}")
            latency = None if rule.max_latency_ms is None else rule.max_latency_ms / 1000
            out.append(RuleSpec(name, tuple(groups), rule.max_cost_per_1k, latency))
        return tuple(out)

    def _aliases(self, path: Path_, names: Mapping[str, str], models: Collection[str]) -> tuple[tuple[str, str], ...]:
        known = {"auto", *models, *self.config.routing_rules}
        for name, meaning in names.items():
            if meaning not in known:
                self.error((*path, name), f"{meaning!r} is neither auto, a rule, nor a model that is offered")
        return tuple(names.items())

    def _surfaces(self, models: Collection[str], ids: Collection[str]) -> dict[str, SurfaceSpec]:
        out: dict[str, SurfaceSpec] = {}
        for i, s in enumerate(self.config.surfaces):
            path: Path_ = ("surfaces", i)
            if s.pin is not None and s.pin not in models and s.pin not in ids:
                self.error((*path, "pin"), f"{s.pin!r} is neither a model nor a deployment that is offered")
            out[s.name] = SurfaceSpec(
                name=s.name,
                urgency=s.urgency,
                quality_floor=s.quality_floor,
                ttft_p95_s=s.ttft_p95_s,
                deadline_s=s.deadline_s,
                max_usd_per_request=s.max_usd_per_request,
                pin=s.pin,
                fallback=s.fallback is None,
                models=self._aliases((*path, "models"), s.models, models),
            )
        return out

    def _clients(self) -> tuple[ClientSpec, ...]:
        surfaces = {s.name for s in self.config.surfaces}
        out: dict[bytes, ClientSpec] = {}
        for i, c in enumerate(self.config.clients):
            path: Path_ = ("clients", i)
            if c.surface is not None and c.surface not in surfaces:
                self.error((*path, "surface"), f"there is no surface {c.surface!r}")
            key = self._secret(c.key, (*path, "key"))
            if key is None:
                continue
            digest = hashlib.sha256(key.reveal().encode()).digest()
            if digest in out:
                self.error((*path, "key"), f"the same key as client {out[digest].name!r}")
            out[digest] = ClientSpec(c.name, digest, c.surface, tuple(c.models), frozenset(c.may))
        return tuple(out.values())

    def _secret(self, ref: SecretRef | str | None, path: Path_) -> Secret | None:
        if ref is None:
            return None
        try:
            return resolve(ref, inline=self.config.allow_inline_secrets)
        except SecretError as e:
            self.error(path, str(e))
            return None

    # --- plugins and the daemon ----------------------------------------------------------------------

    def _scorer(self) -> ScorerSpec:
        weights = self.config.scorer.weights
        for name in weights:
            if name not in self.terms:
                self.error(("scorer", "weights", name), f"no such term. Known: {', '.join(sorted(self.terms))}")
        if not sum(weights.values()) > 0:
            self.error(("scorer", "weights"), "at least one weight must be above 0")
        return ScorerSpec(tuple(sorted(weights.items())))

    def _probe_kinds(self) -> tuple[str, ...]:
        kinds = self.config.probes.kinds
        if kinds is None:
            return tuple(sorted(self.probes))
        for i, kind in enumerate(kinds):
            if kind not in self.probes:
                self.error(("probes", "kinds", i), f"no such probe. Known: {', '.join(sorted(self.probes))}")
        return tuple(kinds)

    def _daemon(self) -> None:
        config = self.config
        if config.workers != 1:
            self.error(("workers",), "more than one worker process is not in this version of lbd; use 1")
        if not config.clients and not self._local(config.listen, ("listen",)):
            self.error(("listen",), "listening beyond this host needs clients with keys")
        admin = config.admin
        if admin.listen is not None and not self._local(admin.listen, ("admin", "listen")) and admin.token is None:
            self.error(("admin", "listen"), "an admin listener beyond this host needs admin.token")
        scheme = config.store.url.partition(":")[0]
        if scheme in ("valkey", "redis", "rediss"):
            self.error(("store", "url"), f"{scheme} is not in this version of lbd; use sqlite:///path or memory:")
        elif scheme not in ("sqlite", "memory"):
            self.error(("store", "url"), "must be sqlite:///path or memory:")

    def _local(self, text: str, path: Path_) -> bool:
        try:
            return address.parse(text).local
        except ValueError as e:
            self.error(path, str(e))
            return True
