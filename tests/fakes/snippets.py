"""What stands between fences in README and the pages of ``etc/docs``, and the commands in it.

A fence names a language and may name a kind: ``yaml fragment`` is a part of a configuration, ``yaml source`` another
gateway's, which stands above its ``yaml result``; ``text`` is nothing that anybody would type.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

from tests.fakes.configs import ETC, LOCAL

ROOT = ETC.parent
README = ROOT / "README.md"
PAGES = (README, *sorted((ETC / "docs").glob("*.md")))
FENCE = re.compile(r"^( *)```(\w*) ?([^\n]*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
KINDS = frozenset(
    {
        *(("sh", ""), ("python", ""), ("text", ""), ("yaml", ""), ("yaml", "fragment")),
        *(("yaml", "source"), ("json", "source"), ("yaml", "result")),
    }
)


class Snippet(NamedTuple):
    """A block of code, and the page and line where it begins."""

    page: Path
    line: int
    language: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def _read(page: Path) -> list[Snippet]:
    text = page.read_text()
    out = []
    for found in FENCE.finditer(text):
        body = re.sub(rf"^{found[1]}", "", found[4], flags=re.MULTILINE)
        out.append(Snippet(page, text.count("\n", 0, found.start()) + 1, found[2], found[3], body))
    return out


SNIPPETS = [snippet for page in PAGES for snippet in _read(page)]


def of(*languages: str, kind: str = "") -> list[Snippet]:
    """Return the snippets in one of these languages, of one kind."""
    return [s for s in SNIPPETS if s.language in languages and s.kind == kind]


def prose(page: Path) -> str:
    """Return what stands outside of fences."""
    return FENCE.sub("", page.read_text())


def configuration(snippet: Snippet) -> str:
    """Return a configuration that can be checked: a fragment is put beside a minimal one."""
    if snippet.kind != "fragment":
        return snippet.text
    return snippet.text + ("" if re.search(r"^providers:", snippet.text, re.MULTILINE) else LOCAL)


def lines(snippet: Snippet) -> list[str]:
    """Return the command lines of a snippet, those joined that go on, without comments."""
    joined = re.sub(r"(\||\\)\n\s*", lambda m: "| " if m[1] == "|" else "", snippet.text)
    return [line for given in joined.splitlines() if (line := re.sub(r"(^|\s+)# .*", "", given).strip())]


def commands(line: str) -> list[list[str]]:
    """Return the words of each program of a command line; what a shell does with output is left out."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    out: list[list[str]] = [[]]
    skip = False
    for word in lexer:
        if word in ("&&", "|", "||", ";"):
            out.append([])
        elif word in (">", "<", ">>"):
            skip = True
        elif skip:
            skip = False
        else:
            out[-1].append(word)
    return [words for words in out if words]
