"""The model card: where the data came from, what was trained, what it reached, and where it fails. All from figures."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from lbd.router.cues import FORESTED
from lbd.router.rank import COMPLEX, SIMPLE
from lbd.train.figures import FLOOR
from lbd.train.line import STEPS
from lbd.train.run import KNOWN, UNSEEN, Trained

# What is known of sets by their name; others are described by who trained on them.
SOURCES = {
    "routellm-mmlu": "evaluation answers on MMLU that the RouteLLM project published",
    "routellm-gsm8k": "evaluation answers on GSM8K that the RouteLLM project published",
    "llmrouter": "per-model results over public benchmarks that the LLMRouter project published",
}


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table, in Markdown that also reads well as text."""
    widths = [max(len(r[i]) for r in (head, *rows)) for i in range(len(head))]
    lines = [head, ["-" * w for w in widths], *rows]
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) + " |" for r in lines)


def orders(trained: Trained) -> str:
    """Return the table of APGR and savings."""
    rows = [
        [x.set, x.by, str(x.prompts), f"{x.apgr:.3f}", f"{x.low:.3f}-{x.high:.3f}", f"{x.saving:.1%}"]
        for x in trained.lines
    ]
    return table(["set", "ordered by", "prompts", "APGR", "95 % interval", f"saved at {FLOOR:.0%}"], rows)


def floors(trained: Trained) -> str:
    """Return the table of the floor."""
    rows = [[x.set, x.by, f"{x.kept:.3f}", f"{x.saved:.1%}"] for x in trained.deployed]
    return table(["set", "judged on", "share of strong quality kept", "saved"], rows)


def picks(trained: Trained) -> str:
    """Return the table of picks."""
    rows = [[x.set, x.by, x.best, f"{x.quality:.3f}", f"{x.cost:.1%}"] for x in trained.picked]
    return table(["set", "judged on", "best single model", "quality beside it", "cost beside it"], rows)


def gates(trained: Trained) -> str:
    """Return what picking gives at other gates."""
    rows = [
        [f"{x.sure:.2f}", *(f"{share:.3f}" for share in x.known), *(f"{share:.3f}" for share in x.unseen)]
        for x in trained.gates
    ]
    return table(["sure from", "known: quality", "cost", "unseen: quality", "cost"], rows)


def failures(trained: Trained) -> str:
    """Return where it is no better than a cheap rule, told from the figures."""
    found: list[str] = []
    at = {(x.set, x.by): x for x in trained.lines}
    for name in trained.data.names:
        for by in (KNOWN, UNSEEN):
            here = at[name, by]
            if here.low <= 0.5:
                found.append(
                    f"- {name}, {by}: not told from random (APGR {here.apgr:.3f}, interval from {here.low:.3f})."
                )
            if here.apgr <= at[name, "length"].apgr:
                found.append(f"- {name}, {by}: no better than the prompt's length ({at[name, 'length'].apgr:.3f}).")
    found += [
        f"- {x.set}, {x.by}: the floor of {FLOOR} was not kept ({x.kept:.3f})."
        for x in trained.deployed
        if x.kept < FLOOR
    ]
    found += [
        f"- {x.set}, {x.by}: picking is worse than {x.best} alone ({x.quality:.3f} of its quality)."
        for x in trained.picked
        if x.quality < 1
    ]
    return "\n".join(found) or "- none in these figures."


def write(trained: Trained) -> str:
    """Return the card."""
    data = trained.data
    sets = table(
        ["set", "rows", "families", "weak model", "strong model", "source"],
        [
            [
                name,
                str(int((data.sets == name).sum())),
                str(len(set(data.families[data.sets == name].tolist()))),
                data.pairs[name].weak,
                data.pairs[name].strong,
                SOURCES.get(name, "told by who trained"),
            ]
            for name in data.names
        ],
    )
    return f"""# Model card: the router's weights

Written by `lbd train`; every figure is from that run.

Weights: SHA-256 of the file `{hashlib.sha256(trained.weights).hexdigest()}`, {len(trained.weights)} bytes.
Vectors of words: {trained.vectors}.

## What it is for

It tells from a prompt's text how much better a strong model would answer than a weak one (`gain`), and what quality
each of several models is held to have. It runs in pure Python in well under a millisecond and sees one text, not the
conversation. It is a prior for measured quality, not a replacement of it.

## Data

{sets}

The terms of the sources were not verified. No prompt is in the package: the file holds numbers by hashes of words, of
pairs of words, and means. Qualities are single answers (0 or 1 mostly), costs mostly estimates: mind the intervals.

## What was trained

For each kind of prompt (options are listed; a story with numbers; anything else) a blend of boosted trees on
{FORESTED} counts (in stories a straight line on {len(STEPS)} of them instead, pulled to one by which longer stories
gain more), a ridge regression on hashed words and pairs of words, and the likeness to each family
that was seen, with that family's mean (a kernel on {data.space.vectors.shape[1]} dimensions of the summed vectors of
{len(data.space.codes)} words, and words themselves). The target is the gain, centred per set. Predictions shrink with
the distance from what was seen, and margins grow with it.

Above it lies what nobody trained: small talk, thanks, short questions, short writing, translation and extraction lean
to simple (difficulty below {SIMPLE}, no excess), and work (proofs, design, debugging, planning, weighing) leans to
complex (above {COMPLEX}), by words in several languages and by form. Short trivia questions look like everyday ones and
go with them: among those of the exams a stronger model gains little there. Questions in the manner of exams ("which of
these", "except", sentences to complete) do not lean, because a stronger model gains much on some of them, and programs
to be written do not lean to simple. *Not leant*, below, is the order before it.

## Figures

*Known families*: prompts held out at random. *Unseen families*: whole families held out, in every set that has them.
APGR: average share of the gap between weak and strong model recovered, over all shares of strong calls. The savings
of this table peek at the curve; those of the next do not. *Family oracle* knows each family's true mean gain.

{orders(trained)}

A deployed floor of {FLOOR} of the strong model's quality, its slack calibrated on other families than it is judged on:

{floors(trained)}

Picking the cheapest of all models within that slack. Where a prompt is not surely of a family that was seen (its
likeness, or its length beside the family's), models are held to be what they are on the whole: the best of them
answers, or a cheaper one within the slack if the gain is at most {trained.recipe.easy}. What they are on the whole is
told by the whole set, as the best single model is; in the lines *means of others* by the rows that were trained on
alone, which may name another model the best:

{picks(trained)}

The same at other gates (the shipped one: {trained.recipe.sure}):

{gates(trained)}

## Known failures

{failures(trained)}

## Limits

- Exam questions, school maths, short code tasks and open-domain questions in English were seen; chat, long documents,
  tools and other languages were not. `distance` says how far a prompt is from what was seen.
- Models are of 2023 and 2024. A model that was not seen is placed by its name, size or price until its quality is
  measured.
- The sets of families that were left out are drawn from the same benchmarks; prompts of real traffic differ more.
- The leaning was made by hand with 217 prompts of its maker (macro-F1 of simple against complex at 0.6: above 0.95). On
  59 that the same hand wrote afterwards and changed nothing for it was 0.88; an earlier leaning, of words alone, fell
  from 0.96 to 0.77 that way. Other people's prompts will differ more. Small code tasks are mostly held complex: a
  stronger model gains on those that were seen.
- The line for stories and the gate were chosen with these figures in sight.
- Choices (shares, penalties, points) were made on the same cross-validation that is shown: it flatters a little.
"""
