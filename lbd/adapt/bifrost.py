"""Bifrost's ``config.json``: providers with their keys, and what ``governance`` says of virtual keys.

Each key of a provider is an account of ours; the same model at several of them is one model, balanced by their weights.
Requests there name ``provider/model``: that name means the model here, whichever account serves it.
"""

from __future__ import annotations

from typing import Any

from lbd.adapt import ADAPTERS, bifrost_rules, houses
from lbd.adapt.draft import Draft
from lbd.adapt.houses import HOUSES
from lbd.adapt.source import Source, SourceError
from lbd.adapt.words import mapping, maps, slug, texts, variable, whole
from lbd.config.tree import Path_

_REMEDIES = {
    "mcp": "lbd serves no MCP",
    "plugins": "lbd has no plugins in the way of requests; own metrics are entry points of lbd.metrics",
    "vector_store": "there is no semantic cache in lbd",
    "config_store": "the file is the configuration; `store` keeps state",
    "logs_store": "see the ledger (lbd report), the decision journal and the log",
    "framework": "prices stand with the deployments",
    "encryption_key": "keys are not in lbd's store",
    "websocket": "lbd serves no websockets",
    "guardrails_config": "`validate` of a surface holds answers to a schema, a length, a language",
    "server": "see `limits`",
}
_SILENT = frozenset({"$schema", "providers", "governance", "client"})
_NETWORK = {
    "default_request_timeout_in_seconds": "bounds are one for all: see `deadlines`",
    "max_retries": "attempts are bounded by the deadline and a retry budget, not by a number",
    "retry_backoff_initial_ms": "waits are those that the provider asks for",
    "retry_backoff_max_ms": "waits are those that the provider asks for",
    "retry_backoff_initial": "waits are those that the provider asks for",
    "retry_backoff_max": "waits are those that the provider asks for",
    "insecure_skip_verify": "certificates are always checked: trust your own by `ca_file`",
    "ca_cert_pem": "write it to a file and name it in `ca_file`",
}


@ADAPTERS.add("bifrost")
def adapt(source: Source, draft: Draft) -> None:
    """Fill the draft."""
    root = source.root()
    providers = root.get("providers")
    if not isinstance(providers, dict) and "governance" not in root:
        raise SourceError(f"{source.place(())}: no config.json of Bifrost's: it has no providers")
    for name, given in mapping(providers).items():
        if isinstance(given, dict):
            _provider(draft, str(name), given)
    for key in root:
        if key not in _SILENT:
            draft.lost((key,), "no counterpart", _REMEDIES.get(key, ""))
    _client(draft, root.get("client"))
    governance = root.get("governance")
    if isinstance(governance, dict):
        bifrost_rules.apply(governance, draft)


