"""LiteLLM's proxy: ``model_list``, and what ``router_settings``, ``litellm_settings`` and ``general_settings`` say.

An entry of ``model_list`` is a deployment; entries of one ``model_name`` are one model of ours, balanced. The prefix of
``litellm_params.model`` says who serves it. Fallbacks of a group are a rule of the group's own name, which is asked
before the model: applications go on asking for what they always asked for.
"""

from __future__ import annotations

from typing import Any

from lbd.adapt import ADAPTERS, houses, litellm_entry, litellm_settings
from lbd.adapt.draft import Draft
from lbd.adapt.houses import HOUSES
from lbd.adapt.source import Source, SourceError
from lbd.adapt.words import per_mtok, variable, whole
from lbd.config.tree import Path_

API_VERSION = "2024-10-21"  # of Azure's older paths, where the source names none: the last that is no preview
_MODES = {
    "chat": None, "completion": ["completions"], "embedding": ["embeddings"], "image_generation": ["images"],
    "image_edit": ["images"], "audio_transcription": ["transcriptions"], "audio_speech": ["speech"],
    "moderation": ["moderations"], "moderations": ["moderations"], "responses": ["responses"],
}  # fmt: skip
_ROUTES = frozenset({"converse", "invoke", "converse_like", "responses", "chat", "converse_stream"})
_AUTO = "auto_router"  # the word before models that LiteLLM itself chooses among


@ADAPTERS.add("litellm")
def adapt(source: Source, draft: Draft) -> None:
    """Fill the draft."""
    root = source.root()
    known = ("model_list", "router_settings", "litellm_settings", "general_settings", "include")
    if not any(key in root for key in known):
        raise SourceError(f"{source.place(())}: none of LiteLLM's proxy: it has no model_list")
    entries = root.get("model_list")
    credentials = _credentials(root.get("credential_list"))
    for i, entry in enumerate(entries if isinstance(entries, list) else []):
        path: Path_ = ("model_list", i)
        if isinstance(entry, dict) and isinstance(entry.get("litellm_params"), dict) and entry.get("model_name"):
            _Entry(draft, entry, credentials, path).add()
        else:
            draft.lost(path, "an entry without model_name and litellm_params is left out")
    litellm_settings.apply(root, draft)


def _credentials(given: object) -> dict[str, dict[str, Any]]:
    found = given if isinstance(given, list) else []
    return {
        str(c.get("credential_name")): c["credential_values"]
        for c in found
        if isinstance(c, dict) and isinstance(c.get("credential_values"), dict)
    }


