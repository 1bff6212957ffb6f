"""Prompts of several kinds, written for these tests, and what may be done to them without changing the task."""

from __future__ import annotations

import random  # noqa: TID251 (with a fixed seed)

STEMS = (
    "Which hormone makes the kidney keep more water when the blood is too salty",
    "Under the doctrine of consideration, which promise can a court enforce",
    "What happens to the price of a bond when the market rate of interest falls",
    "Which particle carries the weak force between quarks of different flavour",
    "According to utilitarians, the right act is the one that does what",
    "Which layer of the network model turns names into addresses",
    "In what year did the treaty that ended the thirty years war get signed",
    "Which of these bacteria is the usual cause of pneumonia that patients catch at home",
)
OPTIONS = (
    ("Vasopressin", "Insulin", "Thyroxine", "Cortisol"),
    ("A gift", "A bargain", "A past act", "A moral duty"),
    ("It rises", "It falls", "It stays", "It depends on the maturity of other bonds only"),
    ("1648", "1701", "1555", "1815"),
)
STORIES = (
    "{a} buys {x} boxes of pens with {y} pens each and gives {z} pens away. How many pens does {a} have left?",
    "A train leaves at {x} and covers {y} miles in {z} hours. {a} rides twice as far. How many miles does {a} ride?",
    "{a} earns ${x} an hour for {y} hours a day and spends ${z} a week on lunch. How much is saved after 4 weeks?",
)
OPEN = (
    "Write a function that finds the longest common prefix of a list of strings.",
    "Write a python function to remove all duplicates from a sorted linked list.",
    "who sang the theme song of the show about the lighthouse keeper",
    "which river flows through the capital of hungary and serbia",
    "Let $f(x) = x^2 - 4x + 7$ for real $x$. Find the minimum value of $f(x)$ on $[0, 3]$.",
    "Find all integers $n$ such that $n^2 + 3n + 5$ is divisible by $121$.",
    "The student put a metal spoon into hot soup and it grew warm. What explains the transfer of heat best?",
    "Where would you put a plate after you have washed and dried it at home?",
    "Explain the difference between a mutex and a semaphore with a short example in C.",
    "Summarize the argument of the following paragraph about trade winds and early navigation in two sentences.",
    "Draft a short letter to a landlord about a broken heater in the middle of winter.",
)
NAMES = ("Mara", "Jonas", "Priya", "Kwame", "Yuki")

FRAMES = (
    "You are a helpful assistant. Please answer the following question: {}",
    "{}\n\nThanks a lot!",
    "{} Thank you very much for your help.",
    "Hello! Could you please help me with this? {}",
    "Bitte beantworten Sie die folgende Frage: {}\nVielen Dank!",
    "Pouvez-vous répondre à la question suivante: {}\nMerci beaucoup!",
    "Por favor, responda a la siguiente pregunta: {}\nMuchas gracias!",
)


def prompts() -> list[str]:
    """Return about three hundred."""
    draw = random.Random(5)
    found = list(OPEN)
    for i, stem in enumerate(STEMS):
        for options in OPTIONS:
            lines = "\n".join(f"{letter}. {text}" for letter, text in zip("ABCD", options, strict=True))
            found.append(f"{stem}?\n{lines}\nAnswer:" if i % 2 else f"{stem}?\n{lines}")
        found.append(stem + "?")
    for story in STORIES:
        for name in NAMES:
            for _ in range(12):
                x, y, z = (draw.randint(2, 400) for _ in range(3))
                found.append(story.format(a=name, x=x, y=y, z=z))
    return found


def typos(text: str, draw: random.Random) -> str:
    """Swap two neighbouring letters inside a few words, one in twelve."""
    words = text.split(" ")
    for i, word in enumerate(words):
        if len(word) > 4 and word.isalpha() and draw.random() < 1 / 12:
            at = draw.randrange(1, len(word) - 2)
            words[i] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)
