"""Openings of refusals, and answers that only sound like it."""

from __future__ import annotations

import pytest

from lbd.shapes.validate.refusal import LOOKED_AT, refuses


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I\u2019m sorry, but I can\u2019t assist with that request.",
        "Sorry, I cannot provide that.",
        "I cannot help you with this.",
        "  **I can't do that.**",
        "As an AI language model, I cannot have opinions.",
        "As an AI, I don't have feelings.",
        "I must respectfully decline.",
        "I am unable to comply.",
        "Es tut mir leid, aber ich kann dabei nicht helfen.",
        "Dabei kann ich leider nicht helfen.",
        "Ich kann Ihnen dabei nicht helfen.",
        "Désolé, je ne peux pas vous aider.",
        "Lo siento, pero no puedo ayudar con eso.",
        "Mi dispiace, ma non posso aiutarti.",
        "Desculpe, mas não posso ajudar.",
        "Het spijt me, maar ik kan daar niet bij helpen.",
    ],
)
def test_a_refusal_is_known_by_its_first_words(text: str) -> None:
    """In seven languages, with or without an apology, in any dress."""
    assert refuses(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I'm sorry to hear that. Here is what you can do.",
        "I'm sorry, but I can't find order 12 in what you sent: which one is it?",
        "Sorry for the wait! Your parcel is on its way.",
        "He said: I can't help with that.",
        "I can help with that.",
        "The letter begins: I'm sorry, but I can't help with that.",
        "Es tut mir leid, dass Sie warten mussten.",
        '{"answer": "I cannot help with that"}',
        "x" * LOOKED_AT + "I can't help with that.",
    ],
)
def test_what_only_speaks_of_one_is_none(text: str) -> None:
    """An apology, a quotation, a question back."""
    assert not refuses(text)
