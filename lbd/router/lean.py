"""Which way a prompt leans before any figure is looked at: everyday talk to simple, open-ended work to complex.

Graded exams hold neither small talk nor design work, so the trained opinions know nothing of them. Here words and
form decide, in the languages that ``frame`` knows. Listed questions never lean: all of them were seen in training.

A prompt leans to work by what it asks for: in full by a strong word or by two hints, by half where there is one hint
and more than a short question. It leans to everyday where it is short, asks for none of that, and shows no code,
formula or long sum. Short questions of exams look the same: they keep their order among themselves, and go below the
others together.
"""

from __future__ import annotations

from collections.abc import Sequence

from lbd.router.cues import NAMES
from lbd.router.text import Kind, Reading

# Work where a weak model's answer is likely to be worse, whatever it is about.
_STRONG = """
prove proof proofs disprove derive theorem irrational convergent homeomorphism recurrence integral modulo
design architecture architect tradeoff tradeoffs offs refactor debug debugging deadlock implement optimize optimise
distributed concurrency scalable scalability migrate migration schema parser scheduler compiler
critique justify analyse analyze analysis comprehensive essay curriculum roadmap milestones methodology hypothesis
hypotheses counterexample contradict contradicts contradiction diagnoses diagnosis memo thesis dissertation
beweise beweis beweisen widerlege entwirf entwerfe entwurf architektur analysiere bewerte begründe vergleiche
ausführlichen ausführlicher ausführliche projektplan meilensteine meilensteinen verteiltes
prouve prouvez démontre démontrez démontrer conçois concevez concevoir implémente analyse justifie évalue évaluez
compromis détaillé détaillée élabore
demuestra demuestre demostrar diseña diseñe diseñar analiza analice implementa justifica evalúa argumenta elabora
detallado detallada
dimostra progetta analizza bewijs ontwerp analyseer projete demonstre
"""
_HINTS = {
    "reasons": "why explain describe warum erkläre erklären pourquoi explique expliquez explica explique por perché",
    "weighing": "compare compares comparing contrast discuss argue argument arguments evaluate assess versus vs pros "
    "cons strengths strongest views opposed vor nachteile discute comparez compara ventajas avantages",
    "planning": "plan planning outline strategy stratégie strategie estrategia phases steps schedule timeline forecast "
    "budget risks risk dependencies constraints requirements goals risiken risques riesgos étapes contraintes "
    "presupuesto",
    "depth": "detailed detail thorough thoroughly rigorous rigorously depth step cited sources chapter article paper "
    "literature",
    "repair": "bug bugs fix error exception crash crashes hangs leak traces slow races race cause failure",
    "code": "algorithm complexity thread threads lock locks cache queue async database class interface memory "
    "algorithme algoritmo komplexität complexité",
    "maths": "show suppose assume bounded continuous sequence infinity functions integers primes polynomial vector "
    "matrix probability reals",
    "puzzle": "unevenly wrong labelled exactly possible work follow follows determine deduce conclude ways",
    "advice": "propose consider improve obligations deadline clause tradeoff recommendation",
}
# Short tasks on a text that is given, and small ones.
_LIGHT = """
translate translation summarize summarise summary tldr rewrite rephrase paraphrase spelling grammar typo typos
shorter sentence politely extract classify keywords sentiment bullet names synonym synonyms capital joke poem haiku
slogan short title caption tweet greeting birthday wish wishes recipe ideas reply
übersetze übersetzen fasse zusammen zusammenfassung kurz kurze kurzen kurzes schreibe korrigiere umformulieren nenne
traduis traduire traduisez résume résumez petit petite court courte corrige corrigez
traduce traducir resume corrige resumen corto corta breve reescribe
traduci riassumi vertaal samenvatting traduza
"""
_CODE = """
function python javascript java rust sql regex code script program def return algorithm api class array implement
golang typescript kotlin compile
"""
_MAKING = """
write create build make give generate return function schreibe schreib erstelle écris crée escribe crea scrivi
"""
# What work begins with, where it is more than a few words.
_ORDERS = """
develop build create draw sketch draft discuss interpret examine investigate formulate construct walk organise organize
reconstruct model simulate redesign rework review
entwickle entwickeln entwickelt erstelle erarbeite diskutiere untersuche rédige rédigez développe développez étudie
desarrolla desarrolle redacta redacte examina sviluppa scrivi
"""
# How exams ask, and how a sentence ends that is to be completed: such prompts were seen, and are judged as trained.
_EXAM = """
following these likely best except statement statements describes characteristic example examples evidence results
scientists organism organisms
"""
_OPEN_ENDS = """
a an the to of in on by with from through about is are was were be can will may when because that who which if for as
into than and or
"""
STRONG, LIGHT, CODE, MAKING, ORDERS, EXAM, OPEN_ENDS = (
    frozenset(words.split()) for words in (_STRONG, _LIGHT, _CODE, _MAKING, _ORDERS, _EXAM, _OPEN_ENDS)
)
_WOULD = frozenset(["would", "should"])
HINT = {word: group for group, words in _HINTS.items() for word in words.split()}
_HINTED = frozenset(HINT)
_SHORT, _LONG = 12, 18  # tokens: up to the first a prompt leans in full, from the second on not at all
_TEXT = 200  # tokens of a text with a small task about it
_FIRST = 6  # tokens, in which a small task is named where there is a hint of work, too
_FEW = 4  # tokens: too few for work that is worth a strong model
_ENDS = 30  # tokens at the start and at the end, where it is said what is asked for
_LATEX, _OPERATORS, _SIGNS = (NAMES.index(name) for name in ("latex", "operators", "code_signs"))


def lean(reading: Reading) -> float:
    """Return which way a prompt leans: -1 everyday, 1 work, 0 neither."""
    if reading.kind is Kind.LISTED:
        return 0.0
    tokens = reading.tokens
    size = len(tokens)
    asked = set(tokens) if size <= 2 * _ENDS else {*tokens[:_ENDS], *tokens[-_ENDS:]}
    heavy = _heavy(tokens, asked) if size > _FEW else 0.0
    if heavy >= 1.0:
        return 1.0 if reading.kind is Kind.OPEN or not STRONG.isdisjoint(asked) else 0.0
    if size > _TEXT or reading.kind is Kind.SUMS or _formal(reading) or _programs(asked):
        return 0.0
    if not LIGHT.isdisjoint(tokens[:_FIRST] if heavy else asked):
        return -1.0
    if heavy and size >= _SHORT and EXAM.isdisjoint(asked):
        return 0.5
    if heavy or size >= _LONG or not tokens or tokens[-1] in OPEN_ENDS or not EXAM.isdisjoint(asked):
        return 0.0
    return -min(1.0, (_LONG - size) / (_LONG - _SHORT))


def _heavy(tokens: Sequence[str], asked: set[str]) -> float:
    ordered = tokens[0] in ORDERS or (tokens[0] == "how" and tokens[1] in _WOULD)
    return len(STRONG & asked) + 0.5 * (len({HINT[word] for word in _HINTED & asked}) + ordered)


def _programs(asked: set[str]) -> bool:
    """Tell whether a program is to be written; a question about one may be small talk among programmers."""
    return not (CODE.isdisjoint(asked) or MAKING.isdisjoint(asked))


def _formal(reading: Reading) -> bool:
    """Tell whether formulas or code are in it."""
    told = reading.measures
    return bool(told[_LATEX] or told[_SIGNS] > 1.0 or told[_OPERATORS] > 1.0)
