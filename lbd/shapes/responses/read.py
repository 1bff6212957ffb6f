"""A Responses API request as a prompt, for providers of other shapes."""

from __future__ import annotations

from typing import Any, Literal

from lbd.model.failure import LbdError
from lbd.model.messages import Effort, Format, Prompt, Tool
from lbd.shapes import dig
from lbd.shapes.chat.read import decode
from lbd.shapes.responses import state
from lbd.shapes.responses.turns import Conversation

# Wishes about the service, not about the answer: who cannot grant them serves the request all the same.
# The bound on calls is one on tools that run at the provider, of which a translated request has none.
_HINTS = frozenset(
    {
        "max_tool_calls",
        "metadata",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "service_tier",
        "stream",
        "stream_options",
    }
)
_STATE = frozenset({"background", "conversation", "previous_response_id", "store"})
_KNOWN = (
    _HINTS
    | _STATE
    | {
        "include",
        "input",
        "instructions",
        "max_output_tokens",
        "model",
        "parallel_tool_calls",
        "reasoning",
        "safety_identifier",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "truncation",
        "user",
    }
)
_LOGPROBS = "message.output_text.logprobs"
# What adds to items that a translated answer does not have, and what is added without a wish.
_IDLE = frozenset(
    {
        "code_interpreter_call.outputs",
        "computer_call_output.output.image_url",
        "file_search_call.results",
        "message.input_image.image_url",
        "reasoning.encrypted_content",
        "web_search_call.action.sources",
        "web_search_call.results",
    }
)


def read(raw: bytes) -> Prompt:
    """Return what a request asks. Raises LbdError, with the place of what is wrong in it."""
    body = decode(raw)
    wants = state.kept(*(body.get(k) for k in ("previous_response_id", "conversation", "background", "store")))
    if wants is not None:
        raise LbdError(wants)
    dig.only(body, _KNOWN, "", body)
    if body.get("truncation") not in (None, "disabled"):
        raise dig.unsupported("/truncation", "a prompt is never shortened here: only disabled is possible")
    said = Conversation(body.get("instructions"))
    said.take(body.get("input"))
    tools = _tools(body)
    choice, tool, allowed = _choice(body.get("tool_choice"))
    logprobs = _include(body)
    user = body.get("safety_identifier") or body.get("user")
    form, verbosity = _text(body.get("text"))
    return Prompt(
        model=dig.text(body.get("model"), "/model"),
        turns=said.turns,
        system=tuple(said.system),
        tools=tools if allowed is None else tuple(t for t in tools if t.name in allowed),
        choice=choice,
        tool=tool,
        parallel=dig.flag(body.get("parallel_tool_calls"), "/parallel_tool_calls"),
        max_tokens=dig.whole(body.get("max_output_tokens"), "/max_output_tokens"),
        temperature=dig.number(body.get("temperature"), "/temperature"),
        top_p=dig.number(body.get("top_p"), "/top_p"),
        logprobs=logprobs,
        top_logprobs=dig.whole(body.get("top_logprobs"), "/top_logprobs") if logprobs else None,
        format=form,
        effort=_effort(body.get("reasoning")),
        verbosity=verbosity,
        user=dig.maybe_text(user, "/user"),
    )


def _include(body: dict[str, Any]) -> bool:
    """Tell whether log-probabilities are to be included."""
    wanted = dig.words(body.get("include"), "/include")
    for number, word in enumerate(wanted):
        if word != _LOGPROBS and word not in _IDLE:
            raise dig.unsupported(f"/include/{number}", f"{word!r} cannot be translated")
    return _LOGPROBS in wanted


def _tools(body: dict[str, Any]) -> tuple[Tool, ...]:
    out = []
    for tool, at in dig.objects(body.get("tools"), "/tools"):
        if tool.get("type") != "function":
            raise dig.unsupported(f"{at}/type", f"a tool of type {tool.get('type')!r} runs at its provider alone")
        out.append(
            Tool(
                dig.text(tool.get("name"), f"{at}/name"),
                dig.maybe_text(tool.get("description"), f"{at}/description"),
                dig.maybe_members(tool.get("parameters"), f"{at}/parameters"),
                dig.flag(tool.get("strict"), f"{at}/strict"),
            )
        )
    return tuple(out)


_Mode = Literal["auto", "none", "required"] | None


def _mode(value: object, at: str) -> _Mode:
    if value in ("auto", "none", "required"):
        return value
    raise dig.bad(at, f"{value!r} is none of auto, none, required")


def _choice(value: object) -> tuple[_Mode, str | None, frozenset[str] | None]:
    """Return the mode, the name of the tool that must be called, and those that may be where not all may."""
    if value is None:
        return None, None, None
    if isinstance(value, str):
        return _mode(value, "/tool_choice"), None, None
    choice = dig.members(value, "/tool_choice")
    kind = choice.get("type")
    if kind == "function":
        return "required", dig.text(choice.get("name"), "/tool_choice/name"), None
    if kind != "allowed_tools":
        raise dig.unsupported("/tool_choice/type", f"a choice of type {kind!r} cannot be translated")
    names = set()
    for tool, at in dig.objects(choice.get("tools"), "/tool_choice/tools"):
        if tool.get("type") != "function":
            raise dig.unsupported(f"{at}/type", f"a tool of type {tool.get('type')!r} runs at its provider alone")
        names.add(dig.text(tool.get("name"), f"{at}/name"))
    return _mode(choice.get("mode"), "/tool_choice/mode"), None, frozenset(names)


def _text(value: object) -> tuple[Format | None, str | None]:
    """Return the form of the answer, and how much it is to say."""
    told = dig.maybe_members(value, "/text") or {}
    dig.only(told, ("format", "verbosity"), "/text", told)
    return _format(told.get("format")), dig.maybe_text(told.get("verbosity"), "/text/verbosity")


def _format(value: object) -> Format | None:
    at = "/text/format"
    form = dig.maybe_members(value, at)
    kind = None if form is None else form.get("type")
    if form is None or kind == "text":
        return None
    if kind == "json_object":
        return Format()
    if kind != "json_schema":
        raise dig.unsupported(f"{at}/type", f"an answer of type {kind!r} cannot be translated")
    return Format(
        dig.members(form.get("schema"), f"{at}/schema"),
        dig.text(form.get("name"), f"{at}/name"),
        dig.maybe_text(form.get("description"), f"{at}/description"),
        dig.flag(form.get("strict"), f"{at}/strict"),
    )


def _effort(value: object) -> Effort | None:
    """Return how much is to be thought, and whether a summary of it is wanted."""
    told = dig.maybe_members(value, "/reasoning") or {}
    dig.only(told, ("context", "effort", "generate_summary", "mode", "summary"), "/reasoning", told)
    if told.get("mode") not in (None, "standard"):
        raise dig.unsupported("/reasoning/mode", f"{told['mode']!r} cannot be translated")
    level = dig.maybe_text(told.get("effort"), "/reasoning/effort")
    summary = dig.maybe_text(told.get("summary") or told.get("generate_summary"), "/reasoning/summary")
    if level == "none":
        return Effort(off=True)
    return None if level is None and summary is None else Effort(level, shown=True if summary is not None else None)
