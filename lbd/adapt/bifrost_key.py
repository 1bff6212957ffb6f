"""A key of one of Bifrost's providers: an account of ours, at the address that the provider or the key names."""

from __future__ import annotations

from typing import Any, NamedTuple

from lbd.adapt import houses
from lbd.adapt.draft import Draft
from lbd.adapt.houses import HOUSES
from lbd.adapt.words import mapping, slug, texts, variable
from lbd.config.tree import Path_

_KNOWN = frozenset({
    "id", "name", "value", "models", "weight", "aliases", "blacklisted_models", "enabled", "description",
    "azure_key_config", "bedrock_key_config", "vertex_key_config", "replicate_key_config", "ollama_key_config",
    "sgl_key_config", "vllm_key_config",
    # of the older meta_config, which belonged to the provider
    "endpoint", "deployments", "api_version", "region", "access_key", "secret_key", "secret_access_key",
    "session_token", "project_id", "auth_credentials", "project_number", "arn", "role_arn",
})  # fmt: skip
_REMEDIES = {
    "use_for_batch_api": "lbd keeps batches itself, and any deployment works on them",
    "batch_s3_config": "lbd keeps files and batches itself",
}
_ADDRESS = {"ollama": "ollama_key_config", "sglang": "sgl_key_config", "vllm": "vllm_key_config"}
# Their base_url ends where ours does; to any other one Bifrost adds /v1 before the endpoint.
_AS_IT_IS = frozenset({"gemini", "perplexity", "azure", "bedrock", "vertex"})


class Account(NamedTuple):
    """A provider of ours, and what the source calls it: the provider ``of`` whom its key is, and the key's names."""

    provider: dict[str, Any]
    of: str
    called: frozenset[str]


def said(value: object) -> object:
    """Return a value that may be written out as a map with its source, as exports do."""
    if not isinstance(value, dict):
        return value
    ref = str(value.get("env_var") or value.get("ref") or "")
    if ref and (value.get("from_env") or value.get("type", "env") == "env"):
        return ref if ref.startswith("env.") else f"env.{ref}"
    return value.get("value")


