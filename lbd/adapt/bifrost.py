"""Bifrost's ``config.json``: providers with their keys, and what ``governance`` says of virtual keys.

Each key of a provider is an account of ours; the same model at several of them is one model, balanced by their weights.
Requests there name ``provider/model``: that name means the model here, whichever account serves it. The values of its
Helm chart hold the same under ``bifrost``.
"""

from __future__ import annotations

from typing import Any

from lbd.adapt import ADAPTERS, bifrost_clients, bifrost_rules, houses
from lbd.adapt.bifrost_key import Account, Key
from lbd.adapt.bifrost_pools import Pools
from lbd.adapt.draft import Draft
from lbd.adapt.houses import HOUSES
from lbd.adapt.source import Source, SourceError
from lbd.adapt.words import mapping, maps, snake, texts, whole
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
    "auth_config": "see `admin`: changes need its token or the unix socket",
    "host": "see `listen`",
    "port": "see `listen`",
    "log_level": "see log.level",
    "cluster": "one lbd serves one host",
    "cluster_config": "one lbd serves one host",
}
_SILENT = frozenset({"$schema", "version", "source_of_truth", "providers", "governance", "client"})
_NETWORK = {
    "default_request_timeout_in_seconds": "bounds are one for all: see `deadlines`",
    "stream_idle_timeout_in_seconds": "the longest silence in a stream is one for all: limits.idle_gap_s",
    "max_retries": "attempts are bounded by the deadline and a retry budget, not by a number",
    "retry_backoff_initial_ms": "waits are those that the provider asks for",
    "retry_backoff_max_ms": "waits are those that the provider asks for",
    "retry_backoff_initial": "waits are those that the provider asks for",
    "retry_backoff_max": "waits are those that the provider asks for",
    "insecure_skip_verify": "certificates are always checked: trust your own by `ca_file`",
    "ca_cert_pem": "write it to a file and name it in `ca_file`",
    "max_conns_per_host": "set max_concurrency of the provider",
}
_NOTHING: tuple[object, ...] = (None, False, "", [], {})
_OF_A_PROVIDER = frozenset({
    "keys", "network_config", "concurrency_and_buffer_size", "proxy_config", "custom_provider_config", "meta_config",
})  # fmt: skip
_OF_A_CUSTOM_ONE = {
    "allowed_requests": "say what each deployment is for in `serves`; clients may ask for chats, completions and"
    " responses of one that serves chats",
    "request_path_overrides": "lbd asks at base_url with the usual paths: put a server between that has them",
}
_CLIENT = {
    "drop_excess_requests": "what is over a limit waits in a bounded queue, see limits.queue_size",
    "allow_direct_keys": "keys of callers are not passed on to providers",
    "required_headers": "`when: {header: ...}` of a rule asks for a header; requests without one are not refused",
    "header_filter_config": "headers of clients are not passed on; `headers` of a provider are sent with every request",
    "enable_litellm_fallbacks": "what a model does not take keeps a request from it, see `ignores`",
    "compat": "what a model does not take keeps a request from it, see `ignores`",
    "whitelisted_routes": "every endpoint of the API asks for a client's key",
    "webhook_config": "see `alerts`",
    "prometheus_labels": "labels of /metrics are lbd's own",
    "async_job_result_ttl": "answers in the background are kept for a day, see limits.recall_bytes",
}


@ADAPTERS.add("bifrost")
def adapt(source: Source, draft: Draft) -> None:
    """Fill the draft."""
    root = source.root()
    chart = root.get("bifrost")
    if isinstance(chart, dict) and "providers" not in root:
        draft.under = ("bifrost",)
        root = _of_a_chart(chart, source)
    providers = root.get("providers")
    if not isinstance(providers, dict) and "governance" not in root:
        raise SourceError(f"{source.place(())}: no config.json of Bifrost's: it has no providers")
    since = 1 if root.get("version") == 1 else 2
    accounts: list[Account] = []
    for name, given in mapping(providers).items():
        if isinstance(given, dict):
            accounts += _provider(draft, str(name), given, since)
    for key in root:
        if key not in _SILENT and root[key] not in (None, False, [], {}):
            draft.lost((key,), "no counterpart", _REMEDIES.get(key, ""))
    _client(draft, root.get("client"))
    governance = root.get("governance")
    if isinstance(governance, dict):
        pools = Pools(accounts, draft)
        bifrost_rules.apply(governance, pools, draft)
        bifrost_clients.apply(governance, pools, since, draft)
    given = mapping(root.get("client"))
    if draft.clients and not any(given.get(w) for w in ("enforce_auth_on_inference", "enforce_governance_header")):
        draft.note("changed", ("client",), "requests without a virtual key were served, unless a plugin refused them;"
                   " lbd asks every one for a key of a client", "Write one more client for them")  # fmt: skip


