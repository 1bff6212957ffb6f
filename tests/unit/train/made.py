"""Rows that are made up: where the strong model is better can be learned from words and from form."""

from __future__ import annotations

import json
import random  # noqa: TID251 (with a fixed seed)
from functools import cache
from pathlib import Path

from lbd.train.corpus import Corpus, corpus
from lbd.train.rows import Row
from lbd.train.vectors import Signs

TOPICS = {
    "tides": ("moon tide harbour", 0.1),
    "proofs": ("lemma integral proof", 0.8),
    "cooking": ("oven flour butter", 0.0),
    "law": ("statute tort court", 0.6),
}
FILLERS = ("which", "what", "of", "the", "is", "in", "most", "near", "often", "said", "by", "one", "it", "was", "seen")


def rows(count: int = 240) -> list[Row]:
    """Return so many rows: one set of three models, and one of a pair whose prompts list options."""
    draw = random.Random(3)
    found = []
    for i in range(count):
        family = sorted(TOPICS)[i // 2 % 4]
        words, gain = TOPICS[family]
        said = [draw.choice((*words.split(), *FILLERS)) for _ in range(12)] + words.split()
        draw.shuffle(said)
        text = " ".join(said) + "?"
        weak = float(draw.random() < 0.8 - gain)
        strong = float(draw.random() < 0.9)
        quality, usd = {"small": weak, "large": strong}, {"small": 0.001, "large": 0.01}
        if i % 2:
            text += "\nA. " + said[0] + "\nB. " + said[1] + "\nAnswer:"
        else:
            quality["middle"], usd["middle"] = float(draw.random() < 0.7), 0.004
        found.append(Row(f"r{i:04}", "listed" if i % 2 else "open", family, "train", text, quality, usd))
    return sorted(found, key=lambda r: (r.set, r.id))


@cache
def data() -> Corpus:
    """Return them as arrays."""
    return corpus(rows(), Signs())


def written(path: Path, count: int = 240) -> Path:
    """Write them as a file."""
    lines = (
        {k: getattr(r, k) for k in ("id", "set", "family", "split", "prompt", "quality", "cost_usd")}
        for r in rows(count)
    )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path
