"""Portkey's targets: whose each is, which model it asks for, and the provider of ours that it becomes."""

from __future__ import annotations

from typing import Any, NamedTuple

from lbd.adapt import houses
from lbd.adapt.draft import Draft
from lbd.adapt.houses import HOUSES
from lbd.adapt.words import mapping, variable
from lbd.config.tree import Path_

OF_A_TARGET = frozenset({
    "provider", "virtual_key", "api_key", "override_params", "custom_host", "resource_name", "deployment_id",
    "api_version", "azure_model_name", "azure_resource_name", "azure_deployment_id", "azure_deployment_name",
    "azure_api_version", "azure_region", "azure_deployment_type", "azure_endpoint_name", "aws_access_key_id",
    "aws_secret_access_key", "aws_region", "aws_session_token", "vertex_project_id", "vertex_region",
    "vertex_service_account_json", "openai_organization", "openai_project", "passthrough", "metadata",
})  # fmt: skip


class Leaf(NamedTuple):
    """A target that is asked: where it stands, what it says with all above it, and its share."""

    path: Path_
    target: dict[str, Any]
    weight: float


class Targets:
    """Makes providers of targets; ``slugs`` says whose an account is, by the name that a person gave it."""

    def __init__(self, draft: Draft, slugs: dict[str, str]) -> None:
        self.draft = draft
        self.slugs = {**slugs, **draft.choices.providers}

    def model(self, leaf: Leaf) -> str | None:
        """Return the model that a target overrides the client's with, None where it does not."""
        given = leaf.target.get("override_params")
        model = mapping(given).get("model")
        text = str(model or leaf.target.get("azure_model_name") or "")
        return (text.partition("/")[2] if text.startswith("@") else text) or None

    def house(self, leaf: Leaf) -> tuple[str, str | None]:
        """Return what a person called a target's account, and whose it is."""
        target = leaf.target
        given = target.get("override_params")
        model = str(mapping(given).get("model") or "")
        word = str(target.get("virtual_key") or target.get("provider") or "").removeprefix("@")
        if model.startswith("@"):
            word = model[1:].partition("/")[0]
        house = houses.find(str(self.slugs.get(word, word))) or houses.guess(word)
        return word, house

    def provider(self, leaf: Leaf) -> dict[str, Any] | None:
        """Return the provider that a target asks, None with a note where it is not known."""
        draft, target, path = self.draft, leaf.target, leaf.path
        word, house = self.house(leaf)
        host = draft.url(target.get("custom_host"), (*path, "custom_host"))
        if house is None and host is None:
            draft.lost(path, f"whose {word or 'this target'!r} is cannot be seen here: it is left out",
                       f"Convert again with --provider {word or 'NAME'}=openai (or whose it is)")  # fmt: skip
            return None
        house = house or "openai"
        known = HOUSES[house]
        kept = bool(target.get("virtual_key")) or any(
            str(name or "").startswith("@")
            for name in (target.get("provider"), mapping(target.get("override_params")).get("model"))
        )  # a name of an account that is kept at Portkey
        own = word if word and (kept or houses.find(word) is None) else str(target.get("name") or house)
        usual = known.env if own == house else f"{variable(own)}_API_KEY"
        given = target.get("api_key")
        if given is None and kept:
            into = usual if house != "bedrock" else "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            draft.note("todo", path, f"the key behind {word!r} is at Portkey", f"Put the provider's own into {into}")
        ignored = [k for k in mapping(target.get("override_params")) if k != "model"]
        if ignored:
            draft.lost(
                (*path, "override_params"), f"{', '.join(ignored)}: no counterpart, lbd sends what the client says"
            )
        if house == "bedrock":
            return self._bedrock(leaf, own)
        key = draft.secret(given, (*path, "api_key"), usual) if given or not known.keyless else None
        if house == "vertex":
            project = draft.plain(target.get("vertex_project_id"), path, "the project") or "set-project"
            region = draft.plain(target.get("vertex_region"), path, "the region") or "us-central1"
            if project == "set-project":
                draft.note("todo", path, "the project on Vertex AI is at Portkey", "Write it where set-project stands")
            draft.once("todo", path, "Vertex AI is asked with an access token, which is good for an hour",
                       "Keep it fresh from outside: {file: ...} in api_key, and lbd ctl reload")  # fmt: skip
            claude = houses.published(self.model(leaf) or "")[0] == "anthropic"
            base = houses.vertex(project, region, "anthropic" if claude else "google")
            return draft.provider(own, "vertex-anthropic" if claude else "vertex", base, key=key)
        if house == "azure":
            named = "resource_name" if target.get("resource_name") else "azure_resource_name"
            resource = draft.plain(target.get(named), (*path, named), "the resource")
            if resource is None and host is None:
                draft.note("todo", path, "the resource on Azure is at Portkey", "Write its address in base_url")
                resource = "set-resource"
            base = host or f"https://{resource}.openai.azure.com/openai"
            version = str(target.get("api_version") or target.get("azure_api_version") or "2024-10-21")
            return draft.provider(own, "azure", base, key=key, more={"api_version": version})
        base = houses.ended(host, known) if host else known.base_url or ""
        sent = {"OpenAI-Organization": "openai_organization", "OpenAI-Project": "openai_project"}
        headers = {h: draft.plain(target.get(w), (*path, w), "the name") for h, w in sent.items()}
        more = {"headers": {h: text for h, text in headers.items() if text is not None}}
        return draft.provider(own, known.shape, base, key=key, more=more)

    def _bedrock(self, leaf: Leaf, own: str) -> dict[str, Any]:
        draft, target, path = self.draft, leaf.target, leaf.path
        region = draft.plain(target.get("aws_region"), (*path, "aws_region"), "the region")
        if region is None:
            draft.note("todo", path, "the region is at Portkey", "Write it in base_url")
            region = "us-east-1"
        names = ["aws_access_key_id", "aws_secret_access_key"]
        names += ["aws_session_token"] if target.get("aws_session_token") else []
        more = {k: draft.secret(target.get(k), (*path, k), k.upper()) for k in names}
        return draft.provider(own, "bedrock", houses.bedrock(region), key=None, more=more)
