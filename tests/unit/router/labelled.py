"""Prompts of everyday use, written for these tests, each with the tier that a person would give it.

The leaning was made with ``MADE_WITH``; ``KEPT`` was written by the same hand when it was finished, judged once, and
nothing was changed for it: only its figure says how other prompts may fare.
A prompt is complex where a weak model's answer is likely to be worse: not where it is long or learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tests.unit.router import kept, later
from tests.unit.router.work import COMPLEX

LETTER = (
    "Dear neighbours, the water in our street will be turned off on Tuesday from nine to twelve, because a pipe has "
    "to be repaired. Please fill a bucket before that, and do not run the washing machine. The baker on the corner "
    "has kindly offered to hand out water to those who need it. We are sorry for the trouble. Your house committee."
)
_SIMPLE = {
    "question": (
        "Which planet is closest to the sun?",
        "What is the capital of France?",
        "How many days are there in a leap year?",
        "who wrote romeo and juliet",
        "What does the abbreviation FAQ stand for?",
        "What colour do you get from blue and yellow?",
        "Is a tomato a fruit?",
        "What time is it in Tokyo when it is noon in London?",
        "When did the Berlin wall fall?",
        "how tall is mount everest",
        "What is the opposite of generous?",
        "What is the largest ocean on earth?",
        "Wie heißt die Hauptstadt von Australien?",
        "Quelle est la capitale du Portugal ?",
        "¿Cuántos planetas hay en el sistema solar?",
        "Wann beginnt der Sommer?",
        "Qui a peint la Joconde ?",
        "¿Quién escribió Don Quijote?",
    ),
    "chat": (
        "Thanks a lot, that helped!",
        "Hello, how are you today?",
        "Good morning!",
        "ok",
        "Tell me a joke.",
        "I'm bored, what should I watch tonight?",
        "Sounds good, let's do that.",
        "Do you like music?",
        "My day was awful. Cheer me up a little.",
        "Can you help me?",
        "No, the other one please.",
        "What can you do?",
        "Vielen Dank, das hat mir sehr geholfen!",
        "Merci beaucoup, bonne soirée !",
        "Hola, ¿cómo estás?",
        "Guten Morgen, wie geht es dir?",
    ),
    "writing": (
        "Write a short birthday wish for a colleague.",
        "Give me three names for a cat.",
        "Write a haiku about autumn leaves.",
        "Write a one-line slogan for a bakery.",
        "Suggest a title for a photo of a sunset at the beach.",
        "Write a short out-of-office reply for next week.",
        "Write a tweet announcing our summer sale.",
        "Name five vegetables that grow well in the shade.",
        "Draft a two-sentence text to my landlord that the heating is off.",
        "Give me some ideas for a quick dinner with rice.",
        "Schreibe einen kurzen Geburtstagsgruß für meine Oma.",
        "Écris une petite carte de remerciement pour ma voisine.",
        "Escribe un mensaje corto para felicitar a un amigo por su boda.",
        "Nenne mir drei Namen für einen Hund.",
    ),
    "translation": (
        "Translate to German: good morning, how are you?",
        "How do you say thank you in Japanese?",
        "Translate this sentence into French: The train is late again.",
        "What does 'Feierabend' mean in English?",
        "Translate into Spanish: where is the nearest pharmacy?",
        ("Translate the following to Italian:\n\nWe will arrive on Friday evening and stay for three nights."),
        "Übersetze ins Englische: Ich habe meinen Schlüssel verloren.",
        "Traduis en anglais : il fait beau aujourd'hui.",
        "Traduce al inglés: mañana no puedo ir a la reunión.",
        "Wie sagt man auf Spanisch 'die Rechnung, bitte'?",
    ),
    "extraction": (
        "Summarize this in one sentence: " + LETTER,
        "Extract the date from this text: The meeting was moved to 14 March because the room was taken.",
        "Fix the spelling: I definately recieved teh parcel yestarday.",
        "Is this review positive or negative? 'The food was cold and the waiter was rude.'",
        "List the names in this sentence: Anna met Boris and Carla at the station.",
        "Rewrite this more politely: Send me the file now.",
        "Give me three keywords for this text: " + LETTER,
        "Turn this into a bullet list: eggs, milk, bread and two lemons.",
        ("Make this shorter: We would like to inform you that your order has been shipped and will arrive soon."),
        "What is the sentiment of this tweet: best concert of my life!!!",
        (
            "Fasse diesen Text in einem Satz zusammen: Der Zug hatte wegen Schnee zwei Stunden Verspätung, "
            "aber alle kamen an."
        ),
        "Corrige les fautes : je sui alé au marché hiere.",
    ),
    "easy code": (
        "How do I print hello world in Python?",
        "Write a Python function that reverses a string.",
        "What is the git command to undo the last commit?",
        "How do I get the length of a list in JavaScript?",
        "Write a SQL query that selects all rows from the table users.",
        "How do I center a div in CSS?",
        "What does the command ls -la do?",
        "Write a function that adds two numbers.",
    ),
    "easy math": (
        "What is 15 % of 80?",
        "What is 7 times 8?",
        "Convert 5 miles to kilometers.",
        "How many minutes are in three hours?",
        "What is the square root of 144?",
        "Round 3.14159 to two decimals.",
        "Was ist 12 mal 12?",
        "What is half of 250?",
    ),
}


class Labelled(NamedTuple):
    """A prompt, its kind and whether it is complex."""

    kind: str
    complex: bool
    text: str


def _flat(simple: Sequence[str], hard: Sequence[str]) -> tuple[Labelled, ...]:
    return tuple(Labelled("mixed", is_hard, t) for is_hard, texts in ((False, simple), (True, hard)) for t in texts)


MADE_WITH = (
    *(
        Labelled(kind, hard, text)
        for hard, kinds in ((False, _SIMPLE), (True, COMPLEX))
        for kind, texts in kinds.items()
        for text in texts
    ),
    *_flat(later.SIMPLE, later.COMPLEX),
)
KEPT = _flat(kept.SIMPLE, kept.COMPLEX)


def macro_f1(truth: list[bool], told: list[bool]) -> float:
    """Return the mean of the F1 of both classes."""
    total = 0.0
    for label in (True, False):
        right = sum(t is label and s is label for t, s in zip(truth, told, strict=True))
        said, were = told.count(label), truth.count(label)
        total += 2 * right / (said + were) if said + were else 1.0
    return total / 2
