"""The coarse word for a family of training prompts: what it asks of a model. Unknown names stand for themselves."""

from __future__ import annotations

_WORDS = {
    "math": ("math", "gsm8k", "algebra", "calculus", "statistics", "econometrics"),
    "code": ("mbpp", "human_eval", "humaneval", "programming", "computer", "machine_learning", "code"),
    "knowledge": (
        "trivia", "natural_qa", "facts", "history", "geography", "miscellaneous", "sociology", "psychology", "law",
        "jurisprudence", "religion", "philosophy", "marketing", "management", "relations", "politics", "security",
        "sexuality", "aging", "prehistory", "macroeconomics", "microeconomics", "accounting", "foreign_policy",
    ),
    "science": (
        "arc", "openbook", "physics", "chemistry", "biology", "astronomy", "anatomy", "medic", "virology", "genetics",
        "clinical", "nutrition", "engineering", "gpqa",
    ),
    "reasoning": ("commonsense", "logic", "moral", "ethics", "fallacies", "scenarios"),
    "reading": ("mmlu", "squad", "boolq", "reading"),
}  # fmt: skip
_ORDER = ("reasoning", "math", "code", "science", "knowledge", "reading")


def word(family: str) -> str:
    """Return the coarse word."""
    name = family.lower()
    for coarse in _ORDER:
        if any(part in name for part in _WORDS[coarse]):
            return coarse
    return name