def _of_a_chart(chart: dict[str, Any], source: Source) -> dict[str, Any]:
    """Return the values of the Helm chart as its config.json says them."""
    root = snake(chart)
    for part in ("client", "governance"):
        given = root.get(part)
        if isinstance(given, dict):
            root[part] = snake(given)
            for old, new in zip(given, root[part], strict=True):
                source.also(("bifrost", part, old), ("bifrost", part, new))
    return {key: value for key, value in root.items() if key not in ("app_dir", "log_style")}


def _provider(draft: Draft, name: str, given: dict[str, Any], since: int) -> list[Account]:
    path: Path_ = ("providers", name)
    custom = mapping(given.get("custom_provider_config"))
    house = houses.find(str(custom.get("base_provider_type") or name))
    network = mapping(given.get("network_config"))
    if house is None:
        draft.lost(path, f"provider {name!r} is not served by lbd: it is left out", "etc/shapes.md lists what is")
        return []
    more: dict[str, Any] = {
        "headers": draft.headers(network.get("extra_headers"), (*path, "network_config", "extra_headers"))
    }
    _left(draft, given, network, custom, path)
    sizes = given.get("concurrency_and_buffer_size")
    keys = maps(given.get("keys"))
    if keys and isinstance(sizes, dict) and (most := whole(sizes.get("concurrency"))) is not None:
        more["max_concurrency"] = max(1, most // len(keys))
    more["proxy"] = _proxy(draft, given.get("proxy_config"), (*path, "proxy_config"))
    return _keys(draft, name, house, given, more, since)


def _left(draft: Draft, given: dict[str, Any], network: dict[str, Any], custom: dict[str, Any], path: Path_) -> None:
    """Note what a provider says that has no counterpart."""
    for word, value in network.items():
        if word not in ("base_url", "extra_headers") and value not in _NOTHING:
            draft.lost((*path, "network_config", word), "no counterpart", _NETWORK.get(word, ""))
    for word, value in given.items():
        if word not in _OF_A_PROVIDER and value not in _NOTHING:
            draft.lost((*path, word), "no counterpart")
    for word, remedy in _OF_A_CUSTOM_ONE.items():
        if word in custom:
            draft.lost((*path, "custom_provider_config", word), "no counterpart", remedy)


def _keys(
    draft: Draft, name: str, house: str, given: dict[str, Any], more: dict[str, Any], since: int
) -> list[Account]:
    """Offer what each key of a provider is for; return the accounts that they became."""
    path: Path_ = ("providers", name)
    network, meta, keys = (
        mapping(given.get("network_config")),
        mapping(given.get("meta_config")),
        maps(given.get("keys")),
    )
    if not keys and not meta and not HOUSES[house].keyless:
        draft.lost((*path, "keys"), "a provider without keys is left out")
        return []
    accounts: list[Account] = []
    for i, key in enumerate(keys or [{}]):
        at: Path_ = (*path, "keys", i) if keys else path
        if key.get("models") == [] and since > 1:
            draft.note("changed", (*at, "models"), "an empty list is every model before Bifrost 1.5 and none since;"
                       " taken for every one", "Take the provider out where it was to serve none")  # fmt: skip
        for account in Key(draft, name, house, {**meta, **key}, at, network, more, len(keys)).add():
            same = next((n for n, a in enumerate(accounts) if a.provider is account.provider), None)
            if same is None:
                accounts.append(account)
            else:  # another name of what is one account here
                accounts[same] = account._replace(called=accounts[same].called | account.called)
    return accounts


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
        elif key == "drop_excess_requests" and value:
            draft.note("changed", path, _CLIENT[key])
        elif key in _CLIENT and value not in (None, False, [], {}):
            draft.lost(path, "no counterpart", _CLIENT[key])
