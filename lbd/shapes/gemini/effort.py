"""How much to think, in Google's words: a level from Gemini 3 on, a budget of tokens before; both at once are refused.

Sources: the API's page on thinking (levels and ranges by model) and the one on its OpenAI-compatible endpoint, which
tells the budgets that Google itself takes for the words.
"""

from __future__ import annotations

import re
from typing import Any

from lbd.model.messages import Effort
from lbd.model.units import Tokens
from lbd.shapes import dig
from lbd.shapes.gemini import models

_AT = "/reasoning_effort"
_LEVELS = {"minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH", "xhigh": "HIGH", "max": "HIGH"}
_BUDGETS = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576, "max": 24576}
# All take LOW and HIGH; these take MINIMAL, and the first Pro has no MEDIUM.
_MINIMAL = re.compile(r"gemini-3(?:\.[156])?-flash", re.ASCII)
_NO_MEDIUM = re.compile(r"gemini-3-pro", re.ASCII)
# Up to here a budget is nearer to this level than to the next: half of what the next one's usual budget is, and twice
# of its own.
_LOW_BUDGET: Tokens = 2048
_MEDIUM_BUDGET: Tokens = 16384


def thinking(effort: Effort | None, model: str) -> dict[str, Any] | None:
    """Return the ``thinkingConfig``, None where nothing is asked. Raises LbdError for a model that does not think.

    Who gives a budget expects to see what it was spent on, whether or not that was said.
    """
    if effort is None:
        return None
    asked = effort.level is not None or effort.budget is not None
    if not models.thinks(model):
        if asked and not effort.off:
            raise dig.unsupported(_AT, "this model does not think")
        return None
    out = _level(effort, model) if models.new(model) else _budget(effort, model)
    if effort.shown is not None or (effort.budget is not None and not effort.off):
        out["includeThoughts"] = effort.shown is not False
    return out or None


def _word(level: str, words: dict[str, Any]) -> Any:
    if level not in words:
        raise dig.unsupported(_AT, f"{level!r} is none of {', '.join(words)}")
    return words[level]


def _level(effort: Effort, model: str) -> dict[str, Any]:
    if effort.off:
        level = "MINIMAL"  # none can be told not to think at all
    elif effort.level is not None:
        level = _word(effort.level, _LEVELS)
    elif effort.budget is not None:
        level = "LOW" if effort.budget <= _LOW_BUDGET else "MEDIUM" if effort.budget <= _MEDIUM_BUDGET else "HIGH"
    else:
        return {}
    if level == "MINIMAL" and not _MINIMAL.search(model):
        level = "LOW"
    if level == "MEDIUM" and _NO_MEDIUM.search(model):
        level = "HIGH"
    return {"thinkingLevel": level}


def _budget(effort: Effort, model: str) -> dict[str, Any]:
    pro = "2.5-pro" in model
    if effort.off:
        return {"thinkingBudget": 128 if pro else 0}  # Pro cannot be told not to think at all
    if effort.budget is not None:
        least, most = (128, 32768) if pro else (512 if "lite" in model else 1, 24576)
        return {"thinkingBudget": min(most, max(least, effort.budget))}
    if effort.level is not None:
        return {"thinkingBudget": _word(effort.level, _BUDGETS)}
    return {}
