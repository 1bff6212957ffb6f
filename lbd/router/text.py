"""All that is read from a prompt's text, in one pass: its words, their hashes, and what is counted.

At most ``HEAD`` + ``TAIL`` characters are looked at. Upper and lower case are the same, numbers count by their length,
and what people say around a task (``frame``) is taken off first, so that it cannot change the verdict.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple
from zlib import crc32

import msgspec

from lbd.router.cues import GROUP, GROUPS, SHARES
from lbd.router.frame import bare

# 6,000 characters take about 1.2 ms; a task is said at the start or at the end of a long prompt
HEAD = 4000
TAIL = 2000
SLOTS = 1 << 16  # of the table that single words and pairs are hashed to
_TOKEN = re.compile(r"[^\W\d_]+|\d+(?:,\d{3})*(?:\.\d+)?|_+|\n|[^\w\s]")
_LONG = 8  # letters
_LETTER_WORDS = frozenset("ai")
_LATIN = "\u024f"  # the last Latin letter with an accent
_MASK = SLOTS - 1
_NUMBER_CODES = tuple(crc32(digits.encode()) for digits in ("0", "00", "000", "0000"))
_BLANK_CODE = crc32(b"_")
_LARGEST = 1e15  # a number beyond is a string of digits
_FEW_OPTIONS = 2
_SHARED = tuple(i for i, name in enumerate(GROUPS) if name in SHARES)


class Kind(IntEnum):
    """What form a prompt has; each has a model of its own, because quality depends on other things in each."""

    OPEN = 0  # a question or a task
    LISTED = 1  # options to choose from are listed
    SUMS = 2  # a story with numbers that asks for one


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What was read: ``measures`` follow ``cues.NAMES``; ``tokens`` the task's own, in order.

    ``codes`` has the hash (32 bits) of each token, in which all numbers of a length are one; ``words`` are these,
    distinct. ``slots`` are those of the tokens and of two that follow each other, distinct, below ``SLOTS``.
    """

    kind: Kind
    measures: list[float]
    tokens: list[str]
    words: set[int]
    slots: set[int]
    codes: dict[str, int]


def shortened(text: str) -> str:
    """Return the part of a text that is looked at: all, or its head and tail."""
    return text if len(text) <= HEAD + TAIL else text[:HEAD] + "\n" + text[-TAIL:]


def read(text: str) -> Reading:
    """Read a prompt."""
    tokens = _TOKEN.findall(shortened(text).lower())
    begin, end = bare(tokens)
    tokens = tokens[begin:end]
    counted = Counter(tokens)
    marks = _options(tokens) if "\n" in counted else []
    codes: dict[str, int] = {}
    measures = _measures(tokens, counted, marks, codes)
    row = [codes[token] for token in tokens]
    words = set(row)
    slots = {(a * 33 ^ b >> 5) & _MASK for a, b in pairwise(row)}
    slots.update([code & _MASK for code in words])
    return Reading(_kind(measures, counted, marks), measures, tokens, words, slots, codes)


def said(reading: Reading, slot: int) -> str:
    """Return the word or the two words of a slot; where two share a slot, the first."""
    row = [reading.codes[token] for token in reading.tokens]
    for token, code in zip(reading.tokens, row, strict=True):
        if code & _MASK == slot:
            return token
    for at, (a, b) in enumerate(pairwise(row)):
        if (a * 33 ^ b >> 5) & _MASK == slot:
            return f"{reading.tokens[at]} {reading.tokens[at + 1]}"
    return ""


def _value(digits: str) -> float:
    return min(float(digits.replace(",", "")), _LARGEST)


class _Token(NamedTuple):
    """What a token counts for."""

    code: int
    group: int  # of ``GROUPS``, or -1
    letters: int  # 0 where it is no word
    value: float  # -1 where it is no number
    foreign: bool


def _look(token: str) -> _Token:
    group = GROUP.get(token, -1)
    if token.isalpha():
        return _Token(crc32(token.encode("utf-8", "replace")), group, len(token), -1.0, token > _LATIN)
    if token[0].isdecimal():
        return _Token(_NUMBER_CODES[min(len(token), 4) - 1], group, 0, _value(token), foreign=False)
    code = _BLANK_CODE if token[0] == "_" else crc32(token.encode("utf-8", "replace"))
    return _Token(code, group, 0, -1.0, foreign=False)


# most tokens of a prompt are in the last ones, too; what is longer than a word would fill the memory
_known = lru_cache(maxsize=1 << 14)(_look)
_LONGEST = 24  # letters


