"""From a typed Config to specs: names are checked against each other, secrets are followed, defaults filled.

Collects everything that is wrong before it gives up; warnings come back beside the result.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from lbd.config import alerts, answers, caps, choosing, evaluate, journal, money, schema, tls, traces
from lbd.config.compiled import Compiled
from lbd.config.hint import meant, unknown
from lbd.config.offers import Offers
from lbd.config.secrets import SecretError, resolve
from lbd.config.tree import Path_, Tree
from lbd.model import address
from lbd.model.alert import AlertsSpec
from lbd.model.problem import ConfigError, Problem
from lbd.model.provider import (
    AutoSpec,
    ClientSpec,
    Deadlines,
    DeploymentSpec,
    ProviderSpec,
    ScorerSpec,
    SurfaceSpec,
    TierSpec,
)
from lbd.model.request import AfterContent
from lbd.model.secret import Secret, SecretRef
from lbd.model.tracing import TracesSpec
from lbd.shapes.providers import Shape

if TYPE_CHECKING:
    from ssl import SSLContext


def compile_config(
    config: schema.Config,
    tree: Tree,
    *,
    shapes: Mapping[str, Shape],
    terms: Collection[str],
    probes: Collection[str],
    environ: Mapping[str, str] = os.environ,
    follow: bool = True,
) -> Compiled:
    """Check and resolve a configuration. Raises ConfigError with everything that is wrong.

    ``follow`` False: it is not to be run, so its secrets and certificates need not be there.
    """
    return _Compiler(config, tree, shapes, terms, probes, environ, follow=follow).run()


class _Compiler:
    def __init__(
        self,
        config: schema.Config,
        tree: Tree,
        shapes: Mapping[str, Shape],
        terms: Collection[str],
        probes: Collection[str],
        environ: Mapping[str, str],
        *,
        follow: bool,
    ) -> None:
        self.follow = follow
        self.config = config
        self.tree = tree
        self.shapes = shapes
        self.terms = terms
        self.probes = probes
        self.environ = environ
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
        self._unique(("experiments",), [e.name for e in config.experiments], "experiment")
        offers = Offers(
            self.shapes,
            self.error,
            self.warn,
            secret=self._secret,
            own_name=self._own_name,
            inline=config.allow_inline_secrets,
        )
        providers: list[ProviderSpec] = []
        deployments: list[DeploymentSpec] = []
        for i, p in enumerate(config.providers):
            providers.append(offers.provider(p, ("providers", i)))
            deployments += offers.deployments(p, ("providers", i), {t.name for t in tiers}, tiers[0].name)
        self._unique_deployments(deployments)
        models = {d.model for d in deployments}
        rules = choosing.rules(config, models, self._own_name, self.error, self.warn)
        surfaces = self._surfaces(models, {d.id for d in deployments})
        if not self.problems:
            choosing.unkept(rules, surfaces.values(), deployments, self.warn)
            caps.unmet(config, deployments, self.warn)
        self._daemon()
        if (premium := config.ledger.baseline) is not None and premium not in models:
            self.error(("ledger", "baseline"), f"no provider offers {premium!r}{unknown(premium, models)}")
        compiled = Compiled(
            config=config,
            providers=tuple(providers),
            deployments=tuple(deployments),
            tiers=tiers,
            rules=rules,
            aliases=self._aliases(("models",), config.models, models),
            surfaces=surfaces,
            clients=self._clients(),
            deadlines=Deadlines(**msgspec.structs.asdict(config.deadlines)),
            scorer=self._scorer(),
            auto=AutoSpec(config.auto.judge, config.auto.quality_share or 0.0),
            peak=choosing.peak(config.peak, self.error),
            evaluate=evaluate.spec(config.evaluate, models | {d.id for d in deployments}, self.error, self.warn),
            alerts=self._alerts(),
            traces=self._traces(),
            probe_kinds=self._probe_kinds(),
            admin_token=self._secret(config.admin.token, ("admin", "token")),
            provenance_key=self._secret(config.log.provenance_key, ("log", "provenance_key")),
            hash=hashlib.sha256(repr(self.tree.value).encode()).hexdigest()[:16],
            warnings=tuple(self.warnings),
            tls=self._tls(config.tls, config.listen, ("tls",)),
            admin_tls=self._tls(config.admin.tls, config.admin.listen, ("admin", "tls")),
        )
        if config.experiments and not self.problems:
            compiled = self._with_experiments(compiled)
        if self.problems:
            raise ConfigError(self.problems)
        return compiled

    def _with_experiments(self, base: Compiled) -> Compiled:
        """Check every experiment's configuration as a whole: nothing but this one is wrong with it."""
        from lbd.config import variants  # most configurations have none

        def compile_(config: schema.Config, tree: Tree) -> Compiled:
            return _Compiler(config, tree, self.shapes, self.terms, self.probes, self.environ, follow=self.follow).run()

        found, treated, problems = variants.specs(base, self.tree, self.shapes, compile_, self.error, self.warn)
        self.problems += problems
        return msgspec.structs.replace(base, experiments=found, variants=treated, warnings=tuple(self.warnings))

    # --- names ---------------------------------------------------------------------------------------

    def _unique(self, path: Path_, names: list[str], what: str) -> None:
        seen: dict[str, int] = {}
        for i, name in enumerate(names):
            if name in seen:
                first = self.tree.place((*path, seen[name]))
                self.error((*path, i, "name"), f"a second {what} {name!r}; the first is at {first}")
            seen.setdefault(name, i)

    def _unique_deployments(self, deployments: list[DeploymentSpec]) -> None:
        paths: list[Path_] = [
            ("providers", i, "deployments", j)
            for i, p in enumerate(self.config.providers)
            for j in range(len(p.deployments))
        ]
        seen: dict[str, Path_] = {}
        for d, path in zip(deployments, paths, strict=True):
            if d.id in seen:
                first = self.tree.place(seen[d.id])
                self.error(path, f"a second deployment {d.id!r}; the first is at {first}: give one another `name`")
            seen.setdefault(d.id, path)

    # --- names that mean something -------------------------------------------------------------------

    def _own_name(self, name: str, path: Path_, what: str) -> None:
        if not name.strip() or not name.isprintable() or name == "auto":
            self.error(path, f"a {what} needs a printable name of its own (auto means lbd's own choice)")

    def _aliases(self, path: Path_, names: Mapping[str, str], models: Collection[str]) -> tuple[tuple[str, str], ...]:
        known = {"auto", *models, *self.config.routing_rules}
        for name, meaning in names.items():
            if meaning not in known:
                hint = meant(meaning, known)
                self.error((*path, name), f"{meaning!r} is neither auto, a rule, nor a model that is offered{hint}")
        return tuple(names.items())

    def _surfaces(self, models: Collection[str], ids: Collection[str]) -> dict[str, SurfaceSpec]:
        out: dict[str, SurfaceSpec] = {}
        for i, s in enumerate(self.config.surfaces):
            path: Path_ = ("surfaces", i)
            if s.pin is not None and s.pin not in models and s.pin not in ids:
                hint = meant(s.pin, {*models, *ids})
                self.error((*path, "pin"), f"{s.pin!r} is neither a model nor a deployment that is offered{hint}")
            out[s.name] = SurfaceSpec(
                name=s.name,
                urgency=s.urgency,
                quality_floor=s.quality_floor,
                quality_share=s.quality_share,
                ttft_p95_s=s.ttft_p95_s,
                deadline_s=s.deadline_s,
                max_usd_per_request=s.max_usd_per_request,
                pin=s.pin,
                fallback=s.fallback is None,
                models=self._aliases((*path, "models"), s.models, models),
                validation=answers.validation(s.validate, partial(self._invalid, (*path, "validate"))),
                budgets=money.budgets("surface", s.name, s.budget, partial(self.error, (*path, "budget"))),
                after_content=AfterContent(s.after_content),
                evaluate=s.evaluate,
            )
        return out

    def _invalid(self, path: Path_, key: str | None, reason: str) -> None:
        self.error(path if key is None else (*path, key), reason)

    def _clients(self) -> tuple[ClientSpec, ...]:
        surfaces = {s.name for s in self.config.surfaces}
        certificates = tls.certificates(self.config, self.error)
        of: dict[bytes, str] = {}
        out: list[ClientSpec] = []
        for i, c in enumerate(self.config.clients):
            path: Path_ = ("clients", i)
            if c.surface is not None and c.surface not in surfaces:
                self.error((*path, "surface"), f"there is no surface {c.surface!r}{unknown(c.surface, surfaces)}")
            key = self._secret(c.key, (*path, "key"))
            digest = b"" if key is None else hashlib.sha256(key.reveal().encode()).digest()
            if digest and of.setdefault(digest, c.name) != c.name:
                self.error((*path, "key"), f"the same key as client {of[digest]!r}")
            out.append(
                ClientSpec(
                    c.name,
                    digest,
                    c.surface,
                    tuple(c.models),
                    frozenset(c.may),
                    money.budgets("client", c.name, c.budget, partial(self.error, (*path, "budget"))),
                    *money.rates(c.limit, partial(self.error, (*path, "limit"))),
                    certificates[i],
                )
            )
        return tuple(out)

    def _secret(self, ref: SecretRef | str | None, path: Path_, *, words: bool = False) -> Secret | None:
        if ref is None:
            return None
        if not self.follow:
            return Secret(f"https://simulated.invalid/{'/'.join(map(str, path))}")  # each its own
        try:
            return resolve(ref, inline=self.config.allow_inline_secrets, environ=self.environ, words=words)
        except SecretError as e:
            self.error(path, str(e))
            return None

    # --- plugins and the daemon ----------------------------------------------------------------------

    def _scorer(self) -> ScorerSpec:
        weights = self.config.scorer.weights
        at_peak = {} if self.config.peak is None else self.config.peak.weights
        for where, given in (("scorer", weights), ("peak", at_peak)):
            for name in given:
                if name not in self.terms:
                    self.error((where, "weights", name), f"no such term{unknown(name, self.terms)}")
        if not 0 < sum(weights.values()) < math.inf:
            self.error(("scorer", "weights"), "at least one weight must be above 0, and their sum a number")
        peak = tuple(sorted({**weights, **at_peak}.items())) if at_peak else ()
        return ScorerSpec(tuple(sorted(weights.items())), peak)

    def _probe_kinds(self) -> tuple[str, ...]:
        kinds = self.config.probes.kinds
        if kinds is None:
            return tuple(sorted(self.probes))
        for i, kind in enumerate(kinds):
            if kind not in self.probes:
                self.error(("probes", "kinds", i), f"no such probe{unknown(kind, self.probes)}")
        return tuple(kinds)

    def _alerts(self) -> AlertsSpec:
        probes = self.config.probes
        return alerts.spec(
            self.config.alerts,
            probes.every_s,
            probes.timeout_s,
            follow=self._secret,
            error=self.error,
            warn=self.warn,
        )

    def _traces(self) -> TracesSpec | None:
        if not self.follow:  # nobody is to be sent anything
            return None
        follow = partial(self._secret, words=True)
        return traces.spec(self.config.traces, follow=follow, error=self.error, warn=self.warn)

    def _daemon(self) -> None:
        config = self.config
        if config.workers != 1:
            self.error(("workers",), "more than one worker process is not in this version of lbd; use 1")
        listen = self._address(config.listen, ("listen",))
        if listen is not None and not listen.local and not config.clients:
            self.error(("listen",), "listening beyond this host needs clients with keys")
        admin = None if config.admin.listen is None else self._address(config.admin.listen, ("admin", "listen"))
        if admin is not None and not admin.local and config.admin.token is None:
            self.error(("admin", "listen"), "an admin listener beyond this host needs admin.token")
        if admin is not None and not admin.local and config.admin.tls is None:
            text = "reachable from other hosts without TLS, so the token and all it shows pass readable: give it"
            self.warn(("admin", "listen"), f"{text} admin.tls, or listen on loopback behind a proxy that speaks TLS")
        if admin is not None and admin == listen and (admin.port or admin.path):
            self.error(("admin", "listen"), f"{config.listen} is already the API's")
        if config.admin.socket is not None and not _absolute(config.admin.socket):
            self.error(("admin", "socket"), "a unix socket needs an absolute path")
        self._store(config.store.url)
        journal.check(config.journal, lambda key, why: self.error(("journal", key), why))

    def _tls(self, of: schema.TlsConfig | None, where: str | None, path: Path_) -> SSLContext | None:
        if of is None or not self.follow:
            return None
        if where is None or where.startswith("unix:"):
            self.error(path, "is for a TCP listener: what comes by a unix socket is on this host already")
        return tls.context(of, lambda key, why: self.error((*path, key), why))

    def _store(self, url: str) -> None:
        scheme, _, rest = url.partition(":")
        if scheme in ("valkey", "redis", "rediss"):
            self.error(("store", "url"), f"{scheme} is not in this version of lbd; use sqlite:///path or memory:")
        elif not (scheme == "memory" and not rest) and not (
            scheme == "sqlite" and rest.startswith("//") and _absolute(rest[2:])
        ):
            self.error(("store", "url"), "must be sqlite:///path (an absolute one, so three slashes) or memory:")

    def _address(self, text: str, path: Path_) -> address.Address | None:
        try:
            return address.parse(text)
        except ValueError as e:
            self.error(path, str(e))
            return None


def _absolute(path: str) -> bool:
    return path.startswith("/") and len(path) > 1 and path.isprintable()
