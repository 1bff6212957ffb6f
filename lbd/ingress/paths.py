"""Which path is spoken in which client shape, and the paths of other houses that stand for OpenAI's own."""

from __future__ import annotations

import difflib
import re
from urllib.parse import unquote

from lbd.ingress import deferred, endpoints, files
from lbd.ingress.inbound import Inbound

MODELS = "/v1/models"
ROUTES = {
    "/v1/chat/completions": "openai.chat",
    "/v1/completions": "openai.completions",
    "/v1/embeddings": "openai.embeddings",
    "/v1/moderations": "openai.moderations",
    "/v1/images/generations": "openai.images",
    "/v1/images/edits": "openai.image_edits",
    "/v1/audio/speech": "openai.speech",
    "/v1/audio/transcriptions": "openai.transcriptions",
    "/v1/audio/translations": "openai.translations",
    "/v1/responses": "openai.responses",
    "/v1/responses/input_tokens": "openai.input_tokens",
    "/v1/messages": "anthropic.messages",
    "/v1/messages/count_tokens": "anthropic.count_tokens",
}
# Azure's paths: the newer are OpenAI's own behind a prefix, the older name the deployment
AZURE = "/openai/"
OPENROUTER = "/api/v1/"  # before OpenAI's paths
_DEPLOYMENT = re.compile(r"/openai/deployments/([^/]+)/([a-z/]+)")


def reroute(inbound: Inbound) -> tuple[str | None, bool]:
    """Bring a path to the form that is known here.

    Returns the deployment that one of Azure's names, and whether it was one of OpenRouter's.
    """
    if not inbound.path.startswith("/"):
        inbound.to_origin_form()
    if inbound.path.startswith(OPENROUTER):
        if endpoints.named(inbound.path) is None:
            inbound.path = inbound.path.removeprefix("/api")
        return None, True
    return _azures(inbound) if inbound.path.startswith(AZURE) else None, False


def near(path: str) -> str:
    """Return `` (did you mean X?)`` for a path that is nearly known: without its ``/v1``, or with a slash behind."""
    found = difflib.get_close_matches(path, (*ROUTES, MODELS), n=1, cutoff=0.8)
    return f" (did you mean {found[0]}?)" if found else ""


def _azures(inbound: Inbound) -> str | None:
    found = _DEPLOYMENT.fullmatch(inbound.path)
    if found is not None:
        inbound.path = f"/v1/{found[2]}"
        return unquote(found[1])
    path = inbound.path.removeprefix("/openai")
    older = f"/v1{path}"  # as the paths that name no deployment stand beside those that do
    named = older.startswith(MODELS + "/") or files.takes(older) or deferred.takes(older)
    inbound.path = older if named or older in ROUTES or older == MODELS else path
    return None