class _Entry:
    """One entry of ``model_list``."""

    def __init__(
        self, draft: Draft, entry: dict[str, Any], credentials: dict[str, dict[str, Any]], path: Path_
    ) -> None:
        self.draft = draft
        self.path: Path_ = (*path, "litellm_params")
        self.entry = entry
        self.name = str(entry["model_name"])
        given = entry["litellm_params"]
        self.params: dict[str, Any] = {**credentials.get(str(given.get("litellm_credential_name")), {}), **given}
        info = entry.get("model_info")
        self.info: dict[str, Any] = info if isinstance(info, dict) else {}

    def add(self) -> None:
        draft, path = self.draft, self.path
        word, upstream = self._split(str(self.params.get("model", "")))
        if word == _AUTO:
            draft.lost(
                (*path, "model"),
                f"{self.name} leaves the choice to LiteLLM: lbd chooses by itself for the name auto",
                f"Map {self.name} to auto in `models`; rules with `when: {{difficulty_min: ...}}` say what is hard",
            )
            return
        house = self._house(word)
        if house is None:
            return
        mode = self.info.get("mode")
        if mode is not None and str(mode) not in _MODES:
            draft.lost((*path[:-1], "model_info", "mode"), f"mode {mode!r} is not served: {self.name} is left out",
                       "lbd keeps batches itself, for any deployment" if mode == "batch" else "")  # fmt: skip
            return
        litellm_entry.left(draft, path[:-1], self.entry, self.params, self.info)
        if "*" in self.name or "*" in upstream:
            self._wildcard(house, upstream)
        else:
            self._deploy(house, self.name, upstream, explicit=mode is not None)

    def _house(self, word: str) -> str | None:
        """Return whose model it is in our words, None with a note where nothing can be asked for it."""
        draft, path = self.draft, self.path
        house = houses.find(word) if word else None
        if house is None and self.params.get("api_base", self.params.get("base_url")) is not None:
            house = "openai"  # what else it may be, it has an address, and most speak as OpenAI does
            draft.note("changed", (*path, "model"), f"provider {word or 'unnamed'!r} is not known; taken for one that"
                       " speaks as OpenAI does", "If it does not, take the provider out")  # fmt: skip
        if house is None:
            draft.lost(
                (*path, "model"),
                f"provider {word or self.params.get('model')!r} is not served by lbd: {self.name} is left out",
                "etc/shapes.md lists what is; one that speaks as OpenAI does needs its api_base",
            )
        return house

    def _split(self, model: str) -> tuple[str, str]:
        """Return whose model it is and its name there."""
        word = str(self.params.get("custom_llm_provider") or "")
        head, slash, rest = model.partition("/")
        if not word and slash and houses.find(head) is not None:
            word, model = head, rest
        elif word and slash and head == word:
            model = rest
        elif not word and slash:
            word, model = head, rest
        elif not word:
            word = houses.of_model(model) or ""
            word = "vertex" if word == "gemini" else word  # a bare name means Vertex AI there
        head, slash, rest = model.partition("/")
        while slash and head in _ROUTES and houses.find(word) in ("openai", "azure", "bedrock"):
            model = rest
            head, slash, rest = model.partition("/")
        if houses.find(word) == "bedrock" and slash and head.count("-") == 2 and head[-1].isdigit():
            self.params.setdefault("aws_region_name", head)
            model = rest
        return word, model

    def _wildcard(self, house: str, upstream: str) -> None:
        named = self.draft.expanded(self.name)
        if not named:
            self.draft.note("todo", (*self.path[:-1], "model_name"), f"{self.name!r} stands for every model that"
                            " fits; lbd offers models by name",
                            f"Convert again with --model NAME for each that is used, as --model {_example(self.name)};"
                            " `models` maps patterns of names")  # fmt: skip
        for model in named:
            bare = model
            if "/" in self.name:
                bare = model.removeprefix(self.name.partition("*")[0])
            self._deploy(house, model, upstream.replace("*", bare) if "*" in upstream else upstream, explicit=False)

    def _deploy(self, house: str, model: str, upstream: str, *, explicit: bool) -> None:
        if not upstream:
            upstream = model
            self.draft.note("todo", (*self.path, "model"), f"no deployment is named: taken for {model}",
                            "Write its name in `upstream_model`")  # fmt: skip
        provider = self._provider(house, upstream)
        if provider is None:
            return
        info, params = self.info, self.params
        costs = {**info, **{k: v for k, v in params.items() if "cost" in k}}
        price = {
            "input_usd_per_mtok": per_mtok(costs.get("input_cost_per_token")),
            "output_usd_per_mtok": per_mtok(costs.get("output_cost_per_token")),
            "cached_input_usd_per_mtok": per_mtok(costs.get("cache_read_input_token_cost")),
            "cache_write_usd_per_mtok": per_mtok(costs.get("cache_creation_input_token_cost")),
        }
        priced = price["input_usd_per_mtok"] is not None
        order = whole(params.get("order"))
        half = priced and price["output_usd_per_mtok"] is None
        serves = _MODES.get(str(info.get("mode"))) if explicit else houses.serves(info.get("base_model") or upstream)
        if str(params.get("model")).startswith("text-completion-"):
            serves = ["completions"]
        if half and not {"embeddings", "moderations"}.intersection(serves or ()):
            self.draft.note("todo", self.path, f"{model} has a price of its input alone: its output counts as free",
                            "Write output_usd_per_mtok: LiteLLM knows it from its own list")  # fmt: skip
        price["output_usd_per_mtok"] = price["output_usd_per_mtok"] or 0.0
        self.draft.deploy(
            provider,
            model,
            upstream,
            self.path,
            tier=None if order is None else self.draft.tier(order - 1),
            context_tokens=whole(info.get("max_input_tokens")) if not serves else None,
            serves=serves,
            price={k: v for k, v in price.items() if v is not None} if priced else None,
            weight=params["weight"] if isinstance(params.get("weight"), int | float) else None,
            max_concurrency=whole(params.get("max_parallel_requests")),
        )
        if order is not None:
            self.draft.note("changed", (*self.path, "order"), "an order is a tier: the next one is asked when those"
                            " before it fail, or are slower than their tier's ttft_p95_s")  # fmt: skip

    def _provider(self, house: str, upstream: str) -> dict[str, Any] | None:
        draft, params, path = self.draft, self.params, self.path
        at = "api_base" if "api_base" in params else "base_url"
        base = draft.url(params.get(at), (*path, at))
        if house in ("bedrock", "vertex"):
            return self._cloud(house, base, upstream)
        known = HOUSES[house]
        more: dict[str, Any] = {"headers": draft.headers(params.get("extra_headers"), (*path, "extra_headers"))}
        if (
            organization := draft.plain(params.get("organization"), (*path, "organization"), "the organization")
        ) is not None:
            more["headers"] = {**more["headers"], "OpenAI-Organization": organization}
        more["region"] = params.get("region_name")
        shape, name = known.shape, house
        if house == "azure":
            if base is None:
                draft.lost((*path, "model"), f"Azure has an address for each resource: {self.name} has no api_base")
                return None
            if upstream.startswith("claude"):
                own = draft.secret(params.get("api_key"), (*path, "api_key"), known.env)
                name = f"azure-anthropic-{_host(base)}"
                return draft.provider(name, "anthropic", houses.claude_on_azure(base), key=own, more=more)
            version = str(params.get("api_version") or API_VERSION)
            newer = version in ("v1", "preview", "latest") or ".services.ai.azure.com" in base
            root = base.rstrip("/").removesuffix("/v1").removesuffix("/openai")
            base = f"{root}/openai/v1" if newer else f"{root}/openai"
            more["api_version"] = None if newer else version
            name = f"azure-{_host(base)}"
        elif base is not None:
            base = houses.ended(base, known)
            name = house if base == known.base_url else f"{house}-{_host(base)}"
        keyed = params.get("api_key") or not (known.keyless or (base or known.base_url) != known.base_url)
        if house == "azure":
            keyed = True
        elif not keyed and not known.keyless:
            draft.note("changed", (*path, at), f"no api_key: LiteLLM sends {known.env} there where it is set, lbd sends"
                       " none", f"Write api_key: {{env: {known.env}}} where the server asks for it")  # fmt: skip
        usual = known.env if name == house else f"{variable(name)}_API_KEY"
        key = (
            draft.secret(params.get("api_key"), (*path, "api_key"), usual if params.get("api_key") else known.env)
            if keyed
            else None
        )
        return draft.provider(name, shape, base or known.base_url or "", key=key, more=more)

    def _cloud(self, house: str, base: str | None, upstream: str) -> dict[str, Any]:
        draft, params, path = self.draft, self.params, self.path
        if house == "bedrock":
            region = draft.plain(params.get("aws_region_name"), (*path, "aws_region_name"), "the region")
            region = region or draft.plain("os.environ/AWS_REGION", path, "the region") or ""
            key = (
                draft.secret(params["api_key"], (*path, "api_key"), HOUSES[house].env) if "api_key" in params else None
            )
            names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
            given = names if params.get(names[2]) else names[:2]
            more = {} if key else {n: draft.secret(params.get(n), (*path, n), n.upper()) for n in given}
            return draft.provider(f"bedrock-{region}", "bedrock", base or houses.bedrock(region), key=key, more=more)
        project = draft.plain(params.get("vertex_project"), (*path, "vertex_project"), "the project")
        region = draft.plain(params.get("vertex_location"), (*path, "vertex_location"), "the location") or "us-central1"
        claude = houses.published(upstream)[0] == "anthropic"
        publisher = "anthropic" if claude else "google"
        if project is None:
            project = draft.plain("os.environ/VERTEXAI_PROJECT", path, "the project") or ""
        draft.once("todo", path, "Vertex AI is asked with an access token, which is good for an hour",
                   "Keep it fresh from outside: {file: ...} in api_key, and lbd ctl reload")  # fmt: skip
        key = draft.secret(None, path, HOUSES[house].env)
        shape = "vertex-anthropic" if claude else "vertex"
        return draft.provider(f"{shape}-{region}", shape, houses.vertex(project, region, publisher), key=key)


def _host(base: str) -> str:
    host = base.partition("://")[2].partition("/")[0].partition(":")[0]
    return host.removeprefix("api.").partition(".")[0] if not host[:1].isdigit() and host != "localhost" else "local"


def _example(pattern: str) -> str:
    return pattern.replace("*", "gpt-4.1" if pattern == "*" else "some-model")
