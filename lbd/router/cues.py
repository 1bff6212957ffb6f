"""Which words and signs are counted together, and the names of all that is measured of a prompt.

One look-up in ``GROUP`` a distinct token gives what it counts for. The groups are what exam questions and word
problems differ by; none was written for one data set's wording.
"""

from __future__ import annotations

_WORDS = {
    "stop": "the a an of to in is are was were be been and or that this it for on with as by at from he she his her "
    "they their its have has had do does did will would can could",
    "negation": "not except never false incorrect least cannot no none neither without untrue wrong nor",
    "comparing": "more less than twice half times double triple fewer larger smaller greater most longer older "
    "younger each per every third quarter",
    "time": "day days hour hours minute minutes week weeks month months year years second seconds daily weekly",
    "sums": "total altogether left remaining rest sum combined average spend cost costs sold earn earns paid save "
    "whole spent bought buys sell sells",
    "conditions": "if suppose assuming given then unless assume let consider",
    "tasks": "prove find determine compute calculate evaluate solve simplify express show derive estimate",
    "code": "function def return write python list string array code program int output class integer tuple lists "
    "strings elements element sort",
    "persons": "i you my your we our me us",
    "what": "what",
    "which": "which",
    "who": "who when where whom whose",
    "why": "why how explain describe",
    "how_many": "many much",
    "percent": "% percent percentage",
    "money": "$ € £ dollar dollars cents",
    "operators": "+ * / = < > ^ × ÷ ≤ ≥",  # noqa: RUF001 (the sign is meant)
    "latex": "\\",
    "question_marks": "?",
    "commas": ",",
    "brackets": "( )",
    "quotes": '" “ ” «',
    "code_signs": "{ } [ ] ;",
    "colons": ":",
    "hyphens": "- – —",  # noqa: RUF001 (dashes are meant)
    "above": "above",
    "statements": "statement statements",
}
GROUPS = tuple(_WORDS)
GROUP = {word: number for number, words in enumerate(_WORDS.values()) for word in words.split()}
SHARES = frozenset({"stop"})  # told per word; the other groups as log(1 + count)

MEASURES = (
    "words", "sentences", "lines", "numbers", "distinct_numbers", "largest_number", "decimals", "sum_of_numbers",
    "digit_share", "blanks", "word_length", "long_words", "distinct_words", "stem_words", "longest_sentence",
    "last_sentence", "options", "option_words", "longest_option", "option_spread", "numeric_options", "letters_alone",
    "years", "ends_asking", "starts_asking", "ends_open", "foreign_script",
)  # fmt: skip
FORESTED = len(MEASURES) + len(GROUPS)  # measures that trees are grown on
NAMES = (*MEASURES, *GROUPS, "points")  # points: numbers that are written with a decimal point

# What a prompt asks for, told by its first verbs: families that graded exams do not hold.
CUES = {
    "translation": "translate translation übersetze traduire traduce",
    "extraction": "summarize summarise summary extract classify categorize label tldr bullet keywords paraphrase",
    "writing": "compose draft essay poem story letter email rewrite blog haiku lyrics slogan tweet proofread",
    "code": "function python javascript java rust sql regex code bug script html css bash api refactor compile",
}
CUE = {word: family for family, words in CUES.items() for word in words.split()}
