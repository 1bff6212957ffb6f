"""How Anthropic's Messages API is translated: its clients answered, its providers asked, by whatever other shape."""

from __future__ import annotations

from msgspec.structs import replace

from lbd.model.messages import Call, Effort, Prompt, Thinking
from lbd.model.provider import DeploymentSpec
from lbd.shapes import tokens
from lbd.shapes.dialect import Dialect, Voice
from lbd.shapes.messages import hear, passing, speak, usage
from lbd.shapes.messages.fold import MessagesFold
from lbd.shapes.messages.read import read
from lbd.shapes.messages.stream import MessagesWatch
from lbd.shapes.messages.write import write
from lbd.shapes.wire import Wire

LEAST_BUDGET = 1024  # tokens; the API refuses less
# What a word means where only a budget is known, in tokens.
BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576, "max": 32000}

VOICE = Voice("anthropic", read, speak.MessagesSpeaker, speak.whole, usage.fields)


def carries(model: str) -> frozenset[str]:
    """Return what can be expressed to a model."""
    words = passing.CAPABILITIES if passing.keeps_schemas(model) else passing.CAPABILITIES - {"json_schema"}
    return words if passing.takes_sampling(model) else words - {"sampling", "top_k"}


def _write(prompt: Prompt, row: DeploymentSpec, stream: bool, _ask_usage: bool) -> bytes:
    model = row.upstream_model
    return write(suited(prompt, model), model, stream=stream, samples=passing.takes_sampling(model))


def suited(prompt: Prompt, model: str) -> Prompt:
    """Return the prompt with its effort told as this model is told one: by a budget, or by a word."""
    effort = prompt.effort
    if effort is None:
        return prompt
    if effort.off:  # later models think when they will, and know no word against it
        return prompt if passing.takes_sampling(model) else replace(prompt, effort=None)
    if "claude" in model and (prompt.tool is not None or prompt.choice == "required"):
        return replace(prompt, effort=None)  # a call that is forced is not thought about
    if passing.thinks_by_budget(model):
        if _calls_unthought(prompt):
            return replace(prompt, effort=None)
        budget = effort.budget or BUDGETS.get(effort.level or "", BUDGETS["medium"])
        if prompt.max_tokens is not None:
            budget = min(budget, prompt.max_tokens - 1)  # the answer's bound holds what is thought
        if budget < LEAST_BUDGET:
            return replace(prompt, effort=None)
        return replace(prompt, effort=Effort(budget=budget), temperature=None, top_p=None, top_k=None)
    if effort.budget is not None and not passing.takes_sampling(model):
        word = "low" if effort.budget <= BUDGETS["low"] else "medium" if effort.budget <= BUDGETS["medium"] else "high"
        return replace(prompt, effort=Effort(effort.level or word, shown=effort.shown))
    return prompt


def _calls_unthought(prompt: Prompt) -> bool:
    """Tell whether the last answer calls tools without a thought of Claude's own: then it may not go on thinking."""
    last = next((turn for turn in reversed(prompt.turns) if turn.role == "assistant"), None)
    if last is None or not any(isinstance(part, Call) for part in last.parts):
        return False
    return not any(isinstance(p, Thinking) and tokens.own(p.token, "anthropic") is not None for p in last.parts)


DIALECT = Dialect(
    family="anthropic",
    path="/messages",
    carries=carries,
    write=_write,
    listen=hear.MessagesListener,
    read=hear.read,
)
MESSAGES = Wire(
    path="/messages",
    carries=passing.CAPABILITIES,
    encode=passing.encode,
    facts=passing.facts,
    watch=MessagesWatch,
    fold=lambda _watch: MessagesFold(),
)