def _options(tokens: list[str]) -> list[int]:
    """Return where the options begin that are listed one a line as ``A.``, ``(b)`` or ``c:``; empty if none are."""
    found: list[int] = []
    wanted = "a"
    at = -1
    size = len(tokens)
    while True:
        try:
            at = tokens.index("\n", at + 1)
        except ValueError:
            break
        letter = at + 2 if at + 1 < size and tokens[at + 1] == "(" else at + 1
        if letter + 1 < size and tokens[letter] == wanted and tokens[letter + 1] in (".", ")", ":"):
            found.append(letter + 2)
            wanted = chr(ord(wanted) + 1)
    return found if len(found) >= _FEW_OPTIONS else []


def _kind(measures: Sequence[float], counted: Counter[str], marks: Sequence[int]) -> Kind:
    if marks:
        return Kind.LISTED
    words, numbers = math.expm1(measures[0]), math.expm1(measures[3])
    # at least two numbers, one in thirty words, a sentence's length, no formulas: a story that asks for a sum
    # numbers may be said as words (twice as many, three times, half): where it is asked how many, one is enough
    few = 0.9 if "how" in counted and ("many" in counted or "much" in counted) else 1.9
    story = numbers >= few and words >= 12 and numbers * 30 >= words and "\\" not in counted and "=" not in counted
    return Kind.SUMS if story else Kind.OPEN


def _measures(tokens: list[str], counted: Counter[str], marks: list[int], codes: dict[str, int]) -> list[float]:
    """Return the measures; fills ``codes``, so that each distinct token is looked at once."""
    log = math.log1p
    groups = [0] * len(GROUPS)
    values: list[float] = []
    numbers: set[str] = set()
    words = letters = long = alone = distinct = foreign = digits = points = 0
    for token, n in counted.items():
        code, group, size, value, strange = _known(token) if len(token) <= _LONGEST else _look(token)
        codes[token] = code
        if group >= 0:
            groups[group] += n
        if size:
            words += n
            distinct += 1
            letters += size * n
            if size > _LONG:
                long += n
            elif size == 1 and token not in _LETTER_WORDS:
                alone += n
            if strange:
                foreign += n
        elif value >= 0.0:
            values += [value] * n
            numbers.add(token)
            digits += len(token) * n
            points += n * ("." in token)
    blanks = sum([n for token, n in counted.items() if token[0] == "_"]) if _BLANK_CODE in codes.values() else 0
    stem = tokens[: max(0, marks[0] - 3)] if marks else tokens
    sentences = _sentences(stem)
    count = words or 1
    last = stem[-1] if stem else ""
    measured = [
        log(words),
        log(len(sentences)),
        log(counted["\n"]),
        log(len(values)),
        log(len(set(values))),
        log(max(values, default=0)),
        log(sum([v != int(v) for v in values])),
        log(sum([v for v in values if v < 1e6])),
        digits / (letters + digits + 1),
        log(blanks),
        letters / count,
        long / count,
        distinct / count,
        log(len(stem)),
        log(max(sentences, default=0)),
        log(sentences[-1] if sentences else 0),
        *_option_measures(tokens, marks, numbers),
        log(alone),
        log(sum([1500 <= v <= 2100 and v == int(v) for v in values])),
        float("?" in stem[-3:]),
        float(bool(stem) and stem[0] in _ASKING),
        float(last == ":"),
        foreign / count,
    ]
    told = [log(n) for n in groups]
    for i in _SHARED:
        told[i] = groups[i] / count
    return [*measured, *told, log(points)]


def _option_measures(tokens: list[str], marks: list[int], numbers: set[str]) -> tuple[float, ...]:
    """Return how many options are listed, how long they are, and which share of them holds a number."""
    if not marks:
        return (0.0, 0.0, 0.0, 0.0, 0.0)
    ends = [*[m - 3 for m in marks[1:]], len(tokens)]
    spans = [b - a for a, b in zip(marks, ends, strict=True)]
    numeric = sum([not numbers.isdisjoint(tokens[a:b]) for a, b in zip(marks, ends, strict=True)])
    longest = math.log1p(max(spans))
    shortest = math.log1p(max(0, min(spans)))
    mean = math.log1p(max(0.0, sum(spans) / len(spans)))
    return (float(len(marks)), mean, longest, longest - shortest, numeric / len(marks))


_ASKING = frozenset(["what", "which", "who", "when", "where", "whom", "whose", "why", "how"])
_STOPS = frozenset(".!?\n")


def _sentences(tokens: Sequence[str]) -> list[int]:
    """Return how many tokens each sentence has."""
    sizes: list[int] = []
    size = 0
    for token in tokens:
        if token in _STOPS:
            if size:
                sizes.append(size)
            size = 0
        else:
            size += 1
    if size:
        sizes.append(size)
    return sizes
