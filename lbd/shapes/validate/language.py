"""Whether an answer is clearly in another language than the one that was asked for.

A light look at the most frequent little words of seven languages. It abstains, and the answer passes, where there are
too few words to tell, where no language stands out, and where the text is mostly code or data. It tells languages
apart that share few little words; close ones (Spanish and Portuguese) only where the text is long enough.
"""

from __future__ import annotations

import re

ENOUGH = 20  # words; shorter answers say nothing
CLEAR = 0.15  # of the words at least are little words of the language that stands out
AHEAD = 2.0  # times as many as of the one that was asked for
ENOUGH_FOREIGN = 40  # letters of another script
LOOKED_AT = 20_000  # characters

_WORDS: dict[str, str] = {
    "de": "der die das und ist nicht ein eine einen dem den des zu mit auf für von sich auch als es wie im oder aber"
    " wird sind ich sie wir werden durch bei kann haben dass wenn nur noch nach",
    "en": "the of and to in is that it for was on are with as be this by not or have from at which but they you we can"
    " has an will their there been if more when who would your its these",
    "es": "el la de que y en los se del las por un para con no una su al es lo como más pero sus le ya o este sí porque"
    " esta son entre cuando muy sin sobre también hay",
    "fr": "le la les de des et à un une du en que est pour qui dans pas par sur au plus ne se ce avec sont il vous nous"
    " ou cette mais aux être leur comme ces d l c n",
    "it": "il di che e la in un una per non è del le si con da i al lo come gli ma più sono dei della nel alla anche"
    " questo essere ha o delle dell può l",
    "nl": "de het een van en in is dat op te voor met niet zijn aan er om ook als bij maar door naar uit of wordt nog"
    " worden deze je heeft hebben kan dit wat we ze over",
    "pt": "o a de que e do da em um para é com não uma os no se na por mais as dos como mas foi ao ele das tem à seu"
    " sua ou ser quando muito nos já está também são pelo",
}
LITTLE = {name: frozenset(words.split()) for name, words in _WORDS.items()}
_WORD = re.compile(r"\b[^\W\d_]++\b")
_CODE = re.compile(r"```[^`]*+(?:```)?|`[^`\n]*+`|https?://\S++")
_LATIN = 0x250  # letters of the languages above lie below it


def speaks_other(text: str, wanted: str) -> str | None:
    """Return what the answer is clearly in, where that is not ``wanted``; None where it is, or cannot be told."""
    words = _WORD.findall(_CODE.sub(" ", text[:LOOKED_AT]).lower())
    letters = sum(map(len, words))
    foreign = sum(1 for word in words for letter in word if ord(letter) >= _LATIN)
    if foreign >= ENOUGH_FOREIGN and foreign > 0.7 * letters:
        return "another script"
    if len(words) < ENOUGH:
        return None
    hits = {name: sum(word in little for word in words) for name, little in LITTLE.items()}
    found = max(hits, key=lambda name: (hits[name], name == wanted, name))
    clear = hits[found] >= CLEAR * len(words) and hits[found] >= AHEAD * hits[wanted]
    return found if found != wanted and clear else None
