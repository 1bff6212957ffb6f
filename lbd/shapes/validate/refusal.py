"""Whether an answer begins like a refusal: a small word list, looked for at the very beginning and nowhere else.

It is a list of openings that assistants use to refuse, each of them with its "but not": an apology alone ("I'm sorry to
hear that"), or a refusal told of somebody else, is none. Where the provider itself says that it refuses, its word is
taken (:mod:`lbd.shapes.validate.texts`).
"""

from __future__ import annotations

import re

LOOKED_AT = 160  # characters

_WILL_NOT = (
    r"(?:help|assist|do that|comply|fulfil|answer|provide|share|create|generate|write|produce|continue|discuss|engage"
    r"|support|participate|give)"
)
_CANNOT = r"(?:can't|cannot|can not|won't|will not|am unable to|am not able to|'m unable to|'m not able to)"
_SORRY = r"(?:i'm (?:very )?sorry|i am sorry|sorry|i apologi[sz]e|my apologies|unfortunately)"
OPENINGS = (
    # English: "I'm sorry, but I can't help with that", "I cannot assist", "As an AI language model, I can't"
    rf"{_SORRY}?,? ?(?:but )?i ?{_CANNOT} {_WILL_NOT}",
    rf"as an ai(?: language model| assistant)?,? i ?(?:{_CANNOT}|don't|do not)",
    r"i must (?:respectfully )?decline",
    # German
    r"(?:es )?tut mir leid,? (?:aber )?(?:ich kann|dabei kann ich|das kann ich|da kann ich)",
    r"(?:dabei|damit|das) kann ich (?:dir |ihnen )?(?:leider )?nicht",
    r"ich kann (?:dir |ihnen )?(?:dabei|damit|das) (?:leider )?nicht",
    r"als (?:ki|ki-modell|sprachmodell),? kann ich",
    # French, Spanish, Italian, Portuguese, Dutch
    r"(?:je suis )?désolée?,? (?:mais )?je ne peux pas",
    r"lo siento,? (?:pero )?no puedo",
    r"mi dispiace,? (?:ma )?non posso",
    r"(?:desculpe|lamento|sinto muito),? (?:mas )?não posso",
    r"(?:het spijt me|sorry),? (?:maar )?ik kan (?:je |u )?(?:daar|hier|dat|niet)",
)
_OPENING = re.compile("|".join(OPENINGS))
_MARKS = " \t\r\n\"'*_>#`“”„«»"  # what a text may be dressed in


def refuses(text: str) -> bool:
    """Tell whether an answer begins like a refusal."""
    start = text[:LOOKED_AT].lstrip(_MARKS).casefold().replace("\u2019", "'")
    return _OPENING.match(" ".join(start.split())) is not None