def _provider(draft: Draft, name: str, given: dict[str, Any]) -> None:
    path: Path_ = ("providers", name)
    custom = given.get("custom_provider_config")
    base_type = mapping(custom).get("base_provider_type")
    house = houses.find(str(base_type or name))
    network = mapping(given.get("network_config"))
    if house is None:
        draft.lost(path, f"provider {name!r} is not served by lbd: it is left out", "etc/shapes.md lists what is")
        return
    more: dict[str, Any] = {
        "headers": draft.headers(network.get("extra_headers"), (*path, "network_config", "extra_headers"))
    }
    for word in network:
        if word in _NETWORK:
            draft.lost((*path, "network_config", word), "no counterpart", _NETWORK[word])
    sizes = given.get("concurrency_and_buffer_size")
    keys = maps(given.get("keys"))
    if keys and isinstance(sizes, dict) and (most := whole(sizes.get("concurrency"))) is not None:
        more["max_concurrency"] = max(1, most // len(keys))
    more["proxy"] = _proxy(draft, given.get("proxy_config"), (*path, "proxy_config"))
    meta = mapping(given.get("meta_config"))
    for i, key in enumerate(keys or ([{}] if meta or HOUSES[house].keyless else [])):
        _Key(draft, name, house, {**meta, **key}, (*path, "keys", i) if keys else path, network, more, len(keys)).add()
    if not keys and not meta and not HOUSES[house].keyless:
        draft.lost((*path, "keys"), "a provider without keys is left out")


def _proxy(draft: Draft, given: object, path: Path_) -> str | None:
    if not isinstance(given, dict) or given.get("type") in (None, "none"):
        return None
    if given.get("type") != "http":
        draft.lost(
            (*path, "type"), f"{given.get('type')}: no counterpart", "`proxy` is an HTTP proxy: http://host:port"
        )
        return None
    if given.get("username") or given.get("password"):
        draft.note("secret", path, "the user and the password of a proxy were left out",
                   "They would stand in the file itself: use a proxy that knows this host")  # fmt: skip
    return draft.url(given.get("url"), (*path, "url"))


class _Key:
    """One key of a provider."""

    def __init__(
        self, draft: Draft, name: str, house: str, key: dict[str, Any], path: Path_, network: dict[str, Any],
        more: dict[str, Any], of: int,
    ) -> None:  # fmt: skip
        self.draft, self.house, self.key, self.path = draft, house, key, path
        self.name = name
        self.label = slug(str(key.get("name") or name)) if of > 1 else slug(name)
        self.label = self.label if slug(name) in self.label else f"{slug(name)}-{self.label}"
        self.base = draft.url(network.get("base_url"), (*path[:2], "network_config", "base_url"))
        self.more = more

    def _part(self, name: str) -> dict[str, Any]:
        given = self.key.get(name)
        return given if isinstance(given, dict) else self.key

    def add(self) -> None:
        """Offer what the key is for."""
        pairs = self._models()
        if not pairs:
            self.draft.note("todo", (*self.path, "models"), f"{self.label} serves every model of {self.name}; lbd"
                            " offers models by name",
                            f"Convert again with --model {self.name}/NAME for each that is used")  # fmt: skip
            return
        for model, upstream in pairs:
            provider = self._provider(upstream)
            if provider is None:
                return
            weight = self.key.get("weight")
            row = self.draft.deploy(
                provider, model, upstream, self.path, serves=houses.serves(model),
                weight=weight if isinstance(weight, int | float) and weight not in (1, True) else None,
            )  # fmt: skip
            if row is not None and f"{self.name}/{model}" != row["model"]:
                self.draft.aliases[f"{self.name}/{model}"] = row["model"]

    def _models(self) -> list[tuple[str, str]]:
        """Return the models that the key is for, each with its name there."""
        renamed: dict[str, str] = {}
        for name in ("azure_key_config", "bedrock_key_config", "vertex_key_config", "replicate_key_config"):
            given = self._part(name).get("deployments")
            renamed |= {str(k): str(v) for k, v in mapping(given).items()}
        aliases = self.key.get("aliases")
        renamed |= {str(k): str(v) for k, v in mapping(aliases).items()}
        listed = self.key.get("models")
        named = [str(m) for m in listed if m != "*"] if isinstance(listed, list) else []
        barred = texts(self.key.get("blacklisted_models"))
        if not named:
            mine = self.draft.expanded(f"{self.name}/*")
            named = [*renamed, *(m.partition("/")[2] for m in mine)]
        return [(m, renamed.get(m, m)) for m in dict.fromkeys(named) if m not in barred]

    def _provider(self, upstream: str) -> dict[str, Any] | None:
        draft, path, known = self.draft, self.path, HOUSES[self.house]
        usual = known.env if self.label == slug(self.name) else f"{variable(self.label)}_API_KEY"
        given = self.key.get("value")
        match self.house:
            case "azure":
                part = self._part("azure_key_config")
                endpoint = draft.url(part.get("endpoint"), (*path, "azure_key_config", "endpoint"))
                if endpoint is None:
                    draft.lost(path, "Azure has an address for each resource, and this key has none: it is left out")
                    return None
                version = str(part.get("api_version") or "2024-10-21")
                base = f"{endpoint.rstrip('/').removesuffix('/openai')}/openai"
                key = draft.secret(given, (*path, "value"), usual)
                return draft.provider(self.label, "azure", base, key=key, more={**self.more, "api_version": version})
            case "bedrock":
                return self._bedrock(given, usual)
            case "vertex":
                return self._vertex(upstream)
        keyed = bool(given) or not known.keyless
        bearer = draft.secret(given, (*path, "value"), usual) if keyed else None
        base = houses.ended(self.base, known) if self.base else known.base_url or ""
        return draft.provider(self.label, known.shape, base, key=bearer, more=self.more)

    def _bedrock(self, given: object, usual: str) -> dict[str, Any]:
        draft, path, part = self.draft, self.path, self._part("bedrock_key_config")
        at: Path_ = (*path, "bedrock_key_config")
        region = draft.plain(part.get("region"), (*at, "region"), "the region") or "us-east-1"
        secret = part.get("secret_key") or part.get("secret_access_key")
        more = dict(self.more)
        key: dict[str, str] | None = draft.secret(given, (*path, "value"), usual) if given and not secret else None
        if key is None:
            more["aws_access_key_id"] = draft.secret(part.get("access_key") or given, at, "AWS_ACCESS_KEY_ID")
            more["aws_secret_access_key"] = draft.secret(secret, at, "AWS_SECRET_ACCESS_KEY")
            if part.get("session_token"):
                more["aws_session_token"] = draft.secret(part["session_token"], at, "AWS_SESSION_TOKEN")
        return draft.provider(self.label, "bedrock", houses.bedrock(region), key=key, more=more)

    def _vertex(self, upstream: str) -> dict[str, Any]:
        draft, path, part = self.draft, self.path, self._part("vertex_key_config")
        at: Path_ = (*path, "vertex_key_config")
        project = draft.plain(part.get("project_id"), (*at, "project_id"), "the project") or "set-project"
        region = draft.plain(part.get("region"), (*at, "region"), "the region") or "us-central1"
        claude = houses.published(upstream)[0] == "anthropic"
        note = ("todo", path, "Vertex AI is asked with an access token, which is good for an hour",
                "Keep it fresh from outside: {file: ...} in api_key, and lbd ctl reload")  # fmt: skip
        if not any(n.reason == note[2] for n in draft.notes):
            draft.note("todo", path, note[2], note[3])
        key = draft.secret(None, path, HOUSES["vertex"].env)
        base = houses.vertex(project, region, "anthropic" if claude else "google")
        return draft.provider(self.label, "vertex-anthropic" if claude else "vertex", base, key=key, more=self.more)


def _client(draft: Draft, given: object) -> None:
    for key, value in mapping(given).items():
        path: Path_ = ("client", key)
        if key == "max_request_body_size_mb" and (size := whole(value)) is not None:
            draft.more["limits"] = {"max_body_bytes": size * 1024 * 1024}
        elif key == "allowed_origins":
            hosts = [str(o).partition("://")[2].partition(":")[0] or str(o) for o in texts(value) if o != "*"]
            if hosts:
                draft.more["allowed_hosts"] = hosts
            if "*" in texts(value):
                draft.lost(path, "any origin: no counterpart", "name the hosts in `allowed_hosts`")
        elif key == "allow_direct_keys" and value:
            draft.lost(path, "keys of callers are not passed on to providers")
        elif key == "drop_excess_requests" and value:
            draft.note("changed", path, "what is over a limit waits in a bounded queue, see limits.queue_size")
