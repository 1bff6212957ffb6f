"""Azure OpenAI, by its ``/openai/v1`` paths or, with ``api_version``, by the older deployment paths.

``upstream_model`` is the name of the deployment there. The model list names what could be deployed, not what is. An
answer's limits are in OpenAI's headers; an effective limit may sink below the quota (Azure documentation, "Quotas").
"""

from __future__ import annotations

import dataclasses

from lbd.model.messages import Prompt
from lbd.model.provider import DeploymentSpec
from lbd.shapes.chat.voice import DIALECT
from lbd.shapes.chat.wire import CHAT
from lbd.shapes.chat.write import write
from lbd.shapes.completions.voice import COMPLETIONS
from lbd.shapes.family import hosted
from lbd.shapes.forms import FORMS
from lbd.shapes.plain import EMBEDDINGS, PLAIN
from lbd.shapes.providers import PROVIDERS, ProviderConfig
from lbd.shapes.responses.wire import RESPONSES


class Azure(ProviderConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="azure"):
    """Azure OpenAI.

    api_version: of the older paths, such as 2024-10-21; ``base_url`` then ends in /openai. Without it, it ends in
        /openai/v1.
    """

    api_version: str | None = None


def headers(key: str | None) -> tuple[tuple[str, str], ...]:
    """Return the credential: a key of the resource, or a token of Entra ID, which is no hexadecimal key."""
    if key is None:
        return ()
    return (("authorization", f"Bearer {key}"),) if key.startswith("eyJ") else (("api-key", key),)


def _write(prompt: Prompt, row: DeploymentSpec, stream: bool, ask_usage: bool) -> bytes:
    # the deployment's name says nothing of its model, and all models there know this one
    return write(prompt, row.upstream_model, stream=stream, ask_usage=ask_usage, bound="max_completion_tokens")


SHAPE = PROVIDERS.add("azure")(
    hosted(
        "azure",
        Azure,
        speaks={
            "openai.chat": CHAT,
            "openai.completions": dataclasses.replace(COMPLETIONS, serves="completions"),
            "openai.responses": dataclasses.replace(RESPONSES, serves="responses", names_deployment=False),
            "openai.embeddings": EMBEDDINGS,
            "openai.images": PLAIN["openai.images"],
            "openai.speech": PLAIN["openai.speech"],
            **FORMS,
        },
        headers=headers,
        dialect=dataclasses.replace(DIALECT, write=_write),
        lists_models=False,
    )
)
