"""What an entry of LiteLLM's ``model_list`` says that has no counterpart, with what to do about it."""

from __future__ import annotations

from typing import Any

from lbd.adapt.draft import Draft
from lbd.config.tree import Path_

_PARAMS = frozenset({
    "model", "custom_llm_provider", "api_key", "api_base", "base_url", "api_version", "weight", "order", "rpm", "tpm",
    "max_parallel_requests", "organization", "extra_headers", "region_name", "input_cost_per_token",
    "output_cost_per_token", "cache_read_input_token_cost", "cache_creation_input_token_cost", "aws_region_name",
    "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "vertex_project", "vertex_location",
    "vertex_credentials", "litellm_credential_name", "timeout", "stream_timeout", "max_retries", "num_retries",
    "drop_params", "tags", "max_budget", "budget_duration", "litellm_params",
})  # fmt: skip
_NO_PARAM = {
    "timeout": "bounds are one for all: `deadlines`, and x-lbd-max-latency-ms of a request",
    "stream_timeout": "silence is bounded by `deadlines.interactive_first_content_s` and `limits.idle_gap_s`",
    "max_retries": "attempts are bounded by the deadline and a retry budget, not by a number",
    "num_retries": "attempts are bounded by the deadline and a retry budget, not by a number",
    "drop_params": "list in the deployment's `ignores` what the model does not take",
    "tags": "write a rule whose `when: {header: ...}` chooses it",
    "guardrails": "`validate` of a surface holds answers to a schema, a length, a language",
    "max_budget": "budgets are of clients, surfaces and providers: give the provider a `budget`",
    "budget_duration": "see max_budget",
}
_PACE = ("rpm", "tpm")
# Of model_info, what is taken over or needs nothing here; supports_* only where it is false.
_INFO = frozenset({
    "id", "mode", "base_model", "max_input_tokens", "max_output_tokens", "max_tokens", "description", "db_model",
    "litellm_provider", "created_at", "updated_at", "created_by", "updated_by", "key",
})  # fmt: skip
_NO_INFO = {
    "access_groups": "bound each client's `models`",
    "team_id": "bound each client's `models`",
    "team_public_model_name": "bound each client's `models`, and map the name in its surface's `models`",
    "health_check": "probes run by themselves: see `probes`",
    "disable_background_health_check": "probes run by themselves: see `probes`",
    "supports_": "what a model cannot do keeps requests from it: list in `supports` what it can",
    "adaptive_router_preferences": "give the deployment a `quality` by family of questions",
}


def left(draft: Draft, path: Path_, entry: dict[str, Any], params: dict[str, Any], info: dict[str, Any]) -> None:
    """Note what is not taken over of an entry; ``params``: its own, and those of the credential that it names."""
    for key in sorted(params):
        at: Path_ = (*path, "litellm_params", key)
        if key in _NO_PARAM:
            draft.lost(at, "no counterpart for one deployment", _NO_PARAM[key])
        elif key in _PACE:
            _pace(draft, at)
        elif key not in _PARAMS:
            draft.lost(at, "no counterpart: lbd sends on what the client says")
    for key in entry:
        if key in _PACE:  # where older configurations have it
            _pace(draft, (*path, key))
        elif key not in ("model_name", "litellm_params", "model_info"):
            draft.lost((*path, key), "not known: no counterpart")
    for key, value in info.items():
        starts = next((start for start in _NO_INFO if key.startswith(start)), "")
        if key in _INFO or "cost" in key or value in (None, [], {}) or (starts == "supports_" and value):
            continue
        draft.lost((*path, "model_info", key), "no counterpart", _NO_INFO.get(starts, ""))


def _pace(draft: Draft, path: Path_) -> None:
    draft.note("changed", path, "no limit of a deployment: lbd learns limits from the answers' headers, and shares of"
               " traffic from `weight`",
               "Where the provider tells none, set max_concurrency; clients have limit")  # fmt: skip