class Key:
    """One key of a provider; ``of``: how many there are."""

    def __init__(
        self, draft: Draft, name: str, house: str, key: dict[str, Any], path: Path_, network: dict[str, Any],
        more: dict[str, Any], of: int,
    ) -> None:  # fmt: skip
        self.draft, self.house, self.key, self.path = draft, house, key, path
        self.name = name
        self.label = slug(str(key.get("name") or name)) if of > 1 else slug(name)
        self.label = self.label if slug(name) in self.label else f"{slug(name)}-{self.label}"
        self.more = more
        self.base = draft.url(said(network.get("base_url")), (*path[:2], "network_config", "base_url"))
        self.accounts: list[Account] = []

    def add(self) -> list[Account]:
        """Offer what the key is for; return the accounts that it became."""
        if self.key.get("enabled") is False:
            self.draft.lost(self.path, f"key {self.label} is switched off: it is left out")
            return []
        for word in self.key:
            if word not in _KNOWN and self.key[word] not in (None, False, "", [], {}):
                self.draft.lost((*self.path, word), "no counterpart", _REMEDIES.get(word, ""))
        self._own_address()
        pairs = self._models()
        if not pairs:
            self.draft.note("todo", (*self.path, "models"), f"{self.label} serves every model of {self.name}; lbd"
                            " offers models by name",
                            f"Convert again with --model {self.name}/NAME for each that is used")  # fmt: skip
            return []
        for model, upstream in pairs:
            provider = self._provider(upstream)
            if provider is None:
                break
            weight = self.key.get("weight")
            row = self.draft.deploy(
                provider, model, upstream, self.path, serves=houses.serves(model),
                weight=weight if isinstance(weight, int | float) and weight not in (1, True) else None,
            )  # fmt: skip
            if row is None:
                continue
            if f"{self.name}/{model}" != row["model"]:
                self.draft.aliases[f"{self.name}/{model}"] = row["model"]
            if not any(a.provider is provider for a in self.accounts):
                called = {str(self.key.get(w)) for w in ("id", "name")} - {"None"}
                self.accounts.append(Account(provider, self.name, frozenset(called)))
        return self.accounts

    def _part(self, name: str) -> dict[str, Any]:
        given = self.key.get(name)
        return given if isinstance(given, dict) else self.key

    def _own_address(self) -> None:
        """Take over the address that a key of a server of one's own has."""
        name = _ADDRESS.get(self.house, "")
        if (url := said(mapping(self.key.get(name)).get("url"))) is not None:
            self.base = self.draft.url(url, (*self.path, name, "url")) or self.base

    def _models(self) -> list[tuple[str, str]]:
        """Return the models that the key is for, each with its name there."""
        renamed: dict[str, str] = {}
        for name in ("azure_key_config", "bedrock_key_config", "vertex_key_config", "replicate_key_config"):
            renamed |= {str(k): str(v) for k, v in mapping(self._part(name).get("deployments")).items()}
        renamed |= {str(k): str(v) for k, v in mapping(self.key.get("aliases")).items()}
        only = mapping(self.key.get("vllm_key_config")).get("model_name")
        given = self.key.get("models")
        named = [str(m) for m in given if m != "*"] if isinstance(given, list) else []
        barred = texts(self.key.get("blacklisted_models"))
        if not named:
            mine = self.draft.expanded(f"{self.name}/*")
            named = [*renamed, *(m.partition("/")[2] for m in mine)] or ([str(only)] if only else [])
        if isinstance(only, str):
            renamed = {**dict.fromkeys(named, only), **renamed}
        arn = said(mapping(self.key.get("bedrock_key_config")).get("arn"))
        if arn:
            path = (*self.path, "bedrock_key_config", "arn")
            self.draft.lost(path, "the ARN is not put before the models' names", "Write it in `upstream_model`")
        return [(m, renamed.get(m, m)) for m in dict.fromkeys(named) if m not in barred]

    def _provider(self, upstream: str) -> dict[str, Any] | None:
        draft, path, known = self.draft, self.path, HOUSES[self.house]
        usual = known.env if self.label == slug(self.name) else f"{variable(self.label)}_API_KEY"
        given = said(self.key.get("value"))
        match self.house:
            case "azure":
                return self._azure(given, usual, upstream)
            case "bedrock":
                return self._bedrock(given, usual)
            case "vertex":
                return self._vertex(upstream)
        keyed = bool(given) or not known.keyless
        bearer = draft.secret(given, (*path, "value"), usual) if keyed else None
        return draft.provider(self.label, known.shape, self._base(), key=bearer, more=self.more)

    def _base(self) -> str:
        """Return the address as ours is written: with the /v1 that Bifrost adds by itself."""
        known = HOUSES[self.house]
        if self.base is None:
            return known.base_url or ""
        base = self.base.rstrip("/")
        if self.house in _AS_IT_IS or base.endswith((known.path or "/v1", "/v1")):
            return base
        return base + (known.path or "/v1")

    def _azure(self, given: object, usual: str, upstream: str) -> dict[str, Any] | None:
        draft, path, part = self.draft, self.path, self._part("azure_key_config")
        at: Path_ = (*path, "azure_key_config")
        endpoint = draft.url(said(part.get("endpoint")), (*at, "endpoint")) or self.base
        if endpoint is None:
            draft.lost(path, "Azure has an address for each resource, and this key has none: it is left out")
            return None
        if not given and not any(a.of == self.name for a in self.accounts):
            draft.note("todo", path, "this key is an identity of Azure's: lbd sends an api-key",
                       f"Put a key of the resource into {usual}")  # fmt: skip
        version = str(part.get("api_version") or "2024-10-21")
        base = f"{endpoint.rstrip('/').removesuffix('/openai')}/openai"
        key = draft.secret(given, (*path, "value"), usual)
        if upstream.startswith("claude"):
            base = houses.claude_on_azure(endpoint)
            return draft.provider(f"{self.label}-anthropic", "anthropic", base, key=key, more=self.more)
        return draft.provider(self.label, "azure", base, key=key, more={**self.more, "api_version": version})

    def _bedrock(self, given: object, usual: str) -> dict[str, Any]:
        draft, path, part = self.draft, self.path, self._part("bedrock_key_config")
        at: Path_ = (*path, "bedrock_key_config")
        region = draft.plain(said(part.get("region")), (*at, "region"), "the region") or "us-east-1"
        secret = said(part.get("secret_key") or part.get("secret_access_key"))
        more = dict(self.more)
        access = said(part.get("access_key")) or given
        key: dict[str, str] | None = draft.secret(given, (*path, "value"), usual) if given and not secret else None
        if key is None:
            if not access and not self.accounts:
                draft.note("todo", at, "this key takes what the host is allowed (the role of an instance or a pod),"
                           " or assumes a role: lbd signs with keys, or sends a bearer key",
                           "Put keys into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, keep them fresh")  # fmt: skip
            more["aws_access_key_id"] = draft.secret(access, at, "AWS_ACCESS_KEY_ID")
            more["aws_secret_access_key"] = draft.secret(secret, at, "AWS_SECRET_ACCESS_KEY")
            if part.get("session_token"):
                more["aws_session_token"] = draft.secret(said(part["session_token"]), at, "AWS_SESSION_TOKEN")
        base = self.base or houses.bedrock(region)
        return draft.provider(self.label, "bedrock", base, key=key, more=more)

    def _vertex(self, upstream: str) -> dict[str, Any]:
        draft, path, part = self.draft, self.path, self._part("vertex_key_config")
        at: Path_ = (*path, "vertex_key_config")
        project = draft.plain(said(part.get("project_id")), (*at, "project_id"), "the project") or "set-project"
        region = draft.plain(said(part.get("region")), (*at, "region"), "the region") or "us-central1"
        claude = houses.published(upstream)[0] == "anthropic"
        draft.once("todo", path, "Vertex AI is asked with an access token, which is good for an hour",
                   "Keep it fresh from outside: {file: ...} in api_key, and lbd ctl reload")  # fmt: skip
        key = draft.secret(None, path, HOUSES["vertex"].env)
        base = houses.vertex(project, region, "anthropic" if claude else "google")
        return draft.provider(self.label, "vertex-anthropic" if claude else "vertex", base, key=key, more=self.more)
